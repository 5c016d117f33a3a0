package io.sallyport.issuer.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.SandboxRecord.Source;
import io.sallyport.issuer.store.SandboxStore.Registration;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The contract on PostgreSQL, and what only PostgreSQL has: other writers at the same time, and another's settings. */
@SharedPostgres
class PostgresStoreTest extends SandboxStoreContract {
    private static final Instant NOW = Instant.parse("2026-11-24T10:00:00Z");
    private static final SandboxId ALPHA = new SandboxId("alpha");
    private static final SandboxName NAME = SandboxName.of("", "one");

    private final TestDrafts drafts = new TestDrafts();
    private final PostgresServer server;
    private final String database;

    PostgresStoreTest(PostgresServer server) throws SQLException {
        this.server = server;
        this.database = server.emptyDatabase();
    }

    @Override
    JdbcStore open() throws IOException {
        return JdbcStore.postgresql(server.settings(database));
    }

    // What it demands of the server.

    @Test
    void aServerThatLosesCommitsIsRefusedWithTheRemedy() throws Exception {
        server.asSuperuser("ALTER DATABASE " + database + " SET synchronous_commit = off");

        assertThatThrownBy(this::open)
                .isInstanceOf(IOException.class)
                .hasMessageContaining("synchronous_commit is off")
                .hasMessageContaining("ALTER DATABASE " + database + " SET synchronous_commit = on");

        server.asSuperuser("ALTER DATABASE " + database + " SET synchronous_commit = remote_apply");
        open().close();
    }

    @ParameterizedTest
    @CsvSource({"fsync", "full_page_writes"})
    void aServerThatDoesNotSyncIsRefused(String setting) throws Exception {
        server.asSuperuser("ALTER SYSTEM SET " + setting + " = off", "SELECT pg_reload_conf()");
        try {
            awaitSetting(setting, "off");
            assertThatThrownBy(this::open)
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining(setting + " is off")
                    .hasMessageContaining("postgresql.conf");
        } finally {
            server.asSuperuser("ALTER SYSTEM RESET " + setting, "SELECT pg_reload_conf()");
            awaitSetting(setting, "on");
        }
        open().close();
    }

    @Test
    void aRunningStoreTakesNoConnectionToAServerThatNoLongerSyncs() throws Exception {
        try (JdbcStore running = open()) {
            server.asSuperuser("ALTER DATABASE " + database + " SET synchronous_commit = off");
            endSessions();

            assertThatThrownBy(() -> {
                        // The first to use a connection that has ended finds just that out.
                        for (int i = 0; i < 10; i++) {
                            try {
                                running.probe(NOW);
                            } catch (StoreUnavailableException e) {
                                if (String.valueOf(e.getMessage()).contains("synchronous_commit")) {
                                    throw e;
                                }
                            }
                        }
                    })
                    .hasMessageContaining("synchronous_commit is off");
        }
    }

    @Test
    void aSessionThatWasAsSafeAsDemandedStaysSo() throws Exception {
        try (JdbcStore running = open()) {
            running.probe(NOW);
            server.asSuperuser("ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()");
            try {
                awaitSetting("synchronous_commit", "off");
                Optional<String> setting = running.database()
                        .write(connection -> Sql.first(connection, row -> row.getString(1), "SHOW synchronous_commit"));
                assertThat(setting).contains("on");
                assertThatThrownBy(this::open).hasMessageContaining("synchronous_commit is off");
            } finally {
                server.asSuperuser("ALTER SYSTEM RESET synchronous_commit", "SELECT pg_reload_conf()");
                awaitSetting("synchronous_commit", "on");
            }
        }
    }

    /** The server gives up its wait for the standby when the statement has taken too long, and says yes all the same. */
    @Test
    void aCommitThatItsStandbyHasNotConfirmedIsNoSuccess() throws Exception {
        try (JdbcStore store = open()) {
            server.asSuperuser("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()");
            try {
                awaitSetting("synchronous_standby_names", "nobody");
                assertThatThrownBy(() -> store.register(ALPHA, NAME, Source.REGISTRY, NOW))
                        .isInstanceOf(StoreUnavailableException.class)
                        .isNotInstanceOf(StoreBusyException.class);
            } finally {
                try (Connection connection = server.connectAsSuperuser("postgres");
                        Statement statement = connection.createStatement()) {
                    statement.execute("SET synchronous_commit = local");
                    statement.execute("ALTER SYSTEM RESET synchronous_standby_names");
                    statement.execute("SELECT pg_reload_conf()");
                }
                awaitSetting("synchronous_standby_names", "");
            }
            assertThat(store.register(ALPHA, NAME, Source.REGISTRY, NOW)).isInstanceOf(Registration.Registered.class);
        }
    }

