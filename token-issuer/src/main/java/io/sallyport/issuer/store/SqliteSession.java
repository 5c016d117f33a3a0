package io.sallyport.issuer.store;

import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteErrorCode;
import org.sqlite.SQLiteException;

/**
 * The connection that writes, in the hands of one thread.
 *
 * <p>A connection that failed is not trusted again: it is closed, and the next transaction opens a new one, so that the
 * store recovers when the disk does.
 */
final class SqliteSession implements GroupCommit.Session {
    /** SQLite's own waiting for another process gets rarer the longer it waits; that would be unfair to whoever waits. */
    private static final Duration BETWEEN_TRIES = Duration.ofMillis(1);

    private final SqliteFile file;
    private final DiskReserve reserve;
    private final Runnable afterEvents;
    private @Nullable Connection connection;
    private boolean announced;

    /**
     * @param reserve given up when something urgent does not fit on the disk
     * @param afterEvents called after each commit of a transaction in which {@link #announce} was called
     */
    SqliteSession(SqliteFile file, DiskReserve reserve, Runnable afterEvents) {
        this.file = file;
        this.reserve = reserve;
        this.afterEvents = afterEvents;
    }

    /** Opens the connection, to find out whether that works. */
    SqliteSession open() throws SQLException {
        connection = file.openWriter();
        return this;
    }

    void announce() {
        announced = true;
    }

    @Override
    public Connection begin() throws SQLException, StoreUnavailableException {
        Connection writer = connection;
        if (writer == null) {
            writer = file.openWriter();
            connection = writer;
        }
        announced = false;
        long end = System.nanoTime() + file.patience().toNanos();
        while (true) {
            try {
                // In words, not by setAutoCommit(false): the driver would begin the next transaction with the commit
                // of this one, and an idle issuer would hold the write lock and keep the log from being folded in.
                GroupCommit.execute(writer, "BEGIN IMMEDIATE");
                return writer;
            } catch (SQLiteException e) {
                if (e.getResultCode() != SQLiteErrorCode.SQLITE_BUSY) {
                    throw e;
                }
                if (System.nanoTime() > end) {
                    throw new StoreUnavailableException("another process wrote to " + file + " for longer than "
                            + file.patience().toMillis() + " ms");
                }
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(BETWEEN_TRIES.toMillis()));
        }
    }

    @Override
    public void commit() throws SQLException, IOException {
        Connection writer = connection;
        if (writer == null) {
            throw new SQLException("there is no transaction");
        }
        file.checkIsInPlace();
        GroupCommit.execute(writer, "COMMIT");
        if (announced) {
            afterEvents.run();
        }
    }

    @Override
    public void abort() {
        // Closing rolls back whatever was open.
        SqliteFile.closeQuietly(connection);
        connection = null;
    }

    @Override
    public Optional<StoreUnavailableException> onlyUrgent() {
        return reserve.isKept()
                ? Optional.empty()
                : Optional.of(new StoreUnavailableException("the disk of " + file
                        + " is full: only revocations and deletions are written; free some space"));
    }

    @Override
    public boolean makeRoom(Exception failure) {
        return isFull(failure) && reserve.giveUp();
    }

    /** SQLite says so itself, or its files do. */
    private static boolean isFull(Exception failure) {
        return failure instanceof SQLiteException e
                && (e.getResultCode() == SQLiteErrorCode.SQLITE_FULL
                        || (e.getErrorCode() & 0xff) == SQLiteErrorCode.SQLITE_IOERR.code);
    }

    @Override
    public StoreUnavailableException failure(Exception cause) {
        return new StoreUnavailableException(file + " could not be written: " + cause.getMessage(), cause);
    }
}
