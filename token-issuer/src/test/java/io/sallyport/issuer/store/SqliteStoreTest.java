package io.sallyport.issuer.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.SandboxRecord.Source;
import io.sallyport.issuer.store.SandboxStore.Registration;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract on SQLite, and what only SQLite has: its files, its pragmas, its full disk. */
class SqliteStoreTest extends SandboxStoreContract {
    private static final Instant NOW = Instant.parse("2026-11-24T10:00:00Z");
    private static final SandboxId ALPHA = new SandboxId("alpha");
    private static final SandboxName NAME = SandboxName.of("", "one");

    private final TestDrafts drafts = new TestDrafts();

    @TempDir
    private Path directory;

    @Override
    SandboxStore open() throws IOException {
        return JdbcStore.sqlite(file());
    }

    private Path file() {
        return directory.resolve("issuer.db");
    }

    @Test
    void aCommitIsOnTheDiskAndAReaderNeverWaits() throws Exception {
        try (JdbcStore store = JdbcStore.sqlite(directory.resolve("other.db"))) {
            for (int round = 0; round < 2; round++) {
                assertThat(writerPragma(store, "synchronous")).as("FULL").isEqualTo("2");
                assertThat(writerPragma(store, "journal_mode")).isEqualTo("wal");
                assertThat(writerPragma(store, "foreign_keys")).isEqualTo("1");
                // The second round looks at the connection that replaces a failed one.
                assertThatThrownBy(() -> store.database().write(connection -> execute(connection, "nonsense")))
                        .isInstanceOf(StoreUnavailableException.class);
            }
        }
    }

