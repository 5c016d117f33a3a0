package io.sallyport.e2e.support;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A disk that can be full for one process.
 *
 * <p>Where this test may mount, it is a file system of its own of eight megabytes. Elsewhere (not root, or in a container)
 * the process is forbidden to write to any file: a write then fails as "file too large" instead of "no space left", and
 * the promise is the same.
 */
public final class SmallDisk implements AutoCloseable {
    private final Path folder;
    private final Path filler;
    private final boolean mounted;

    private SmallDisk(Path folder, boolean mounted) {
        this.folder = folder;
        this.filler = folder.resolve("filler");
        this.mounted = mounted;
    }

    /** Makes a folder, and a small file system in it if that is allowed. */
    public static SmallDisk in(Path folder) throws IOException {
        Files.createDirectories(folder);
        boolean mounted =
                run("mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "sallyport-test", folder.toString()) == 0;
        return new SmallDisk(folder, mounted);
    }

    /** A folder like any other, of which only the process is kept. */
    public static SmallDisk forbidden(Path folder) throws IOException {
        return new SmallDisk(Files.createDirectories(folder), false);
    }

    /** Whether it is a file system of its own, so that room can be kept on it. */
    public boolean isMounted() {
        return mounted;
    }

    /** Takes every byte that is left from this process. */
    public void fill(long pid) throws IOException {
        if (!mounted) {
            limitFiles(pid, "0:");
            return;
        }
        byte[] block = new byte[4096];
        try (OutputStream out = Files.newOutputStream(filler)) {
            while (true) {
                out.write(block);
            }
        } catch (IOException e) {
            if (!String.valueOf(e.getMessage()).contains("No space left")) {
                throw e;
            }
        }
    }

    /** Gives them back. */
    public void free(long pid) throws IOException {
        if (mounted) {
            Files.delete(filler);
        } else {
            limitFiles(pid, "unlimited:");
        }
    }

    @Override
    public void close() throws IOException {
        if (mounted) {
            // Lazily: whoever still has a file open there keeps it until it ends.
            run("umount", "--lazy", folder.toString());
        }
    }

    /** The soft limit alone ({@code prlimit(1)}, of util-linux), so that it can be raised again. */
    private static void limitFiles(long pid, String bytes) throws IOException {
        if (run("prlimit", "--pid", Long.toString(pid), "--fsize=" + bytes) != 0) {
            throw new AssertionError("the file sizes of process " + pid + " cannot be limited; is prlimit installed"
                    + " (Debian: util-linux), or is this root, who can mount a small disk instead?");
        }
    }

    private static int run(String... command) throws IOException {
        try {
            return new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start()
                    .waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }
}
