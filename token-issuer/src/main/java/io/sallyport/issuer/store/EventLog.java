package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.Revocation.Subject;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * The tables {@code events} and {@code feed}: what happened, in the order in which it became true.
 *
 * <p>A transaction takes its number from the one row of {@code feed}, which then stays locked until the transaction ends.
 * So numbers become visible in their order and without a gap, which a sequence of the database's would not give: it hands
 * out numbers to transactions that commit in another order, or not at all. That row is the last thing a transaction locks.
 *
 * <p>An event says what changed, and not how: readers are given the thing as it is by then.
 */
final class EventLog {
    /** Kinds of events: a record's own, and those of {@link RevocationTable}. */
    private static final String RECORD = "record";

    private EventLog() {}

    static FeedPosition position(Connection connection) throws SQLException {
        return feed(connection).position();
    }

    static long newest(Connection connection) throws SQLException {
        return position(connection).seq();
    }

    /** Takes the number of an event about a record. */
    static long recordChanged(Connection connection, SandboxId id, Instant at) throws SQLException {
        return add(connection, RECORD, id.value(), at);
    }

    /** Takes the number of an event about a revocation. */
    static long revoked(Connection connection, Subject subject, Instant at) throws SQLException {
        return add(connection, RevocationTable.kind(subject), subject.name(), at);
    }

    /** What happened behind a place, if that is still known: not in another database, nor where events were pruned. */
    static Optional<FeedDelta> since(Connection connection, FeedPosition after, int limit) throws SQLException {
        Feed feed = feed(connection);
        FeedPosition end = feed.position();
        if (!after.storeId().equals(end.storeId()) || after.seq() < feed.pruned() || after.seq() > end.seq()) {
            return Optional.empty();
        }
        List<FeedEvent> events = Sql.list(
                connection,
                EventLog::read,
                "SELECT seq, event.kind AS event_kind,"
                        + " sandboxes.id AS id, workspace, state, source, created, deleted, version,"
                        + " revocations.kind AS kind, reason, revoked, kept_until, event.name AS name,"
                        + " sandboxes.name AS sandbox_name"
                        + " FROM events AS event"
                        + " LEFT JOIN sandboxes ON event.kind = 'record' AND sandboxes.id = event.name"
                        + " LEFT JOIN revocations ON revocations.kind = event.kind AND revocations.name = event.name"
                        + " WHERE seq > ? AND (sandboxes.id IS NOT NULL OR revocations.kind IS NOT NULL)"
                        + " ORDER BY seq LIMIT ?",
                after.seq(),
                limit);
        boolean complete = events.size() < limit || events.getLast().seq() == end.seq();
        return Optional.of(new FeedDelta(
                events,
                complete
                        ? end
                        : new FeedPosition(end.storeId(), events.getLast().seq()),
                complete));
    }

    /**
     * Forgets the oldest events: whoever has not come as far begins again with a snapshot.
     *
     * @param keep how many to keep
     * @param before none that is newer than this
     * @return how many were removed, at most as many as asked for
     */
    static int prune(Connection connection, long keep, Instant before, int limit) throws SQLException {
        // The end is read without locking its row: events that come meanwhile are newer than what is removed.
        long last = newest(connection) - keep;
        long upTo = Sql.first(
                        connection,
                        row -> row.getLong("last"),
                        "SELECT COALESCE(max(seq), 0) AS last FROM"
                                + " (SELECT seq FROM events WHERE seq <= ? AND at < ? ORDER BY seq LIMIT ?) AS oldest",
                        last,
                        before.toEpochMilli(),
                        limit)
                .orElse(0L);
        if (upTo == 0) {
            return 0;
        }
        int removed = Sql.update(connection, "DELETE FROM events WHERE seq <= ?", upTo);
        Sql.update(connection, "UPDATE feed SET pruned = ? WHERE pruned < ?", upTo, upTo);
        return removed;
    }

    private record Feed(FeedPosition position, long pruned) {}

    private static Feed feed(Connection connection) throws SQLException {
        return Sql.first(
                        connection,
                        row -> new Feed(
                                new FeedPosition(row.getString("store_id"), row.getLong("seq")), row.getLong("pruned")),
                        "SELECT store_id, seq, pruned FROM feed")
                .orElseThrow(() -> new SQLException("the row of feed is missing"));
    }

    private static long add(Connection connection, String kind, String name, Instant at) throws SQLException {
        long seq = Sql.first(connection, row -> row.getLong(1), "UPDATE feed SET seq = seq + 1 RETURNING seq")
                .orElseThrow(() -> new SQLException("the row of feed is missing"));
        Sql.update(
                connection,
                "INSERT INTO events (seq, at, kind, name) VALUES (?, ?, ?, ?)",
                seq,
                at.toEpochMilli(),
                kind,
                name);
        return seq;
    }

    private static FeedEvent read(ResultSet row) throws SQLException {
        long seq = row.getLong("seq");
        return row.getString("event_kind").equals(RECORD)
                ? new FeedEvent.SandboxChanged(seq, SandboxTable.read(row, "sandbox_name"))
                : new FeedEvent.Revoked(seq, RevocationTable.read(row));
    }
}
