package io.sallyport.issuer.store;

import io.sallyport.base.OwnDirectory;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteDataSource;
import org.sqlite.SQLiteOpenMode;

/**
 * The connections to one SQLite file: one that writes, behind a lock, and a few that read.
 *
 * <p>SQLite has one writer at a time anyway; a lock of ours in front of it is fair, where SQLite's own waiting is a poll.
 * Readers see the last commit and never wait for the writer (write-ahead log). A connection that failed is not trusted
 * again: it is closed, and the next use opens a new one, so that the store recovers when the disk does.
 */
final class SqliteConnections implements AutoCloseable {
    private static final Logger log = System.getLogger(SqliteConnections.class.getName());
    private static final int READERS = 4;

    /** The database, its write-ahead log and that log's index, and a rollback journal. */
    private static final List<String> SQLITE_FILES = List.of("", "-wal", "-shm", "-journal");

    /** What is done with a connection, within one transaction. */
    @FunctionalInterface
    interface Work<T> {
        T run(Connection connection) throws SQLException;
    }

    private final Path file;
    private final Object identity;
    private final Duration patience;
    private final ReentrantLock writing = new ReentrantLock(true);
    private final BlockingQueue<Slot> readers = new ArrayBlockingQueue<>(READERS);
    private @Nullable Connection writer;
    private volatile boolean closed;

    private SqliteConnections(Path file, Object identity, Duration patience) {
        this.file = file;
        this.identity = identity;
        this.patience = patience;
        for (int i = 0; i < READERS; i++) {
            readers.add(new Slot());
        }
    }

    /** A place for a reading connection, opened on first use. */
    private static final class Slot {
        @Nullable Connection connection;
    }

    /** @param patience how long to wait for others */
    static SqliteConnections open(Path file, Duration patience) throws IOException {
        prepareFile(file);
        migrate(file, patience);
        SqliteConnections connections = new SqliteConnections(file, identity(file), patience);
        try {
            connections.writer = connections.openWriter();
        } catch (SQLException e) {
            throw new IOException(file + " cannot be used: " + e.getMessage(), e);
        }
        return connections;
    }

