package io.sallyport.issuer.store;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.PostgresConnector.Limits;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;

/**
 * One PostgreSQL database, which other issuers may use too.
 *
 * <p>A write is a transaction at READ COMMITTED that first takes the lock of its sandbox: every statement after that sees
 * what those before it committed. A read is one at REPEATABLE READ, READ ONLY. They have pools of their own, so that
 * writes that wait for each other do not hold up reads. Nothing is remembered from one transaction to the next.
 *
 * <p>Nothing is tried again but what the database says it has undone for the sake of another transaction. A commit that
 * was not answered may have happened: that is a failure, and never a success.
 */
final class PostgresDatabase implements Database {
    private static final Logger log = System.getLogger(PostgresDatabase.class.getName());

    /** Notifications come at once; this is for those that are lost with their connection. */
    private static final Duration POLL = Duration.ofSeconds(1);

    private static final int TRIES = 5;

    /** While no connection can be made, how long calls are told so without trying. */
    private static final Duration GIVE_UP_FOR = Duration.ofMillis(250);

    /** The first halves of advisory locks: one space of numbers for each kind of thing. */
    private static final int SANDBOX_LOCKS = 0x5A11_0001;

    private static final int NAME_LOCKS = 0x5A11_0002;

    private static final int LINEAGE_LOCKS = 0x5A11_0003;

    /**
     * Begins every session. A log that was written on another server, in another database or before a fail-over may lack
     * what its readers have seen, or have other events under the same numbers: from now on it is another log.
     */
    private static final String NEW_LOG_AFTER_RESTORE = """
            WITH here AS (
                SELECT system_identifier || '/' || pg_database.oid || '/'
                       || left(pg_walfile_name(pg_current_wal_lsn()), 8) AS incarnation
                FROM pg_control_system(), pg_database WHERE datname = current_database())
            UPDATE feed SET store_id = replace(gen_random_uuid()::text, '-', ''), incarnation = here.incarnation
            FROM here WHERE feed.incarnation <> here.incarnation""";

    private final PostgresSettings settings;
    private final HikariDataSource writers;
    private final HikariDataSource readers;
    private final EventWaker events;
    private final PostgresListener listener;
    private volatile long reached = System.nanoTime();
    private volatile long gaveUp = System.nanoTime() - GIVE_UP_FOR.toNanos();

    private PostgresDatabase(PostgresSettings settings) {
        this.settings = settings;
        int reading = Math.max(1, settings.connections() / 3);
        writers = pool(settings, "store-writers", settings.connections() - reading, false);
        readers = pool(settings, "store-readers", reading, true);
        events = new EventWaker(() -> read(EventLog::newest), POLL);
        listener = new PostgresListener(
                new PostgresConnector(settings, Limits.CALLS, NEW_LOG_AFTER_RESTORE), events::tell);
    }

    /**
     * Connects, and brings the database to this version's schema.
     *
     * @throws IOException with the database and the remedy when it cannot be used
     */
    static PostgresDatabase open(PostgresSettings settings) throws IOException {
        try (Connection connection = new PostgresConnector(settings, Limits.CALLS, "").getConnection()) {
            log.log(
                    Level.INFO,
                    "{0} is PostgreSQL {1}",
                    settings,
                    connection.getMetaData().getDatabaseProductVersion());
        } catch (SQLException e) {
            throw new IOException(settings + " cannot be used: " + text(e), e);
        }
        migrate(settings);
        return new PostgresDatabase(settings);
    }

    @Override
    public <T> T write(Work<T> work) throws StoreUnavailableException {
        for (int tries = 1; ; tries++) {
            try {
                return once(writers, work);
            } catch (SQLException e) {
                if (!wasUndoneForAnother(e) || tries == TRIES) {
                    throw failure("written", e);
                }
            }
            // Not all at once again.
            LockSupport.parkNanos(ThreadLocalRandom.current().nextLong(TimeUnit.MILLISECONDS.toNanos(tries * 5L)));
        }
    }

    @Override
    public <T> T read(Work<T> work) throws StoreUnavailableException {
        for (int tries = 1; ; tries++) {
            try {
                return once(readers, work);
            } catch (SQLException e) {
                StoreUnavailableException failure = failure("read", e);
                // A connection from before an outage. The others are gone with it, and reading twice does no harm.
                if (!leadsNowhere(state(e)) || tries == TRIES) {
                    throw failure;
                }
            }
        }
    }

    /** The lock has a number made of the id. Two ids may share one, and then only wait for each other. */
    @Override
    public void lock(Connection connection, SandboxId sandbox) throws SQLException {
        advisoryLock(connection, SANDBOX_LOCKS, sandbox.value());
    }

    @Override
    public void lockLineage(Connection connection, String lineage) throws SQLException {
        advisoryLock(connection, LINEAGE_LOCKS, lineage);
    }

    @Override
    public void lockName(Connection connection, SandboxName name) throws SQLException {
        advisoryLock(connection, NAME_LOCKS, name.workspace() + "/" + name.name());
    }

    /** Nothing to do: a trigger on the event log notifies every listener, in this process too, at the commit. */
    @Override
    public void announce(Connection connection) {}

    @Override
    public AutoCloseable onEvent(Runnable wake) {
        return events.add(wake);
    }

    @Override
    public void close() {
        listener.close();
        events.close();
        writers.close();
        readers.close();
    }

