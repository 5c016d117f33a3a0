package io.sallyport.issuer.store;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A few threads that read, each with a connection of its own that cannot write.
 *
 * <p>Platform threads on purpose: SQLite is native code and would pin the few carriers of virtual threads. Readers see
 * the last commit and never wait for the writer (write-ahead log).
 */
final class SqliteReaders implements AutoCloseable {
    private static final int READERS = 4;
    private static final int MAX_WAITING = 1024;

    private final SqliteFile file;
    private final Duration patience;
    private final ThreadPoolExecutor threads;

    SqliteReaders(SqliteFile file) {
        this.file = file;
        this.patience = file.patience();
        this.threads = new ThreadPoolExecutor(
                READERS,
                READERS,
                0,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(MAX_WAITING),
                task -> Thread.ofPlatform().daemon().name("store-reader").unstarted(new Reader(task)));
    }

    /** One thread of the pool: it has a connection, opened on first use. */
    private final class Reader implements Runnable {
        private final Runnable loop;
        private @Nullable Connection connection;

        Reader(Runnable loop) {
            this.loop = loop;
        }

        @Override
        public void run() {
            try {
                ScopedValue.where(READER, this).run(loop);
            } finally {
                SqliteFile.closeQuietly(connection);
            }
        }

        <T> T read(Database.Work<T> work) throws SQLException {
            try {
                Connection open = connection;
                if (open == null) {
                    open = file.openReader();
                    connection = open;
                }
                GroupCommit.execute(open, "BEGIN");
                T result = work.run(open);
                GroupCommit.execute(open, "COMMIT");
                return result;
            } catch (SQLException | RuntimeException e) {
                // What failed is not trusted again.
                SqliteFile.closeQuietly(connection);
                connection = null;
                throw e;
            }
        }
    }

    private static final ScopedValue<Reader> READER = ScopedValue.newInstance();

    <T> T read(Database.Work<T> work) throws StoreUnavailableException {
        Future<T> result;
        try {
            result = threads.submit(() -> READER.get().read(work));
        } catch (RejectedExecutionException e) {
            throw threads.isShutdown()
                    ? new StoreUnavailableException("the store is closed")
                    : new StoreBusyException(MAX_WAITING + " other reads are waiting");
        }
        try {
            return result.get(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof SQLException failure) {
                throw new StoreUnavailableException(file + " could not be read: " + failure.getMessage(), failure);
            }
            throw GroupCommit.bug(e);
        } catch (TimeoutException e) {
            result.cancel(false);
            throw new StoreBusyException("reading took longer than " + patience.toMillis() + " ms");
        } catch (InterruptedException e) {
            result.cancel(false);
            Thread.currentThread().interrupt();
            throw new StoreBusyException("interrupted while reading");
        }
    }

    @Override
    public void close() {
        threads.shutdown();
        try {
            if (!threads.awaitTermination(patience.toMillis(), TimeUnit.MILLISECONDS)) {
                threads.shutdownNow();
            }
        } catch (InterruptedException e) {
            threads.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }
}
