package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;

/**
 * One SQLite file: one thread that writes ({@link GroupCommit}), and a few that read.
 *
 * <p>Every write happens between {@code BEGIN IMMEDIATE}, so that what it reads is still true when it commits, and a
 * {@code COMMIT} with {@code synchronous=FULL}, so that what was acknowledged outlives a power cut. Several processes of
 * one host may share the file: nothing is remembered from one transaction to the next.
 */
final class SqliteDatabase implements Database {
    /** Another process tells nobody what it commits. */
    private static final Duration POLL = Duration.ofMillis(250);

    private final SqliteReaders readers;
    private final EventWaker events;
    private final SqliteSession session;
    private final GroupCommit writer;

    private SqliteDatabase(SqliteFile file) throws SQLException {
        readers = new SqliteReaders(file);
        events = new EventWaker(() -> readers.read(EventLog::newest), POLL);
        try {
            session = new SqliteSession(file, file.reserve(System::nanoTime), events::tell).open();
        } catch (SQLException e) {
            events.close();
            readers.close();
            throw e;
        }
        writer = new GroupCommit(session, file.patience());
    }

    /**
     * Opens the file, creating and migrating it as needed.
     *
     * @param patience how long a read or a write waits for others
     * @param syncs whether a commit waits for the disk
     * @throws IOException with the file and the remedy when it cannot be used
     */
    static SqliteDatabase open(Path path, Duration patience, boolean syncs) throws IOException {
        SqliteFile file = SqliteFile.prepare(path, patience, syncs);
        try {
            return new SqliteDatabase(file);
        } catch (SQLException e) {
            throw new IOException(path + " cannot be used: " + e.getMessage(), e);
        }
    }

    @Override
    public <T> T write(Work<T> work) throws StoreUnavailableException {
        return writer.write(work, false);
    }

    @Override
    public <T> T writeUrgently(Work<T> work) throws StoreUnavailableException {
        return writer.write(work, true);
    }

    @Override
    public <T> T read(Work<T> work) throws StoreUnavailableException {
        return readers.read(work);
    }

    /** Nothing to do: whoever writes is alone. */
    @Override
    public void lock(Connection connection, SandboxId sandbox) {}

    @Override
    public void lockName(Connection connection, SandboxName name) {}

    @Override
    public void announce(Connection connection) {
        session.announce();
    }

    @Override
    public AutoCloseable onEvent(Runnable wake) {
        return events.add(wake);
    }

    @Override
    public void close() {
        writer.close();
        events.close();
        readers.close();
    }
}
