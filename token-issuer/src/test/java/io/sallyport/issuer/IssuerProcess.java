package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The issuer as a process of its own, with its output in {@code out} and {@code log} of a directory. */
record IssuerProcess(Process process, Path log) implements AutoCloseable {
    /** @param launcher what the command line begins with, such as a tracer; usually nothing */
    static IssuerProcess start(Path settings, Path directory, String... launcher) throws IOException {
        List<String> command = new ArrayList<>(List.of(launcher));
        command.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin/java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-XX:+UseSerialGC",
                // It lives for seconds: the best compiler would not be done.
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                "io.sallyport.issuer.IssuerMain",
                "serve",
                "--config",
                settings.toString()));
        Path log = directory.resolve("log");
        return new IssuerProcess(
                new ProcessBuilder(command)
                        .redirectOutput(directory.resolve("out").toFile())
                        .redirectError(log.toFile())
                        .start(),
                log);
    }

    void awaitReady() throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!said().contains(": ready on ")) {
            assertThat(process.isAlive()).as(said()).isTrue();
            assertThat(System.nanoTime()).as(said()).isLessThan(end);
            Thread.sleep(20);
        }
    }

    /** Everything in its log so far. */
    String said() throws IOException {
        return Files.readString(log);
    }

    /** Ends it and its launcher, at once; returns when they are gone. */
    @Override
    public void close() {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        var _ = process.destroyForcibly().onExit().join();
    }
}