    /** Runs the work in a transaction that holds SQLite's write lock from its first statement, and commits it. */
    <T> T write(Work<T> work) throws StoreUnavailableException {
        try {
            if (!writing.tryLock(patience.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new StoreBusyException("other writes took longer than " + patience.toMillis() + " ms");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StoreBusyException("interrupted while waiting to write");
        }
        try {
            if (closed) {
                throw new StoreUnavailableException("the store is closed");
            }
            Connection connection = writer;
            if (connection == null) {
                connection = openWriter();
                writer = connection;
            }
            // In words, not by setAutoCommit(false): the driver would begin the next transaction with the commit of
            // this
            // one, and an idle issuer would hold the write lock and keep the log from being folded into the file.
            execute(connection, "BEGIN IMMEDIATE");
            T result = work.run(connection);
            // A file that was moved away or replaced would still take the commit, and nobody would ever read it.
            if (!identity(file).equals(identity)) {
                throw new SQLException("the file was moved or replaced; restart the issuer");
            }
            execute(connection, "COMMIT");
            return result;
        } catch (SQLException | IOException | RuntimeException e) {
            discardWriter();
            if (e instanceof RuntimeException bug) {
                throw bug;
            }
            throw new StoreUnavailableException(file + " could not be written: " + e.getMessage(), e);
        } finally {
            writing.unlock();
        }
    }

    /** Runs the work on a connection that cannot write, seeing the last commit. */
    <T> T read(Work<T> work) throws StoreUnavailableException {
        Slot slot;
        try {
            slot = readers.poll(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StoreBusyException("interrupted while waiting to read");
        }
        if (slot == null) {
            throw new StoreBusyException("other reads took longer than " + patience.toMillis() + " ms");
        }
        try {
            if (closed) {
                throw new StoreUnavailableException("the store is closed");
            }
            Connection connection = slot.connection;
            if (connection == null) {
                connection = openReader();
                slot.connection = connection;
            }
            return work.run(connection);
        } catch (SQLException | RuntimeException e) {
            closeQuietly(slot.connection);
            slot.connection = null;
            if (e instanceof RuntimeException bug) {
                throw bug;
            }
            throw new StoreUnavailableException(file + " could not be read: " + e.getMessage(), e);
        } finally {
            if (closed) {
                closeQuietly(slot.connection);
                slot.connection = null;
            }
            readers.add(slot);
        }
    }

    @Override
    public void close() {
        closed = true;
        List<Slot> idle = new ArrayList<>();
        readers.drainTo(idle);
        for (Slot slot : idle) {
            closeQuietly(slot.connection);
            slot.connection = null;
        }
        readers.addAll(idle);
        writing.lock();
        try {
            closeQuietly(writer);
            writer = null;
        } finally {
            writing.unlock();
        }
    }

    private void discardWriter() {
        // Closing rolls back whatever was open.
        closeQuietly(writer);
        writer = null;
    }

    private Connection openWriter() throws SQLException {
        Connection connection = config(patience).createConnection("jdbc:sqlite:" + file);
        try {
            // Refuse to promise durability that the file system does not give.
            expect(connection, "journal_mode", "wal");
            expect(connection, "synchronous", "2");
            expect(connection, "foreign_keys", "1");
            return connection;
        } catch (SQLException e) {
            closeQuietly(connection);
            throw e;
        }
    }

    private Connection openReader() throws SQLException {
        Connection connection = config(patience).createConnection("jdbc:sqlite:" + file);
        try {
            execute(connection, "PRAGMA query_only = 1");
            return connection;
        } catch (SQLException e) {
            closeQuietly(connection);
            throw e;
        }
    }

    private static SQLiteConfig config(Duration patience) {
        SQLiteConfig config = new SQLiteConfig();
        config.setJournalMode(SQLiteConfig.JournalMode.WAL);
        config.setSynchronous(SQLiteConfig.SynchronousMode.FULL);
        config.enforceForeignKeys(true);
        config.setBusyTimeout((int) patience.toMillis());
        // The file is there by now; one that has gone is an error, not a reason to begin an empty one.
        config.resetOpenMode(SQLiteOpenMode.CREATE);
        return config;
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static void expect(Connection connection, String pragma, String value) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("PRAGMA " + pragma)) {
            String found = row.next() ? row.getString(1) : "nothing";
            if (!value.equals(found)) {
                throw new SQLException(pragma + " is " + found + ", not " + value
                        + "; put the file on a local disk (write-ahead logging needs one)");
            }
        }
    }

    /**
     * The file is made for its owner alone before SQLite opens it; its log and index take their modes from it. Whoever
     * could write one of them, or put another in its place, could register sandboxes with it.
     */
    private static void prepareFile(Path file) throws IOException {
        Path directory = file.toAbsolutePath().getParent();
        if (directory == null || !Files.isDirectory(directory)) {
            throw new IOException(directory + " is not a directory; make it, owned by the issuer's user, mode 0700");
        }
        OwnDirectory.check(directory, "put a database of theirs in the place of " + file.getFileName());
        if (!Files.exists(file)) {
            Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        } else if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException(file + " is not a regular file; name the database file itself");
        }
        for (String suffix : SQLITE_FILES) {
            refuseIfWritableByOthers(file.resolveSibling(file.getFileName() + suffix));
        }
    }

    private static void refuseIfWritableByOthers(Path file) throws IOException {
        Set<PosixFilePermission> permissions;
        try {
            permissions = Files.getPosixFilePermissions(file, LinkOption.NOFOLLOW_LINKS);
        } catch (NoSuchFileException e) {
            return;
        }
        if (permissions.contains(PosixFilePermission.GROUP_WRITE)
                || permissions.contains(PosixFilePermission.OTHERS_WRITE)) {
            throw new IOException(
                    file + " can be written by others, who could register sandboxes with it: chmod go-w " + file);
        }
    }

    private static void migrate(Path file, Duration patience) throws IOException {
        SQLiteDataSource source = new SQLiteDataSource(config(patience));
        source.setUrl("jdbc:sqlite:" + file);
        try {
            Flyway.configure()
                    .dataSource(source)
                    .locations("classpath:io/sallyport/issuer/store/sqlite")
                    .failOnMissingLocations(true)
                    .validateMigrationNaming(true)
                    // By default a schema newer than the program passes.
                    .ignoreMigrationPatterns(new String[0])
                    .load()
                    .migrate();
        } catch (FlywayException e) {
            throw new IOException(
                    file + " cannot be brought to this version's schema: " + e.getMessage()
                            + " (was it written by a newer version?)",
                    e);
        }
    }

    private static Object identity(Path file) throws IOException {
        Object key = Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .fileKey();
        if (key == null) {
            throw new IOException(file + " is on a file system without inode numbers; put it on a local disk");
        }
        return key;
    }

    private static void closeQuietly(@Nullable Connection connection) {
        if (connection != null) {
            try {
                connection.close();
            } catch (SQLException e) {
                log.log(Level.DEBUG, "closing a connection", e);
            }
        }
    }
}
