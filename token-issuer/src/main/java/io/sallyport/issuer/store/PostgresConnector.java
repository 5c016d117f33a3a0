package io.sallyport.issuer.store;

import java.io.IOException;
import java.io.Serial;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import org.postgresql.ds.PGSimpleDataSource;
import org.postgresql.jdbc.SslMode;

/**
 * Connections to PostgreSQL, each looked at before it is used: it must lead to a primary that keeps what it acknowledges.
 *
 * <p>Looked at each time and not once: after a fail-over, or a change of the server's settings, it is another server.
 */
final class PostgresConnector extends PGSimpleDataSource {
    @Serial
    private static final long serialVersionUID = 1;

    /** The oldest version that its makers still mend. */
    private static final int OLDEST_VERSION = 14;

    private static final Duration CONNECT = Duration.ofSeconds(2);

    private final transient PostgresSettings settings;
    private final transient Limits limits;
    private final transient String greeting;

    /**
     * How long the server and the network may take. The server gives up before the driver does, so that an answer comes
     * where there is a server at all. Zero: without limit.
     *
     * @param lock waiting for another transaction
     * @param statement one statement
     * @param idle a transaction of which nothing is heard: a stopped issuer must not hold up the others
     * @param socket waiting for anything at all from the server
     */
    record Limits(Duration lock, Duration statement, Duration idle, Duration socket) {
        /** For calls. */
        static final Limits CALLS =
                new Limits(Duration.ofSeconds(2), Duration.ofSeconds(3), Duration.ofSeconds(3), Duration.ofSeconds(5));

        /** For migrations, and waiting for them. */
        static final Limits NONE = new Limits(Duration.ZERO, Duration.ZERO, Duration.ZERO, Duration.ZERO);
    }

    /** @param greeting a statement that begins every session, if there is one */
    PostgresConnector(PostgresSettings settings, Limits limits, String greeting) {
        this.settings = settings;
        this.limits = limits;
        this.greeting = greeting;
        setServerNames(settings.hosts().toArray(String[]::new));
        setPortNumbers(settings.hosts().stream().mapToInt(_ -> settings.port()).toArray());
        setDatabaseName(settings.database());
        setUser(settings.user());
        setApplicationName("sallyport-issuer");
        setConnectTimeout(Math.toIntExact(CONNECT.toSeconds()));
        setSocketTimeout(Math.toIntExact(limits.socket().toSeconds()));
        setTcpKeepAlive(true);
        // A detail repeats values of the row that failed.
        setLogServerErrorDetail(false);
        setGssEncMode("disable");
        if (settings.hosts().size() > 1) {
            setTargetServerType("primary");
            setHostRecheckSeconds(1);
        }
        setSslMode(settings.verifiesServer() ? SslMode.VERIFY_FULL.value : SslMode.DISABLE.value);
        if (settings.ca().isPresent()) {
            setSslRootCert(settings.ca().get().toString());
        } else if (settings.verifiesServer()) {
            setSslfactory("org.postgresql.ssl.DefaultJavaSSLFactory");
        }
    }

    @Override
    public Connection getConnection() throws SQLException {
        Connection connection = super.getConnection(settings.user(), password());
        try {
            check(connection);
            if (!greeting.isEmpty()) {
                var _ = Sql.update(connection, greeting);
            }
            return connection;
        } catch (SQLException e) {
            connection.close();
            throw e;
        }
    }

    /** One round trip: sets the session's limits, and asks what kind of a server this is. */
    private void check(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery("SELECT current_setting('server_version_num')::int / 10000,"
                        + " pg_is_in_recovery(), current_setting('fsync'), current_setting('full_page_writes'),"
                        + " current_setting('synchronous_commit'),"
                        // Whoever lowers it later does not lower it for this session.
                        + " set_config('synchronous_commit', current_setting('synchronous_commit'), false)"
                        + setting("lock_timeout", limits.lock())
                        + setting("statement_timeout", limits.statement())
                        + setting("idle_in_transaction_session_timeout", limits.idle()))) {
            if (!row.next()) {
                throw new SQLException(settings + " says nothing about itself");
            }
            refuse(
                    row.getInt(1) < OLDEST_VERSION,
                    "is PostgreSQL " + row.getInt(1) + "; " + OLDEST_VERSION + " is the oldest that will do");
            refuse(
                    row.getBoolean(2),
                    "is a standby, which cannot be written; name the primary, or all of them as store.postgresql.hosts");
            for (int i = 3; i <= 4; i++) {
                refuse(
                        row.getString(i).equals("off"),
                        "loses what it acknowledged when its machine stops (" + (i == 3 ? "fsync" : "full_page_writes")
                                + " is off); switch it on in postgresql.conf");
            }
            refuse(
                    row.getString(5).equals("off"),
                    "acknowledges before it has written (synchronous_commit is off); set it to on, for this database with"
                            + " ALTER DATABASE " + settings.database() + " SET synchronous_commit = on");
        }
    }

    private void refuse(boolean wrong, String why) throws SQLException {
        if (wrong) {
            throw new SQLException(settings + " " + why);
        }
    }

    private static String setting(String name, Duration value) {
        return ", set_config('" + name + "', '" + value.toMillis() + "', false)";
    }

    private String password() throws SQLException {
        if (settings.passwordFile().isEmpty()) {
            return "";
        }
        Path file = settings.passwordFile().get();
        try {
            return Files.readString(file).strip();
        } catch (IOException e) {
            throw new SQLException("the password file " + file + " cannot be read (" + e + ")", e);
        }
    }

    /** For messages of libraries: the properties could show more than they should. */
    @Override
    public String getDescription() {
        return settings.toString();
    }
}
