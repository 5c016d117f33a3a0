package io.sallyport.issuer.store;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * Hears what other issuers commit, on a connection of its own ({@code LISTEN} belongs to a session).
 *
 * <p>A connection that is lost is made again; what was notified meanwhile is not heard, so whoever listens must look
 * after each new beginning, and from time to time besides.
 */
final class PostgresListener implements AutoCloseable {
    private static final Logger log = System.getLogger(PostgresListener.class.getName());

    /** The name in the trigger of the event log. */
    private static final String CHANNEL = "sallyport_events";

    /** How long nothing may be heard before the connection is tried. */
    private static final Duration SILENCE = Duration.ofSeconds(5);

    private static final Duration BETWEEN_TRIES = Duration.ofSeconds(1);

    private final PostgresConnector connector;
    private final Runnable tell;
    private final CountDownLatch closed = new CountDownLatch(1);
    private final Thread thread;
    private volatile @Nullable Connection connection;

    /** @param tell called after every notification and every new connection */
    PostgresListener(PostgresConnector connector, Runnable tell) {
        this.connector = connector;
        this.tell = tell;
        this.thread = Thread.ofPlatform().daemon().name("store-listener").start(this::run);
    }

    @Override
    public void close() {
        closed.countDown();
        // Ends its waiting.
        SqliteFile.closeQuietly(connection);
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        boolean complained = false;
        try {
            do {
                try (Connection fresh = connector.getConnection()) {
                    connection = fresh;
                    complained = false;
                    listen(fresh);
                } catch (SQLException e) {
                    if (!complained && closed.getCount() > 0) {
                        complained = true;
                        log.log(
                                Level.WARNING,
                                "no notifications from the database until it can be reached again ({0}); events are"
                                        + " looked for every second",
                                e.getMessage());
                    }
                }
            } while (!closed.await(BETWEEN_TRIES.toMillis(), TimeUnit.MILLISECONDS));
        } catch (InterruptedException e) {
            // Nobody interrupts this thread; should somebody, the poll remains.
            Thread.currentThread().interrupt();
        }
    }

    private void listen(Connection fresh) throws SQLException {
        try (Statement statement = fresh.createStatement()) {
            statement.execute("LISTEN " + CHANNEL);
        }
        PGConnection notified = fresh.unwrap(PGConnection.class);
        tell.run();
        while (closed.getCount() > 0) {
            if (notified.getNotifications(Math.toIntExact(SILENCE.toMillis())).length > 0) {
                tell.run();
            } else if (!fresh.isValid(2)) {
                throw new SQLException("the connection has gone silent");
            }
        }
    }
}
