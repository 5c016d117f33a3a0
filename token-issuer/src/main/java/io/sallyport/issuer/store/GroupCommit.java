package io.sallyport.issuer.store;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingDeque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingDeque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Many writes, one sync of the disk: a thread that takes all the work that waits, runs it in one transaction, commits,
 * and only then answers.
 *
 * <p>Each piece of work has a savepoint of its own, so that one that fails undoes only itself. Where a failure ends the
 * whole transaction (SQLite does that when the disk is full), every piece is run again alone.
 */
final class GroupCommit implements AutoCloseable {
    private static final int MAX_WAITING = 1024;
    private static final int MAX_TOGETHER = 128;

    /** The transactions of the one thread that writes; nobody else calls these. */
    interface Session {
        /** Why nothing but urgent work may be written now, if that is so. */
        Optional<StoreUnavailableException> onlyUrgent();

        /** Begins a transaction that nobody else's can come between. */
        Connection begin() throws SQLException, StoreUnavailableException;

        /** Returns once the transaction is on the disk. */
        void commit() throws SQLException, IOException;

        /** Undoes whatever is open, and trusts nothing of it any more. */
        void abort();

        /** Makes room for urgent work that did not fit on the disk; whether there is any point in trying again. */
        boolean makeRoom(Exception failure);

        /** What the failure of this session's work is, to callers. */
        StoreUnavailableException failure(Exception cause);
    }

    private enum State {
        WAITING,
        TAKEN,
        ABANDONED
    }

    private static final class Task<T> {
        private final Database.Work<T> work;
        private final boolean urgent;
        private final CompletableFuture<T> answer = new CompletableFuture<>();
        private final AtomicReference<State> state = new AtomicReference<>(State.WAITING);

        Task(Database.Work<T> work, boolean urgent) {
            this.work = work;
            this.urgent = urgent;
        }

        boolean leaveTheQueueAs(State next) {
            return state.compareAndSet(State.WAITING, next);
        }

        /** Runs the work; what is returned answers its caller, and must wait for the commit. */
        Runnable run(Connection connection) throws SQLException {
            T result = work.run(connection);
            return () -> answer.complete(result);
        }

        /** Like {@link #run}, undoing a failure of the work and nothing else. */
        Runnable runApart(Connection connection, Session session) throws SQLException {
            execute(connection, "SAVEPOINT work");
            Runnable reply;
            try {
                reply = run(connection);
            } catch (SQLException | RuntimeException e) {
                // Fails when SQLite has undone the whole transaction already, and so do all others of it.
                execute(connection, "ROLLBACK TO work");
                reply = () -> fail(e, session);
            }
            execute(connection, "RELEASE work");
            return reply;
        }

        void fail(Throwable failure, Session session) {
            answer.completeExceptionally(
                    failure instanceof SQLException || failure instanceof IOException
                            ? session.failure((Exception) failure)
                            : failure);
        }
    }

    private final Session session;
    private final Duration patience;
    private final BlockingDeque<Task<?>> waiting = new LinkedBlockingDeque<>();
    private final Thread writer;
    private volatile boolean closed;

    /** @param patience how long a piece of work waits for its turn */
    GroupCommit(Session session, Duration patience) {
        this.session = session;
        this.patience = patience;
        this.writer = Thread.ofPlatform().daemon().name("store-writer").start(this::writeUntilClosed);
    }

    /**
     * Runs the work in the next transaction and returns after its commit.
     *
     * @param urgent comes before what waits, however much that is
     */
    <T> T write(Database.Work<T> work, boolean urgent) throws StoreUnavailableException {
        Task<T> task = new Task<>(work, urgent);
        if (urgent) {
            waiting.addFirst(task);
        } else if (waiting.size() < MAX_WAITING) {
            waiting.addLast(task);
        } else {
            throw new StoreBusyException(MAX_WAITING + " other writes are waiting");
        }
        if (closed && task.leaveTheQueueAs(State.ABANDONED)) {
            throw new StoreUnavailableException("the store is closed");
        }
        return await(task);
    }

