package io.sallyport.issuer.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Many writes share one commit, none is answered before it, and none suffers for another. */
class GroupCommitTest {
    @TempDir
    private Path directory;

    private final ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor();
    private final Held session = new Held();
    private GroupCommit commits;

    /** A session on a real file whose commits wait until they are let go. */
    private final class Held implements GroupCommit.Session {
        final Semaphore mayCommit = new Semaphore(0);
        final Semaphore committing = new Semaphore(0);
        final AtomicInteger commits = new AtomicInteger();
        volatile @Nullable StoreUnavailableException full;
        final AtomicInteger failingCommits = new AtomicInteger();
        volatile boolean roomLeft;
        private @Nullable Connection connection;

        @Override
        public Optional<StoreUnavailableException> onlyUrgent() {
            return Optional.ofNullable(full);
        }

        @Override
        public Connection begin() throws SQLException {
            Connection open = connection;
            if (open == null) {
                open = DriverManager.getConnection("jdbc:sqlite:" + directory.resolve("some.db"));
                GroupCommit.execute(open, "PRAGMA synchronous = OFF");
                GroupCommit.execute(open, "CREATE TABLE IF NOT EXISTS done (name TEXT PRIMARY KEY)");
                connection = open;
            }
            GroupCommit.execute(open, "BEGIN IMMEDIATE");
            return open;
        }

        @Override
        public void commit() throws SQLException, IOException {
            committing.release();
            mayCommit.acquireUninterruptibly();
            if (failingCommits.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                throw new IOException("the disk went away");
            }
            GroupCommit.execute(Objects.requireNonNull(connection), "COMMIT");
            commits.incrementAndGet();
        }

        @Override
        public void abort() {
            SqliteFile.closeQuietly(connection);
            connection = null;
        }

        @Override
        public boolean makeRoom(Exception failure) {
            return roomLeft;
        }

        @Override
        public StoreUnavailableException failure(Exception cause) {
            return new StoreUnavailableException("it could not be written", cause);
        }
    }

    @BeforeEach
    void start() {
        commits = new GroupCommit(session, Duration.ofSeconds(30));
    }

    @AfterEach
    void stop() {
        session.mayCommit.release(1_000);
        commits.close();
        callers.shutdownNow();
    }

    private Future<String> write(String name, boolean urgent) {
        return callers.submit(() -> commits.write(
                connection -> {
                    Sql.update(connection, "INSERT INTO done (name) VALUES (?)", name);
                    return name;
                },
                urgent));
    }

    /** One write that is being committed, and these behind it, all of them waiting. */
    private List<Future<String>> behindOneInTheMiddle(String... names) throws Exception {
        List<Future<String>> all = new ArrayList<>();
        all.add(write("first", false));
        session.committing.acquire();
        for (String name : names) {
            all.add(write(name, false));
        }
        while (commits.waiting() < names.length) {
            Thread.onSpinWait();
        }
        return all;
    }

