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
import java.util.List;
import java.util.Set;
import java.util.function.LongSupplier;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteDataSource;
import org.sqlite.SQLiteOpenMode;

/** The one file of a SQLite store, its owner's alone and with the newest schema, and connections to it. */
final class SqliteFile {
    private static final Logger log = System.getLogger(SqliteFile.class.getName());

    /** The database, its write-ahead log and that log's index, and a rollback journal. */
    private static final List<String> SQLITE_FILES = List.of("", "-wal", "-shm", "-journal");

    private final Path path;
    private final Object identity;
    private final Duration patience;
    private final boolean syncs;

    private SqliteFile(Path path, Object identity, Duration patience, boolean syncs) {
        this.path = path;
        this.identity = identity;
        this.patience = patience;
        this.syncs = syncs;
    }

    /**
     * Makes the file, or brings it to this version's schema.
     *
     * @param patience how long to wait for other processes
     * @param syncs whether a commit waits for the disk
     * @throws IOException with the file and the remedy when it cannot be used
     */
    static SqliteFile prepare(Path path, Duration patience, boolean syncs) throws IOException {
        prepare(path);
        migrate(path, patience);
        return new SqliteFile(path, identity(path), patience, syncs);
    }

    Duration patience() {
        return patience;
    }

    /** A file that was moved away or replaced would still take a commit, and nobody would ever read it. */
    void checkIsInPlace() throws IOException {
        if (!identity(path).equals(identity)) {
            throw new IOException("the file was moved or replaced; restart the issuer");
        }
    }

    /** The room beside the file that is kept for what must get through. */
    DiskReserve reserve(LongSupplier nanos) {
        return new DiskReserve(path.resolveSibling(path.getFileName() + "-reserve"), nanos);
    }

    /** A connection for the one thread that writes. It never waits for another process by itself. */
    Connection openWriter() throws SQLException {
        Connection connection = config(patience).createConnection("jdbc:sqlite:" + path);
        try {
            // Refuse to promise durability that the file system does not give.
            expect(connection, "journal_mode", "wal");
            if (syncs) {
                expect(connection, "synchronous", "2");
            } else {
                GroupCommit.execute(connection, "PRAGMA synchronous = OFF");
            }
            expect(connection, "foreign_keys", "1");
            GroupCommit.execute(connection, "PRAGMA busy_timeout = 0");
            return connection;
        } catch (SQLException e) {
            closeQuietly(connection);
            throw e;
        }
    }

    Connection openReader() throws SQLException {
        Connection connection = config(patience).createConnection("jdbc:sqlite:" + path);
        try {
            GroupCommit.execute(connection, "PRAGMA query_only = 1");
            return connection;
        } catch (SQLException e) {
            closeQuietly(connection);
            throw e;
        }
    }

    static void closeQuietly(@Nullable Connection connection) {
        if (connection != null) {
            try {
                connection.close();
            } catch (SQLException e) {
                log.log(Level.DEBUG, "closing a connection", e);
            }
        }
    }

    @Override
    public String toString() {
        return path.toString();
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
    private static void prepare(Path file) throws IOException {
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
}
