package io.sallyport.issuer.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sallyport.issuer.store.Revocation.Subject;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** PostgreSQL's own disk is full: what it could not keep is no success. Mounting a small disk needs root. */
class PostgresFullDiskTest {
    private static final Instant NOW = Instant.parse("2026-11-24T10:00:00Z");

    @TempDir
    private Path directory;

    private Path disk;
    private boolean mounted;

    @BeforeEach
    void mount() throws Exception {
        disk = Files.createDirectory(directory.resolve("disk"));
        mounted = command("mount", "-t", "tmpfs", "-o", "size=120m,mode=0700", "tmpfs", disk.toString());
        assumeTrue(mounted, "needs to be root and allowed to mount a tmpfs");
    }

    @AfterEach
    void unmount() throws Exception {
        if (mounted) {
            assertThat(command("umount", disk.toString())).isTrue();
        }
    }

    @Test
    void noRevocationIsAcknowledgedThatIsNotThereAfterwards() throws Exception {
        try (PostgresServer server = PostgresServer.startIn(Files.createDirectory(disk.resolve("server")))) {
            try (JdbcStore store = JdbcStore.postgresql(server.settings(server.createDatabase()))) {
                Path filler = disk.resolve("filler");
                fill(filler);
                List<String> acknowledged = revokeUntilItFails(store);
                assertThat(acknowledged).as("the last free pages").hasSizeLessThan(2_000);

                Files.delete(filler);
                // Without room for its log the server ends; somebody starts it again.
                if (!server.isAlive() || !answers(server)) {
                    server.kill();
                    server.startAgain();
                }
                long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
                while (!canWrite(store)) {
                    assertThat(System.nanoTime()).as("it did not heal").isLessThan(end);
                    Thread.sleep(20);
                }
                for (String token : acknowledged) {
                    assertThat(store.revocation(new Subject.Token(token)))
                            .as(token)
                            .isPresent();
                }
            }
        }
    }

    private static List<String> revokeUntilItFails(JdbcStore store) {
        Random random = new Random(1);
        byte[] reason = new byte[128 * 1024];
        List<String> acknowledged = new ArrayList<>();
        int failed = 0;
        for (int i = 0; failed < 3; i++) {
            random.nextBytes(reason);
            try {
                var _ = store.revoke(new Revocation(
                        new Subject.Token("t" + i), HexFormat.of().formatHex(reason), NOW, Optional.empty()));
                acknowledged.add("t" + i);
            } catch (StoreUnavailableException e) {
                failed++;
            }
        }
        return acknowledged;
    }

    private static boolean canWrite(JdbcStore store) {
        try {
            store.probe(NOW);
            return true;
        } catch (StoreUnavailableException e) {
            return false;
        }
    }

    private static boolean answers(PostgresServer server) {
        try {
            server.asSuperuser("CREATE TEMPORARY TABLE room AS SELECT 1");
            return true;
        } catch (SQLException e) {
            return false;
        }
    }

    private static void fill(Path file) throws IOException {
        try (OutputStream out = Files.newOutputStream(file)) {
            byte[] block = new byte[4096];
            for (int i = 0; i < 100_000; i++) {
                out.write(block);
            }
        } catch (IOException e) {
            // The disk is full.
            return;
        }
        throw new IOException("the disk has no end");
    }

    private static boolean command(String... command) throws Exception {
        return new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start()
                        .waitFor()
                == 0;
    }
}
