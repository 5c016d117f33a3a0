package io.sallyport.e2e.stack;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * One child process whose output goes to a log file.
 *
 * <p>It gets a path, a locale and nothing else of our environment: what is secret there stays with us.
 */
public final class Child implements AutoCloseable {
    private static final int TAIL = 15;
    private static final Duration GRACE = Duration.ofSeconds(5);

    private final String name;
    private final Path log;
    private final Process process;
    private final CompletableFuture<String> ready = new CompletableFuture<>();
    private final Deque<String> tail = new ArrayDeque<>();
    private final Thread pump;

    private Child(String name, Path log, Process process, String readyMark) {
        this.name = name;
        this.log = log;
        this.process = process;
        // Not a virtual thread: reading a pipe holds its carrier, and two of those are all that a small machine has.
        pump = Thread.ofPlatform().daemon().name("log of " + name).unstarted(() -> pump(readyMark));
    }

    /**
     * Starts a program.
     *
     * @param log where its output is appended
     * @param readyMark what the line contains by which it says that it is ready
     */
    public static Child start(String name, List<String> command, Path log, String readyMark) {
        return start(name, command, Map.of(), log, readyMark);
    }

    /**
     * Starts a program that finds something more in its environment.
     *
     * @param more nothing secret: others may read it
     */
    static Child start(String name, List<String> command, Map<String, String> more, Path log, String readyMark) {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        Map<String, String> environment = builder.environment();
        String temporary = environment.get("TMPDIR");
        environment.clear();
        environment.put("PATH", "/usr/local/bin:/usr/bin:/bin");
        environment.put("LANG", "C.UTF-8");
        if (temporary != null) {
            environment.put("TMPDIR", temporary);
        }
        environment.putAll(more);
        try {
            Process process = builder.start();
            process.getOutputStream().close();
            Child child = new Child(name, log, process, readyMark);
            child.pump.start();
            return child;
        } catch (IOException e) {
            throw new StackException(name + " cannot be started: " + e.getMessage(), e);
        }
    }

    /** Of the operating system. */
    public long pid() {
        return process.pid();
    }

    String name() {
        return name;
    }

    CompletableFuture<?> onExit() {
        return process.onExit();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /** Whether the line that says "ready" has come. */
    boolean isReady() {
        return ready.isDone() && !ready.isCompletedExceptionally();
    }

    /**
     * Waits for the line that says "ready" and returns it.
     *
     * @throws StackException with the last lines of the log, when the program ends first or takes too long
     */
    public String awaitReady(Duration atMost) {
        try {
            return ready.get(atMost.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw new StackException(name + " ended with code " + exitCode() + " before it was ready" + lastLines(), e);
        } catch (TimeoutException e) {
            throw new StackException(name + " was not ready after " + atMost.toSeconds() + " s" + lastLines(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StackException("interrupted while waiting for " + name, e);
        }
    }

    /** Waits for the end of a program that ends by itself, and returns its exit code. */
    int awaitExit(Duration atMost) {
        try {
            if (!process.waitFor(atMost.toMillis(), TimeUnit.MILLISECONDS)) {
                close();
                throw new StackException(name + " did not end within " + atMost.toSeconds() + " s" + lastLines());
            }
            pump.join();
            return process.exitValue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StackException("interrupted while waiting for " + name, e);
        }
    }

    /** The end of the log. */
    List<String> tail() {
        synchronized (tail) {
            return List.copyOf(tail);
        }
    }

    /** Waits for the end of a program that was told to end; false when it takes longer. */
    public boolean awaitEnd(Duration atMost) throws InterruptedException {
        return process.waitFor(atMost.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** The end of the log, for messages. */
    String lastLines() {
        synchronized (tail) {
            return "; its last lines (all of them: " + log + "):\n  "
                    + (tail.isEmpty() ? "(nothing)" : String.join("\n  ", tail));
        }
    }

    /** SIGKILL, at once. */
    public void kill() {
        signalTree(true);
        process.onExit().join();
    }

    /** SIGSTOP: the program is there and does nothing. */
    void suspend() {
        signal("STOP");
    }

    /** SIGCONT. */
    void resume() {
        signal("CONT");
    }

    /** SIGTERM, without waiting. */
    public void terminate() {
        if (process.isAlive()) {
            resume();
            signalTree(false);
        }
    }

    /** SIGTERM, and SIGKILL for what is still there after some seconds. */
    @Override
    public void close() {
        terminate();
        try {
            if (!process.waitFor(GRACE.toMillis(), TimeUnit.MILLISECONDS)) {
                kill();
            }
            pump.join(Duration.ofSeconds(1));
        } catch (InterruptedException e) {
            kill();
            Thread.currentThread().interrupt();
        }
    }

    private void signalTree(boolean forcibly) {
        List<ProcessHandle> tree = new ArrayList<>(process.descendants().toList());
        tree.add(process.toHandle());
        for (ProcessHandle handle : tree) {
            if (forcibly) {
                handle.destroyForcibly();
            } else {
                handle.destroy();
            }
        }
    }

    private void signal(String signal) {
        try {
            new ProcessBuilder("/bin/sh", "-c", "kill -" + signal + " " + process.pid())
                    .start()
                    .waitFor();
        } catch (IOException e) {
            throw new StackException("cannot send SIG" + signal + " to " + name, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private String exitCode() {
        try {
            return process.waitFor(1, TimeUnit.SECONDS) ? Integer.toString(process.exitValue()) : "?";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "?";
        }
    }

    private void pump(String readyMark) {
        try (BufferedReader lines =
                        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
                BufferedWriter file =
                        Files.newBufferedWriter(log, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                file.write(line);
                file.newLine();
                file.flush();
                synchronized (tail) {
                    tail.addLast(line);
                    if (tail.size() > TAIL) {
                        tail.removeFirst();
                    }
                }
                if (line.contains(readyMark)) {
                    ready.complete(line);
                }
            }
            ready.completeExceptionally(new StackException(name + " closed its output"));
        } catch (IOException e) {
            ready.completeExceptionally(e);
        }
    }
}