    @Test
    void aTransactionHoldsTheWriteLockFromItsFirstStatement() throws Exception {
        try (JdbcStore store = JdbcStore.sqlite(directory.resolve("other.db"))) {
            store.database().write(connection -> {
                pragma(connection, "user_version");
                try (Statement first = connection.createStatement();
                        ResultSet row = first.executeQuery("SELECT count(*) FROM sandboxes")) {
                    assertThat(row.next()).isTrue();
                }
                try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + directory.resolve("other.db"))) {
                    execute(other, "PRAGMA busy_timeout = 1");
                    assertThatThrownBy(() -> execute(other, "BEGIN IMMEDIATE")).hasMessageContaining("BUSY");
                }
                return 0;
            });
        }
    }

    @Test
    void betweenWritesNobodyHoldsTheLockAndTheLogIsFoldedIn() throws Exception {
        Path file = directory.resolve("other.db");
        try (JdbcStore store = JdbcStore.sqlite(file);
                Connection other = DriverManager.getConnection("jdbc:sqlite:" + file)) {
            execute(other, "PRAGMA busy_timeout = 1");
            for (int i = 0; i < 10; i++) {
                store.probe(NOW);
                execute(other, "BEGIN IMMEDIATE");
                execute(other, "ROLLBACK");
            }
            try (Statement statement = other.createStatement();
                    ResultSet row = statement.executeQuery("PRAGMA wal_checkpoint(TRUNCATE)")) {
                row.next();
                assertThat(row.getInt(1)).as("nobody was in the way").isZero();
            }
            assertThat(Files.size(directory.resolve("other.db-wal"))).isZero();
        }
    }

    @Test
    void aReaderCannotWrite() throws Exception {
        try (JdbcStore store = JdbcStore.sqlite(directory.resolve("other.db"))) {
            assertThatThrownBy(() -> store.database().read(connection -> execute(connection, "DELETE FROM probes")))
                    .isInstanceOf(StoreUnavailableException.class)
                    .hasMessageContaining("readonly");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "UPDATE sandboxes SET state = 'active', deleted = NULL WHERE id = 'alpha'",
                "UPDATE sandboxes SET name = 'other' WHERE id = 'alpha'",
                "DELETE FROM sandboxes WHERE id = 'alpha'",
                "INSERT INTO sandboxes (id, workspace, name, state, source, created)"
                        + " VALUES ('alpha', 'w', 'n', 'active', 'registry', 1)",
                "INSERT INTO lineages (id, sandbox, generation, opened, advanced) VALUES ('x', 'nobody', 0, 1, 1)",
            })
    void theDatabaseItselfHoldsTheRules(String sql) throws Exception {
        try (JdbcStore store = JdbcStore.sqlite(directory.resolve("other.db"))) {
            store.register(ALPHA, NAME, Source.REGISTRY, NOW);
            SandboxRecord tombstone = store.delete(ALPHA, NOW).orElseThrow();

            assertThatThrownBy(() -> store.database().write(connection -> execute(connection, sql)))
                    .isInstanceOf(StoreUnavailableException.class);

            assertThat(store.find(ALPHA)).contains(tombstone);
        }
    }

    @Test
    void theFilesAreTheOwnersAlone() throws Exception {
        Path file = directory.resolve("other.db");
        try (JdbcStore store = JdbcStore.sqlite(file)) {
            store.probe(NOW);
            for (Path each : new Path[] {file, directory.resolve("other.db-wal"), directory.resolve("other.db-shm")}) {
                assertThat(Files.getPosixFilePermissions(each))
                        .as(each.toString())
                        .isEqualTo(PosixFilePermissions.fromString("rw-------"));
            }
        }
    }

    @Test
    void aFullDatabaseRefusesEveryWriteAnswersEveryReadAndRecovers() throws Exception {
        try (JdbcStore store = JdbcStore.sqlite(directory.resolve("other.db"))) {
            store.register(ALPHA, NAME, Source.REGISTRY, NOW);
            store.openLineage(ALPHA, Optional.empty(), RULES, drafts, NOW);
            int pages = store.database().write(connection -> Integer.parseInt(pragma(connection, "page_count")));
            // As good as a disk without a free page: the pragma holds on this connection, until it fails.
            limit(store, pages);

            assertThatThrownBy(() -> fill(store)).isInstanceOf(StoreUnavailableException.class);
            limit(store, pages);
            assertThatThrownBy(() -> store.probe(NOW)).isInstanceOf(StoreUnavailableException.class);

            assertThat(store.find(ALPHA)).isPresent();
            assertThat(store.list(Optional.empty(), 10, true)).isNotEmpty();
            store.probe(NOW);
            assertThat(store.openLineage(ALPHA, Optional.empty(), RULES, drafts, NOW))
                    .isInstanceOf(Succession.Granted.class);
        }
    }

    @Test
    void aRefusedWriteLeavesNothingBehind() throws Exception {
        try (JdbcStore store = JdbcStore.sqlite(directory.resolve("other.db"))) {
            assertThatThrownBy(() -> store.database().write(connection -> {
                        execute(
                                connection,
                                "INSERT INTO sandboxes (id, workspace, name, state, source, created)"
                                        + " VALUES ('alpha', 'w', 'n', 'active', 'registry', 1)");
                        throw new SQLException("the disk went away");
                    }))
                    .isInstanceOf(StoreUnavailableException.class);

            assertThat(store.find(ALPHA)).isEmpty();
            assertThat(store.register(ALPHA, NAME, Source.REGISTRY, NOW)).isInstanceOf(Registration.Registered.class);
        }
    }

    @Test
    void aFileThatWasReplacedTakesNoWrites() throws Exception {
        Path file = directory.resolve("other.db");
        try (JdbcStore store = JdbcStore.sqlite(file)) {
            store.register(ALPHA, NAME, Source.REGISTRY, NOW);
            Files.move(file, directory.resolve("moved.db"));
            assertThatThrownBy(() ->
                            store.register(new SandboxId("beta"), SandboxName.of("", "two"), Source.REGISTRY, NOW))
                    .isInstanceOf(StoreUnavailableException.class);

            Files.createFile(file);
            assertThatThrownBy(() -> store.probe(NOW)).isInstanceOf(StoreUnavailableException.class);
        }
    }

    @Test
    void aSchemaOfANewerVersionStopsTheStart() throws Exception {
        Path file = directory.resolve("other.db");
        try (JdbcStore store = JdbcStore.sqlite(file)) {
            store.database()
                    .write(connection -> execute(
                            connection,
                            "INSERT INTO flyway_schema_history SELECT 99, '99', 'later', type, 'V99__later.sql', 1,"
                                    + " installed_by, installed_on, 1, success FROM flyway_schema_history LIMIT 1"));
        }
        assertThatThrownBy(() -> JdbcStore.sqlite(file))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("newer version");
    }

    @Test
    void anUnfitFileStopsTheStart() throws Exception {
        Path text =
                Files.writeString(directory.resolve("text.db"), "this is not a database, it is a letter".repeat(50));
        assertThatThrownBy(() -> JdbcStore.sqlite(text)).isInstanceOf(IOException.class);

        assertThatThrownBy(() -> JdbcStore.sqlite(directory.resolve("missing/issuer.db")))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("is not a directory");

        Path link = Files.createSymbolicLink(directory.resolve("link.db"), directory.resolve("other.db"));
        Files.createFile(directory.resolve("other.db"));
        assertThatThrownBy(() -> JdbcStore.sqlite(link)).hasMessageContaining("not a regular file");
    }

    @ParameterizedTest
    @CsvSource({"'', rw-rw----", "'', rw-----w-", "-wal, rw-rw----", "-shm, rw-rw----", "-journal, rw-rw----"})
    void aFileThatOthersWriteStopsTheStart(String suffix, String mode) throws Exception {
        Path file = directory.resolve("open.db");
        JdbcStore.sqlite(file).close();
        Path open = directory.resolve("open.db" + suffix);
        if (!Files.exists(open)) {
            Files.createFile(open);
        }
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString(mode));

        assertThatThrownBy(() -> JdbcStore.sqlite(file))
                .isInstanceOf(IOException.class)
                .hasMessageEndingWith("chmod go-w " + open);

        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rw-r-----"));
        JdbcStore.sqlite(file).close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"rwxrwx---", "rwxrwxrwx", "rwx----w-"})
    void aDirectoryThatOthersWriteStopsTheStart(String mode) throws Exception {
        Path shared = Files.createDirectory(directory.resolve("shared"));
        Path file = shared.resolve("issuer.db");
        Files.setPosixFilePermissions(shared, PosixFilePermissions.fromString(mode));

        assertThatThrownBy(() -> JdbcStore.sqlite(file))
                .isInstanceOf(IOException.class)
                .hasMessageContainingAll(shared.toString(), "can be written by others", "0700");
        assertThat(file).doesNotExist();

        Files.setPosixFilePermissions(shared, PosixFilePermissions.fromString("rwxr-x---"));
        JdbcStore.sqlite(file).close();
    }

    @Test
    void aWriteThatWaitedForAnotherInVainIsBusyAndNoErrorOfTheDisk() throws Exception {
        try (JdbcStore store =
                new JdbcStore(SqliteDatabase.open(directory.resolve("other.db"), Duration.ofMillis(500), true))) {
            store.database().write(connection -> {
                try (ExecutorService other = Executors.newSingleThreadExecutor()) {
                    Future<?> waiting = other.submit(() -> {
                        store.probe(NOW);
                        return 0;
                    });
                    assertThatThrownBy(waiting::get).hasCauseInstanceOf(StoreBusyException.class);
                }
                return 0;
            });
            store.probe(NOW);
        }
    }

    private static void limit(JdbcStore store, int pages) throws StoreUnavailableException {
        store.database().write(connection -> execute(connection, "PRAGMA max_page_count = " + pages));
    }

    private static void fill(JdbcStore store) throws StoreUnavailableException {
        for (int i = 0; i < 1000; i++) {
            store.register(new SandboxId("fill-" + i), SandboxName.of("", "fill-" + i), Source.REGISTRY, NOW);
        }
    }

    private static String writerPragma(JdbcStore store, String name) throws StoreUnavailableException {
        return store.database().write(connection -> pragma(connection, name));
    }

    private static int execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
            return 0;
        }
    }

    private static String pragma(Connection connection, String name) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("PRAGMA " + name)) {
            row.next();
            return row.getString(1);
        }
    }
}
