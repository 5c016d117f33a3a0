package io.sallyport.issuer.store;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;

/** The table {@code listeners}: one row for each who listens to the feed, or did a while ago. */
final class ListenerTable {
    private ListenerTable() {}

    /** What one has heard, and its lease, only ever grow: an older word of it may come later. */
    static void put(Connection connection, String replica, long heard, Instant until) throws SQLException {
        Sql.update(
                connection,
                "INSERT INTO listeners (replica, heard, until) VALUES (?, ?, ?)"
                        + " ON CONFLICT (replica) DO UPDATE SET"
                        + " heard = CASE WHEN excluded.heard > listeners.heard"
                        + " THEN excluded.heard ELSE listeners.heard END,"
                        + " until = CASE WHEN excluded.until > listeners.until"
                        + " THEN excluded.until ELSE listeners.until END",
                replica,
                heard,
                until.toEpochMilli());
    }

    static void remove(Connection connection, String replica) throws SQLException {
        Sql.update(connection, "DELETE FROM listeners WHERE replica = ?", replica);
    }

    /** Whether somebody may still go on with what was before this event. */
    static boolean anyBehind(Connection connection, long event, Instant at) throws SQLException {
        return Sql.first(
                        connection,
                        row -> row.getString("replica"),
                        "SELECT replica FROM listeners WHERE until >= ? AND heard < ? LIMIT 1",
                        at.toEpochMilli(),
                        event)
                .isPresent();
    }

    /** Removes those whose leases were over by then; how many, at most as many as asked for. */
    static int prune(Connection connection, Instant before, int limit) throws SQLException {
        return Sql.update(
                connection,
                "DELETE FROM listeners WHERE replica IN (SELECT replica FROM listeners WHERE until < ? LIMIT ?)",
                before.toEpochMilli(),
                limit);
    }
}
