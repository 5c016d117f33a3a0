package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Optional;

/** The table {@code former_names}: what living sandboxes were called until a moment ago. */
final class FormerNameTable {
    private FormerNameTable() {}

    /**
     * Who gave a name up last.
     *
     * @param until when
     * @param version the event that says so
     */
    record Former(SandboxId sandbox, Instant until, long version) {}

    static void put(Connection connection, SandboxName name, Former former) throws SQLException {
        Sql.update(
                connection,
                "INSERT INTO former_names (workspace, name, sandbox, until, version) VALUES (?, ?, ?, ?, ?)"
                        + " ON CONFLICT (workspace, name) DO UPDATE SET"
                        + " sandbox = excluded.sandbox, until = excluded.until, version = excluded.version",
                name.workspace(),
                name.name(),
                former.sandbox().value(),
                former.until().toEpochMilli(),
                former.version());
    }

    static Optional<Former> find(Connection connection, SandboxName name) throws SQLException {
        return Sql.first(
                connection,
                row -> new Former(
                        new SandboxId(row.getString("sandbox")),
                        Instant.ofEpochMilli(row.getLong("until")),
                        row.getLong("version")),
                "SELECT sandbox, until, version FROM former_names WHERE workspace = ? AND name = ?",
                name.workspace(),
                name.name());
    }

    /** Forgets those that were given up before then; how many, at most as many as asked for. */
    static int prune(Connection connection, Instant before, int limit) throws SQLException {
        return Sql.update(
                connection,
                "DELETE FROM former_names WHERE (workspace, name) IN"
                        + " (SELECT workspace, name FROM former_names WHERE until < ? LIMIT ?)",
                before.toEpochMilli(),
                limit);
    }
}