    @Test
    void thePasswordIsReadAtEveryConnectionAndNeverSaid(@TempDir Path directory) throws Exception {
        Path file = Files.writeString(directory.resolve("password"), "not-the-password\n");
        PostgresSettings settings = new PostgresSettings(
                List.of("127.0.0.1"),
                server.port(),
                database,
                PostgresServer.USER,
                Optional.of(file),
                Optional.empty(),
                3);

        assertThatThrownBy(() -> JdbcStore.postgresql(settings))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("password authentication failed")
                .satisfies(e -> assertThat(everything(e)).doesNotContain("not-the-password"));

        Files.writeString(file, PostgresServer.PASSWORD);
        try (JdbcStore store = JdbcStore.postgresql(settings)) {
            Files.writeString(file, "not-the-password");
            endSessions();
            assertThatThrownBy(() -> {
                        for (int i = 0; i < 10; i++) {
                            try {
                                store.probe(NOW);
                            } catch (StoreUnavailableException e) {
                                assertThat(everything(e)).doesNotContain("not-the-password");
                                if (String.valueOf(e.getMessage()).contains("password")) {
                                    throw e;
                                }
                            }
                        }
                    })
                    .hasMessageContaining("password authentication failed");

            Files.writeString(file, PostgresServer.PASSWORD);
            await(() -> {
                try {
                    store.probe(NOW);
                    return true;
                } catch (StoreUnavailableException e) {
                    return false;
                }
            });
        }
        Files.delete(file);
        assertThatThrownBy(() -> JdbcStore.postgresql(settings)).hasMessageContaining("password file " + file);
    }

    @Test
    void closingLeavesNoConnection() throws Exception {
        String own = server.createDatabase();
        try (JdbcStore store = JdbcStore.postgresql(server.settings(own))) {
            store.probe(NOW);
            assertThatThrownBy(() -> store.database().write(connection -> {
                        Sql.update(connection, "nonsense");
                        return 0;
                    }))
                    .isInstanceOf(StoreUnavailableException.class);
            assertThat(sessions(own)).isPositive();
        }
        await(() -> sessions(own) == 0);
    }

    @Test
    void manyMayOpenAnEmptyDatabaseAtOnce() throws Exception {
        String empty = server.createDatabase();
        PostgresSettings settings = server.settings(empty);
        CyclicBarrier together = new CyclicBarrier(4);
        List<Callable<String>> openings = IntStream.range(0, 4)
                .<Callable<String>>mapToObj(_ -> () -> {
                    together.await();
                    try (JdbcStore store = JdbcStore.postgresql(settings)) {
                        return store.position().storeId();
                    }
                })
                .toList();

        assertThat(together(openings))
                .hasSize(4)
                .containsOnly(together(openings).getFirst());
    }

    @Test
    void aSchemaFromTheFutureIsRefused() throws Exception {
        try (Connection connection = server.connect(database);
                Statement statement = connection.createStatement()) {
            statement.execute("INSERT INTO flyway_schema_history (installed_rank, version, description, type, script,"
                    + " checksum, installed_by, execution_time, success)"
                    + " VALUES (99, '99', 'later', 'SQL', 'V99__later.sql', 1, 'x', 1, true)");
        }

        assertThatThrownBy(this::open).isInstanceOf(IOException.class).hasMessageContaining("newer version");
    }

    /** The migrations of the two are written twice; this finds what was forgotten in one of them. */
    @Test
    void theTablesAreThoseOfSqlite(@TempDir Path directory) throws Exception {
        try (JdbcStore sqlite = JdbcStore.sqlite(directory.resolve("issuer.db"));
                JdbcStore postgres = open()) {
            List<String> there = columns(sqlite);
            there.add("feed.incarnation");

            assertThat(columns(postgres)).containsExactlyInAnyOrderElementsOf(there);
        }
    }

    @Test
    void theDatabaseItselfKnowsThatDeletedIsFinal() throws Exception {
        try (JdbcStore store = open()) {
            store.register(ALPHA, NAME, Source.REGISTRY, NOW);
            store.delete(ALPHA, NOW);
        }
        try (Connection connection = server.connect(database);
                Statement statement = connection.createStatement()) {
            assertThatThrownBy(() -> statement.execute("UPDATE sandboxes SET state = 'active', deleted = NULL"))
                    .hasMessageContaining("final");
            assertThatThrownBy(() -> statement.execute("DELETE FROM sandboxes")).hasMessageContaining("its row stays");
        }
    }