    /** How much waits for its turn. */
    int waiting() {
        return waiting.size();
    }

    @Override
    public void close() {
        closed = true;
        waiting.addFirst(new Task<>(_ -> "nothing: it wakes the writer", true));
        try {
            writer.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private <T> T await(Task<T> task) throws StoreUnavailableException {
        boolean interrupted = false;
        try {
            try {
                return task.answer.get(patience.toMillis(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                if (task.leaveTheQueueAs(State.ABANDONED)) {
                    throw new StoreBusyException("other writes took longer than " + patience.toMillis() + " ms");
                }
            } catch (InterruptedException e) {
                interrupted = true;
                if (task.leaveTheQueueAs(State.ABANDONED)) {
                    throw new StoreBusyException("interrupted while waiting to write");
                }
            }
            // It has been taken, and what becomes of it is not known before the disk has said so.
            while (true) {
                try {
                    return task.answer.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } catch (ExecutionException e) {
            if (e.getCause() instanceof StoreUnavailableException unavailable) {
                throw unavailable;
            }
            throw bug(e);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void writeUntilClosed() {
        List<Task<?>> batch = new ArrayList<>();
        while (!closed) {
            try {
                batch.add(waiting.takeFirst());
                waiting.drainTo(batch, MAX_TOGETHER - 1);
                batch.removeIf(task -> !task.leaveTheQueueAs(State.TAKEN));
                write(batch);
            } catch (InterruptedException e) {
                // Nobody interrupts this thread for a reason: it ends when the store is closed.
                continue;
            } catch (RuntimeException | Error e) {
                session.abort();
                batch.forEach(task -> task.fail(e, session));
            }
            batch.clear();
        }
        session.abort();
        waiting.drainTo(batch);
        StoreUnavailableException over = new StoreUnavailableException("the store is closed");
        batch.stream().filter(task -> task.leaveTheQueueAs(State.TAKEN)).forEach(task -> task.fail(over, session));
    }

    private void write(List<Task<?>> batch) {
        session.onlyUrgent()
                .ifPresent(refusal -> batch.removeIf(task -> {
                    if (!task.urgent) {
                        task.fail(refusal, session);
                    }
                    return !task.urgent;
                }));
        if (batch.size() == 1) {
            writeAlone(batch.getFirst());
        } else if (!batch.isEmpty() && !writeTogether(batch)) {
            batch.forEach(this::writeAlone);
        }
    }

    /** Whether the tasks have been answered; if not, nothing of what they did has happened. */
    private boolean writeTogether(List<Task<?>> batch) {
        try {
            Connection connection = session.begin();
            List<Runnable> replies = new ArrayList<>(batch.size());
            for (Task<?> task : batch) {
                replies.add(task.runApart(connection, session));
            }
            session.commit();
            replies.forEach(Runnable::run);
            return true;
        } catch (StoreUnavailableException e) {
            session.abort();
            batch.forEach(task -> task.fail(e, session));
            return true;
        } catch (SQLException | IOException e) {
            session.abort();
            return false;
        }
    }

    private void writeAlone(Task<?> task) {
        Exception failure = tryAlone(task);
        if (failure != null && task.urgent && session.makeRoom(failure)) {
            failure = tryAlone(task);
        }
        if (failure != null) {
            task.fail(failure, session);
        }
    }

    /** What went wrong, if something did; otherwise the task has been answered. */
    private @Nullable Exception tryAlone(Task<?> task) {
        try {
            Runnable reply = task.run(session.begin());
            session.commit();
            reply.run();
            return null;
        } catch (SQLException | IOException | StoreUnavailableException | RuntimeException e) {
            session.abort();
            return e;
        }
    }

    /** What is no failure of the store, in the thread that asked. */
    static RuntimeException bug(ExecutionException failure) {
        return switch (failure.getCause()) {
            case RuntimeException bug -> bug;
            case Error error -> throw error;
            case null, default -> new IllegalStateException(failure);
        };
    }

    static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
