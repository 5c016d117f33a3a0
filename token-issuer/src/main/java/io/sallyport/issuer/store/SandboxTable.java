package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.SandboxRecord.Source;
import io.sallyport.issuer.store.SandboxRecord.State;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The table {@code sandboxes}: one row for each sandbox there ever was. */
final class SandboxTable {
    private static final String COLUMNS = "id, workspace, name, state, source, created, deleted, version";

    private SandboxTable() {}

    static Optional<SandboxRecord> find(Connection connection, SandboxId id) throws SQLException {
        return Sql.first(
                connection, SandboxTable::read, "SELECT " + COLUMNS + " FROM sandboxes WHERE id = ?", id.value());
    }

    static Optional<SandboxRecord> findLiving(Connection connection, SandboxName name) throws SQLException {
        return Sql.first(
                connection,
                SandboxTable::read,
                "SELECT " + COLUMNS + " FROM sandboxes WHERE workspace = ? AND name = ? AND state <> 'deleted'",
                name.workspace(),
                name.name());
    }

    /** Who had the name last, if that ended after a moment. */
    static Optional<SandboxRecord> findDeleted(Connection connection, SandboxName name, Instant after)
            throws SQLException {
        return Sql.first(
                connection,
                SandboxTable::read,
                "SELECT " + COLUMNS + " FROM sandboxes"
                        + " WHERE workspace = ? AND name = ? AND state = 'deleted' AND deleted > ?"
                        + " ORDER BY version DESC LIMIT 1",
                name.workspace(),
                name.name(),
                after.toEpochMilli());
    }

    static List<SandboxRecord> list(Connection connection, Optional<SandboxId> after, int limit, boolean includeDeleted)
            throws SQLException {
        return Sql.list(
                connection,
                SandboxTable::read,
                "SELECT " + COLUMNS + " FROM sandboxes WHERE id > ?"
                        + (includeDeleted ? "" : " AND state <> 'deleted'")
                        + " ORDER BY id LIMIT ?",
                after.map(SandboxId::value).orElse(""),
                limit);
    }

    /** Whether there was room for it: neither its id nor its name is another's. Waits for transactions that may say. */
    static boolean insert(Connection connection, SandboxId id, Optional<SandboxName> name, Source source, Instant at)
            throws SQLException {
        return Sql.update(
                        connection,
                        "INSERT INTO sandboxes (id, workspace, name, state, source, created, version)"
                                + " VALUES (?, ?, ?, 'active', ?, ?, 0) ON CONFLICT DO NOTHING",
                        id.value(),
                        name.map(SandboxName::workspace).orElse(null),
                        name.map(SandboxName::name).orElse(null),
                        spelling(source),
                        at.toEpochMilli())
                == 1;
    }

    /** Of a sandbox that is not deleted. */
    static void setName(Connection connection, SandboxId id, Optional<SandboxName> name, long version)
            throws SQLException {
        Sql.update(
                connection,
                "UPDATE sandboxes SET workspace = ?, name = ?, version = ? WHERE id = ?",
                name.map(SandboxName::workspace).orElse(null),
                name.map(SandboxName::name).orElse(null),
                version,
                id.value());
    }

    static void setVersion(Connection connection, SandboxId id, long version) throws SQLException {
        Sql.update(connection, "UPDATE sandboxes SET version = ? WHERE id = ?", version, id.value());
    }

    /** Of a sandbox that is not deleted. */
    static void setState(Connection connection, SandboxId id, State state, long version) throws SQLException {
        Sql.update(
                connection,
                "UPDATE sandboxes SET state = ?, version = ? WHERE id = ?",
                spelling(state),
                version,
                id.value());
    }

    /** A sandbox that is not deleted yet: the first deletion's time stays. */
    static void setDeleted(Connection connection, SandboxId id, Instant at, long version) throws SQLException {
        Sql.update(
                connection,
                "UPDATE sandboxes SET state = 'deleted', deleted = ?, version = ? WHERE id = ?",
                at.toEpochMilli(),
                version,
                id.value());
    }

    private static SandboxRecord read(ResultSet row) throws SQLException {
        return read(row, "name");
    }

    /**
     * The record in a row.
     *
     * @param nameColumn what the sandbox's name is called there
     */
    static SandboxRecord read(ResultSet row, String nameColumn) throws SQLException {
        return new SandboxRecord(
                new SandboxId(row.getString("id")),
                name(row, nameColumn),
                State.valueOf(row.getString("state").toUpperCase(Locale.ROOT)),
                Source.valueOf(row.getString("source").toUpperCase(Locale.ROOT)),
                Instant.ofEpochMilli(row.getLong("created")),
                Sql.time(row, "deleted"),
                row.getLong("version"));
    }

    static Optional<SandboxName> name(ResultSet row, String nameColumn) throws SQLException {
        return row.getString(nameColumn) == null
                ? Optional.empty()
                : Optional.of(new SandboxName(row.getString("workspace"), row.getString(nameColumn)));
    }

    private static String spelling(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