    // Others at the same time.

    @Test
    void aSandboxIsLockedForOthersOfThisProcessAndOfAnother() throws Exception {
        try (JdbcStore one = open();
                JdbcStore other = open();
                ExecutorService threads = Executors.newCachedThreadPool()) {
            one.register(ALPHA, NAME, Source.REGISTRY, NOW);
            CountDownLatch locked = new CountDownLatch(1);
            CountDownLatch go = new CountDownLatch(1);
            Future<?> holder = threads.submit(() -> one.database().write(connection -> {
                one.database().lock(connection, ALPHA);
                locked.countDown();
                awaitLatch(go);
                return 0;
            }));
            locked.await();

            Future<?> waiting = threads.submit(() -> other.delete(ALPHA, NOW));
            awaitLockWaiters(1);
            assertThat(waiting.isDone()).isFalse();
            assertThat(other.register(new SandboxId("beta"), SandboxName.of("", "b"), Source.REGISTRY, NOW))
                    .as("another sandbox")
                    .isInstanceOf(Registration.Registered.class);
            assertThat(other.find(ALPHA)).as("reads wait for nobody").isPresent();

            go.countDown();
            holder.get();
            waiting.get();
            assertThat(one.find(ALPHA).orElseThrow().state()).isEqualTo(SandboxRecord.State.DELETED);
        }
    }

    @Test
    void whoWaitsTooLongForALockIsToldThatOthersAreBusy() throws Exception {
        try (JdbcStore store = open();
                Connection hand = server.connect(database)) {
            store.register(ALPHA, NAME, Source.REGISTRY, NOW);
            hand.setAutoCommit(false);
            Sql.update(hand, "UPDATE feed SET seq = seq");

            assertThatThrownBy(() -> store.delete(ALPHA, NOW)).isInstanceOf(StoreBusyException.class);

            hand.rollback();
            assertThat(store.delete(ALPHA, NOW)).isPresent();
        }
    }

    /** An issuer that was stopped, or cut off, in the middle of a transaction. */
    @Test
    void aTransactionOfWhichNothingIsHeardDoesNotHoldUpTheOthers() throws Exception {
        try (JdbcStore store = open();
                JdbcStore stuck = open();
                ExecutorService threads = Executors.newCachedThreadPool()) {
            store.register(ALPHA, NAME, Source.REGISTRY, NOW);
            CountDownLatch locked = new CountDownLatch(1);
            CountDownLatch go = new CountDownLatch(1);
            Future<?> holder = threads.submit(() -> stuck.database().write(connection -> {
                EventLog.recordChanged(connection, ALPHA, NOW);
                locked.countDown();
                awaitLatch(go);
                return 0;
            }));
            locked.await();

            await(() -> {
                try {
                    return store.delete(ALPHA, NOW).isPresent();
                } catch (StoreBusyException e) {
                    return false;
                } catch (StoreUnavailableException e) {
                    throw new AssertionError(e);
                }
            });

            go.countDown();
            assertThatThrownBy(holder::get).hasCauseInstanceOf(StoreUnavailableException.class);
            assertThat(store.position().seq()).as("its event did not happen").isEqualTo(2);
        }
    }