    private List<String> done() throws Exception {
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + directory.resolve("some.db"))) {
            return Sql.list(other, row -> row.getString(1), "SELECT name FROM done ORDER BY name");
        }
    }

    @Test
    void noAnswerPrecedesTheCommitAndOneCommitDoesForMany() throws Exception {
        List<Future<String>> all = behindOneInTheMiddle("a", "b", "c", "d");
        assertThat(all).noneMatch(Future::isDone);

        session.mayCommit.release();
        assertThat(all.getFirst().get()).isEqualTo("first");
        session.committing.acquire();
        assertThat(all.subList(1, 5)).noneMatch(Future::isDone);
        assertThat(done()).containsExactly("first");

        session.mayCommit.release();
        for (Future<String> each : all) {
            assertThat(each.get()).isNotEmpty();
        }
        assertThat(session.commits).hasValue(2);
        assertThat(done()).containsExactly("a", "b", "c", "d", "first");
    }

    @Test
    void aWriteThatFailsUndoesItselfAlone() throws Exception {
        List<Future<String>> all = behindOneInTheMiddle("a", "first", "b");
        session.mayCommit.release(10);

        assertThat(all.get(1).get()).isEqualTo("a");
        assertThatThrownBy(all.get(2)::get)
                .isInstanceOf(ExecutionException.class)
                .hasCauseInstanceOf(StoreUnavailableException.class);
        assertThat(all.get(3).get()).isEqualTo("b");
        assertThat(session.commits).hasValue(2);
        assertThat(done()).containsExactly("a", "b", "first");
    }

    @Test
    void aWriteThatEndsTheWholeTransactionTakesNobodyWithIt() throws Exception {
        Future<String> first = write("first", false);
        session.committing.acquire();
        Future<String> before = write("before", false);
        Future<Object> ends = callers.submit(() -> commits.write(
                connection -> {
                    // As SQLite itself does when the disk is full.
                    GroupCommit.execute(connection, "ROLLBACK");
                    throw new SQLException("full");
                },
                false));
        Future<String> after = write("after", false);
        while (commits.waiting() < 3) {
            Thread.onSpinWait();
        }
        session.mayCommit.release(10);

        assertThat(List.of(first.get(), before.get(), after.get())).containsExactly("first", "before", "after");
        assertThatThrownBy(ends::get).hasCauseInstanceOf(StoreUnavailableException.class);
        assertThat(done()).containsExactly("after", "before", "first");
    }

    @Test
    void aCommitThatFailsIsNobodysSuccess() throws Exception {
        session.failingCommits.set(1);
        session.mayCommit.release(10);

        assertThatThrownBy(write("a", false)::get).hasCauseInstanceOf(StoreUnavailableException.class);
        assertThat(write("b", false).get()).isEqualTo("b");
        assertThat(done()).containsExactly("b");
    }

    @Test
    void whatIsUrgentIsTriedAgainWhereThereIsRoomAndNothingElseIs() throws Exception {
        session.roomLeft = true;
        session.failingCommits.set(1);
        session.mayCommit.release(10);
        assertThat(write("urgent", true).get()).isEqualTo("urgent");

        session.failingCommits.set(1);
        assertThatThrownBy(write("other", false)::get).hasCauseInstanceOf(StoreUnavailableException.class);

        session.full = new StoreUnavailableException("full");
        assertThatThrownBy(write("other", false)::get).hasRootCauseMessage("full");
        assertThat(write("urgent too", true).get()).isEqualTo("urgent too");
        assertThat(done()).containsExactly("urgent", "urgent too");
    }

    @Test
    void aBugOfTheWorkIsThrownToItsCallerAndTheWriterGoesOn() throws Exception {
        session.mayCommit.release(10);
        Future<Object> bug = callers.submit(() -> commits.write(
                _ -> {
                    throw new IllegalStateException("a bug");
                },
                false));

        assertThatThrownBy(bug::get).hasCauseInstanceOf(IllegalStateException.class);
        assertThat(write("a", false).get()).isEqualTo("a");
    }

    @Test
    void whatIsNotWrittenWhenTheStoreIsClosedIsRefused() throws Exception {
        List<Future<String>> all = behindOneInTheMiddle("a", "b");
        CountDownLatch closing = new CountDownLatch(1);
        Future<?> close = callers.submit(() -> {
            closing.countDown();
            commits.close();
        });
        closing.await();
        while (commits.waiting() < 3) {
            Thread.onSpinWait();
        }
        session.mayCommit.release(10);
        close.get();

        assertThat(all.getFirst().get()).as("it was being written").isEqualTo("first");
        assertThatThrownBy(all.get(1)::get).hasCauseInstanceOf(StoreUnavailableException.class);
        assertThatThrownBy(() -> commits.write(_ -> "late", false)).isInstanceOf(StoreUnavailableException.class);
        assertThat(done()).containsExactly("first");
    }
}