    private static void advisoryLock(Connection connection, int kind, String name) throws SQLException {
        var _ = Sql.first(connection, row -> row.wasNull(), "SELECT pg_advisory_xact_lock(?, hashtext(?))", kind, name);
    }

    private <T> T once(HikariDataSource pool, Work<T> work) throws SQLException, StoreUnavailableException {
        Connection connection = borrow(pool);
        boolean trusted = false;
        try {
            T result = work.run(connection);
            commit(connection);
            trusted = true;
            return result;
        } catch (SQLException e) {
            if (isAnswer(e)) {
                connection.rollback();
                trusted = true;
            }
            throw e;
        } catch (RuntimeException e) {
            connection.rollback();
            trusted = true;
            throw e;
        } finally {
            if (!trusted) {
                pool.evictConnection(connection);
            }
            connection.close();
        }
    }

    /**
     * Returns once the transaction is as safe as the server was told to make it.
     *
     * <p>A server that stops waiting for its synchronous standby says yes, with a warning.
     */
    private static void commit(Connection connection) throws SQLException {
        connection.clearWarnings();
        connection.commit();
        SQLWarning warning = connection.getWarnings();
        if (warning != null) {
            throw new SQLException("the commit is not known to be safe: " + warning.getMessage());
        }
    }

    private Connection borrow(HikariDataSource pool) throws StoreUnavailableException {
        if (pool.isClosed()) {
            throw new StoreUnavailableException("the store is closed");
        }
        if (System.nanoTime() - gaveUp < GIVE_UP_FOR.toNanos()) {
            throw new StoreUnavailableException(settings + " could not be reached a moment ago");
        }
        long begun = System.nanoTime();
        try {
            Connection connection = pool.getConnection();
            reached = System.nanoTime();
            return connection;
        } catch (SQLException e) {
            if (pool.isClosed()) {
                throw new StoreUnavailableException("the store is closed");
            }
            if (e.getCause() == null) {
                throw new StoreBusyException("all connections to " + settings + " were in use for too long");
            }
            if (reached - begun < 0) {
                // Nobody has got through meanwhile: what this one waited for is not over yet.
                gaveUp = System.nanoTime();
            }
            throw new StoreUnavailableException(settings + " cannot be reached: " + text(e.getCause()), e);
        }
    }

    private StoreUnavailableException failure(String done, SQLException e) {
        if (state(e).equals("55P03")) {
            return new StoreBusyException("other transactions took too long (" + text(e) + ")");
        }
        if (leadsNowhere(state(e))) {
            // The other connections that there are lead to the same place, and would each fail once.
            writers.getHikariPoolMXBean().softEvictConnections();
            readers.getHikariPoolMXBean().softEvictConnections();
        }
        return new StoreUnavailableException(settings + " could not be " + done + ": " + text(e), e);
    }

    /** Serialization failure, deadlock: all of the transaction is undone, and could do better next time. */
    private static boolean wasUndoneForAnother(SQLException e) {
        return state(e).equals("40001") || state(e).equals("40P01");
    }

    /** The connection is broken (class 08), the server ends (57P), or the primary has become a standby. */
    private static boolean leadsNowhere(String state) {
        return state.startsWith("08") || state.startsWith("57P") || state.equals("25006");
    }

    /** Whether the server itself refused and goes on; otherwise the connection is not trusted again. */
    private static boolean isAnswer(SQLException e) {
        return switch (state(e)) {
            case "40001", "40P01", "55P03", "57014" -> true;
            default -> state(e).startsWith("22") || state(e).startsWith("23");
        };
    }

    private static String state(SQLException e) {
        return e.getSQLState() == null ? "" : e.getSQLState();
    }

    private static String text(Throwable e) {
        return String.valueOf(e.getMessage());
    }

    private static HikariDataSource pool(PostgresSettings settings, String name, int size, boolean readOnly) {
        HikariConfig config = new HikariConfig();
        config.setPoolName(name);
        config.setDataSource(new PostgresConnector(settings, Limits.CALLS, NEW_LOG_AFTER_RESTORE));
        config.setMaximumPoolSize(size);
        config.setAutoCommit(false);
        config.setReadOnly(readOnly);
        config.setTransactionIsolation(readOnly ? "TRANSACTION_REPEATABLE_READ" : "TRANSACTION_READ_COMMITTED");
        config.setConnectionTimeout(2_000);
        config.setValidationTimeout(1_000);
        config.setKeepaliveTime(TimeUnit.SECONDS.toMillis(30));
        config.setMaxLifetime(TimeUnit.MINUTES.toMillis(15));
        // It has been looked at just now; should it be gone by then, calls say so and the pool goes on trying.
        config.setInitializationFailTimeout(-1);
        return new HikariDataSource(config);
    }

    /** Several issuers may come at the same time: one migrates, and the others wait for it. */
    private static void migrate(PostgresSettings settings) throws IOException {
        try {
            Flyway.configure()
                    .dataSource(new PostgresConnector(settings, Limits.NONE, ""))
                    .locations("classpath:io/sallyport/issuer/store/postgresql")
                    .failOnMissingLocations(true)
                    .validateMigrationNaming(true)
                    // By default a schema newer than the program passes.
                    .ignoreMigrationPatterns(new String[0])
                    .load()
                    .migrate();
        } catch (FlywayException e) {
            throw new IOException(
                    settings + " cannot be brought to this version's schema: " + e.getMessage()
                            + " (was it written by a newer version?)",
                    e);
        }
    }
}