    @Test
    void aDeadlockIsResolvedByTryingAgain() throws Exception {
        try (JdbcStore one = open();
                JdbcStore other = open()) {
            List<SandboxId> ids = List.of(new SandboxId("a"), new SandboxId("b"));
            CyclicBarrier both = new CyclicBarrier(2);
            List<Integer> runs = new ArrayList<>(List.of(0, 0));
            List<Callable<Integer>> crossing = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                int self = i;
                JdbcStore store = i == 0 ? one : other;
                crossing.add(() -> store.database().write(connection -> {
                    runs.set(self, runs.get(self) + 1);
                    store.database().lock(connection, ids.get(self));
                    if (runs.get(self) == 1) {
                        awaitBarrier(both);
                    }
                    store.database().lock(connection, ids.get(1 - self));
                    return self;
                }));
            }

            assertThat(together(crossing)).containsExactly(0, 1);
            assertThat(runs.get(0) + runs.get(1)).as("one of them ran twice").isEqualTo(3);
        }
    }

    /** A begins first and takes its number first; B is ready before A has committed. */
    @Test
    void noReaderSeesAnEventBeforeOneOfALowerNumber() throws Exception {
        try (JdbcStore store = open();
                JdbcStore other = open();
                ExecutorService threads = Executors.newCachedThreadPool()) {
            FeedPosition start = store.position();
            CountDownLatch numbered = new CountDownLatch(1);
            CountDownLatch go = new CountDownLatch(1);
            Future<Long> a = threads.submit(() -> store.database().write(connection -> {
                RevocationTable.insert(connection, revocation("a"));
                long seq = EventLog.revoked(connection, new Subject.Token("a"), NOW);
                numbered.countDown();
                awaitLatch(go);
                return seq;
            }));
            numbered.await();
            Future<?> b = threads.submit(() -> other.revoke(revocation("b")));

            awaitLockWaiters(1);
            FeedDelta before = other.events(start, 10).orElseThrow();
            assertThat(before.events()).as("B has not overtaken A").isEmpty();
            assertThat(b.isDone()).isFalse();

            go.countDown();
            assertThat(a.get()).isEqualTo(1);
            b.get();
            assertThat(names(other.events(before.upTo(), 10).orElseThrow())).containsExactly("a", "b");
        }
    }

    /** The proof that the test above can fail: with numbers from a sequence, the same order of steps loses A's event. */
    @Test
    void withNumbersFromASequenceAnEventWouldBeLost() throws Exception {
        try (Connection a = server.connect(database);
                Connection b = server.connect(database);
                Connection reader = server.connect(database)) {
            Sql.update(a, "CREATE TABLE plain_events (seq BIGSERIAL PRIMARY KEY, name TEXT NOT NULL)");
            a.setAutoCommit(false);
            Sql.update(a, "INSERT INTO plain_events (name) VALUES ('a')");
            Sql.update(b, "INSERT INTO plain_events (name) VALUES ('b')");

            List<Long> first = seqs(reader, 0);
            assertThat(first).as("B's event is there, with the higher number").containsExactly(2L);
            a.commit();

            assertThat(seqs(reader, first.getLast()))
                    .as("A's event is never seen")
                    .isEmpty();
        }
    }

    @Test
    void ofTwoStoresThatRegisterTheSameAtOnceOneGetsIt() throws Exception {
        try (JdbcStore one = open();
                JdbcStore other = open()) {
            for (int round = 0; round < 20; round++) {
                CyclicBarrier both = new CyclicBarrier(2);
                String name = "n" + round;
                List<Callable<Registration>> sameName = new ArrayList<>();
                List<Callable<Registration>> sameId = new ArrayList<>();
                for (JdbcStore store : List.of(one, other)) {
                    String own = store == one ? "one" : "other";
                    sameName.add(() -> {
                        awaitBarrier(both);
                        return store.register(
                                new SandboxId(own + name), SandboxName.of("", name), Source.REGISTRY, NOW);
                    });
                    sameId.add(() -> {
                        awaitBarrier(both);
                        return store.register(
                                new SandboxId("id" + name), SandboxName.of("w", own + name), Source.REGISTRY, NOW);
                    });
                }
                assertThat(together(sameName).stream().map(Object::getClass).toList())
                        .containsExactlyInAnyOrder(Registration.Registered.class, Registration.NameTaken.class);
                assertThat(together(sameId).stream().map(Object::getClass).toList())
                        .containsExactlyInAnyOrder(Registration.Registered.class, Registration.IdTaken.class);
            }
        }
    }

    /** Its row may be gone (it gave way long ago), so that there is no sandbox to lock. */
    @Test
    void aLineageIsTakenBackWithTheOneThatItsBootstrapTokenIsOpeningJustNow() throws Exception {
        try (JdbcStore one = open();
                JdbcStore other = open();
                ExecutorService threads = Executors.newCachedThreadPool()) {
            one.register(ALPHA, NAME, Source.REGISTRY, NOW);
            TokenDraft bootstrap =
                    ((Succession.Granted) one.openLineage(ALPHA, Optional.empty(), RULES, drafts, NOW)).token();
            one.database().write(connection -> Sql.update(connection, "DELETE FROM lineages"));
            CountDownLatch opening = new CountDownLatch(1);
            CountDownLatch go = new CountDownLatch(1);
            TokenDrafts slow = new TokenDrafts() {
                @Override
                public String newLineage() {
                    return drafts.newLineage();
                }

                @Override
                public TokenDraft draft(SandboxId sandbox, Lineage place, Instant issuedAt) {
                    opening.countDown();
                    awaitLatch(go);
                    return drafts.draft(sandbox, place, issuedAt);
                }
            };
            Future<Succession> refresh = threads.submit(() -> one.refresh(drafts.of(bootstrap), RULES, slow, NOW));
            opening.await();
            Subject family = new Subject.Lineage(bootstrap.lineage().id());
            Future<?> revocation =
                    threads.submit(() -> other.revoke(new Revocation(family, "stolen", NOW, Optional.empty())));
            await(() -> revocation.isDone() || lockWaiters() == 1);
            go.countDown();
            revocation.get();

            String opened =
                    ((Succession.Granted) refresh.get()).token().lineage().id();
            assertThat(other.revocation(new Subject.Lineage(opened))).isPresent();
        }
    }

    /** Otherwise another could have it and be deleted between the question whether it rests and its registration. */
    @Test
    void aNameIsLockedFromTheQuestionToTheAnswer() throws Exception {
        try (JdbcStore one = open();
                JdbcStore other = open();
                ExecutorService threads = Executors.newCachedThreadPool()) {
            CountDownLatch asked = new CountDownLatch(1);
            CountDownLatch go = new CountDownLatch(1);
            Future<?> slow = threads.submit(() -> one.database().write(connection -> {
                one.database().lockName(connection, NAME);
                assertThat(SandboxTable.findLiving(connection, NAME)).isEmpty();
                asked.countDown();
                awaitLatch(go);
                return SandboxTable.insert(connection, ALPHA, Optional.of(NAME), Source.REGISTRY, NOW);
            }));
            asked.await();
            Future<Registration> quick =
                    threads.submit(() -> other.register(new SandboxId("beta"), NAME, Source.REGISTRY, NOW));

            awaitLockWaiters(1);
            assertThat(quick.isDone()).isFalse();
            go.countDown();
            slow.get();
            assertThat(quick.get()).isInstanceOf(Registration.NameTaken.class);
        }
    }

    @Test
    void aStormOfEverythingDeadlocksNobody() throws Exception {
        long seed = 20_261_124;
        int workers = 12;
        try (JdbcStore one = open();
                JdbcStore other = open()) {
            FeedPosition start = one.position();
            List<Callable<Integer>> storm = new ArrayList<>();
            for (int w = 0; w < workers; w++) {
                Random random = new Random(seed + w);
                JdbcStore store = w % 2 == 0 ? one : other;
                storm.add(() -> {
                    for (int i = 0; i < 60; i++) {
                        SandboxId id = new SandboxId("s" + random.nextInt(4) + "-" + random.nextInt(3));
                        SandboxName name = SandboxName.of("", "n" + random.nextInt(4));
                        switch (random.nextInt(7)) {
                            case 0 -> store.register(id, name, Source.REGISTRY, NOW.plusSeconds(i * 60L));
                            case 1 -> store.delete(id, NOW);
                            case 2 -> store.setStopped(id, random.nextBoolean(), NOW);
                            case 3 -> store.revoke(revocation(new Subject.Sandbox(id)));
                            case 4 -> store.revoke(revocation(new Subject.Token("t" + random.nextInt(9))));
                            case 5 -> store.revoke(revocation(new Subject.Lineage("l" + random.nextInt(3))));
                            default -> store.openLineage(id, Optional.of("/f"), RULES, drafts, NOW);
                        }
                    }
                    return 0;
                });
            }
            long deadlocks = deadlocks();

            assertThat(together(storm)).hasSize(workers);

            assertThat(deadlocks()).isEqualTo(deadlocks);
            FeedDelta all = one.events(start, 10_000).orElseThrow();
            assertThat(all.events().getLast().seq()).isEqualTo(one.position().seq());
        }
    }

    // Being woken.

    /** Without the poll that backs it up. */
    @Test
    void aListenerHearsOfEveryEventAndComesBackWhenItsSessionEnds() throws Exception {
        Semaphore told = new Semaphore(0);
        try (JdbcStore store = open();
                PostgresListener _ = new PostgresListener(
                        new PostgresConnector(server.settings(database), PostgresConnector.Limits.CALLS, ""),
                        told::release)) {
            awaitTold(told);
            for (String token : List.of("one", "two")) {
                told.drainPermits();
                store.revoke(revocation(token));
                awaitTold(told);
            }
            told.drainPermits();
            store.probe(NOW);
            assertThat(told.availablePermits()).as("no event").isZero();

            server.asSuperuser("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + database
                    + "' AND query LIKE 'LISTEN%'");
            awaitTold(told);
            told.drainPermits();
            store.revoke(revocation("three"));
            awaitTold(told);
        }
    }

    private static void awaitTold(Semaphore told) throws InterruptedException {
        assertThat(told.tryAcquire(30, TimeUnit.SECONDS)).isTrue();
    }

    // A database that is another one now.

    @Test
    void aRestoredCopyIsAnotherLog() throws Exception {
        String original = server.createDatabase();
        FeedPosition before;
        try (JdbcStore store = JdbcStore.postgresql(server.settings(original))) {
            store.revoke(revocation("kept"));
            before = store.position();
        }
        await(() -> sessions(original) == 0);
        String copy = original + "_restored";
        server.asSuperuser("CREATE DATABASE " + copy + " TEMPLATE " + original + " OWNER " + PostgresServer.USER);

        try (JdbcStore restored = JdbcStore.postgresql(server.settings(copy));
                JdbcStore same = JdbcStore.postgresql(server.settings(original))) {
            assertThat(restored.position().storeId()).isNotEqualTo(before.storeId());
            assertThat(restored.events(before, 10)).as("begin again").isEmpty();
            assertThat(restored.revocations(Optional.empty(), 1_000)).hasSize(1);
            assertThat(same.position()).as("and the one it was made of is not").isEqualTo(before);
        }
    }

    private static Revocation revocation(String token) {
        return revocation(new Subject.Token(token));
    }

    private static Revocation revocation(Subject subject) {
        return new Revocation(subject, "r", NOW, Optional.empty());
    }

    private static List<String> names(FeedDelta delta) {
        return delta.events().stream()
                .map(event -> ((FeedEvent.Revoked) event).revocation().subject().name())
                .toList();
    }

    private static List<Long> seqs(Connection connection, long after) throws SQLException {
        return Sql.list(
                connection, row -> row.getLong(1), "SELECT seq FROM plain_events WHERE seq > ? ORDER BY seq", after);
    }

    private static List<String> columns(JdbcStore store) throws StoreUnavailableException {
        return store.database().read(connection -> {
            List<String> columns = new ArrayList<>();
            var found = connection.getMetaData().getColumns(null, null, "%", "%");
            while (found.next()) {
                String table = found.getString("TABLE_NAME");
                String schema = found.getString("TABLE_SCHEM");
                if ((schema == null || schema.equals("public"))
                        && !table.equals("flyway_schema_history")
                        && !table.startsWith("sqlite_")
                        && !table.startsWith("sandboxes_")
                        && !table.startsWith("lineages_")) {
                    columns.add(table + "." + found.getString("COLUMN_NAME"));
                }
            }
            return columns;
        });
    }

    private static String everything(Throwable failure) {
        StringBuilder text = new StringBuilder();
        for (Throwable each = failure; each != null; each = each.getCause()) {
            text.append(each).append('\n');
        }
        return text.toString();
    }

    private void awaitSetting(String name, String value) throws Exception {
        await(() -> value.equals(ask("SELECT current_setting('" + name + "')")));
    }

    private void awaitLockWaiters(long count) throws Exception {
        await(() -> lockWaiters() == count);
    }

    private long lockWaiters() {
        return Long.parseLong(ask("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '"
                + database + "'"));
    }

    private long sessions(String of) {
        return Long.parseLong(ask("SELECT count(*) FROM pg_stat_activity WHERE datname = '" + of + "'"));
    }

    private long deadlocks() {
        return Long.parseLong(ask("SELECT deadlocks FROM pg_stat_database WHERE datname = '" + database + "'"));
    }

    private void endSessions() throws SQLException {
        server.asSuperuser("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + database + "'");
    }

    private String ask(String sql) {
        try (Connection connection = server.connectAsSuperuser("postgres")) {
            return Sql.first(connection, row -> row.getString(1), sql).orElseThrow();
        } catch (SQLException e) {
            throw new AssertionError(e);
        }
    }

    private static void awaitLatch(CountDownLatch latch) {
        try {
            assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void awaitBarrier(CyclicBarrier barrier) {
        try {
            barrier.await(60, TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static void await(Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.call()) {
            assertThat(System.nanoTime()).as("it did not happen within 30 s").isLessThan(end);
            Thread.sleep(5);
        }
    }

    private static <T> List<T> together(List<? extends Callable<T>> calls) throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(calls.size())) {
            List<T> results = new ArrayList<>();
            for (Future<T> result : threads.invokeAll(calls)) {
                results.add(result.get());
            }
            return results;
        }
    }
}
