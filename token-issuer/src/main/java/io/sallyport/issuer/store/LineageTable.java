package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.OptionalLong;

/** The table {@code lineages}: one row for each chain of tokens that can still go on. */
final class LineageTable {
    private LineageTable() {}

    static void open(Connection connection, SandboxId sandbox, String lineage, Instant at) throws SQLException {
        Sql.update(
                connection,
                "INSERT INTO lineages (id, sandbox, generation, opened, advanced) VALUES (?, ?, 0, ?, ?)",
                lineage,
                sandbox.value(),
                at.toEpochMilli(),
                at.toEpochMilli());
    }

    /** The generation it has now; empty if the sandbox has no such lineage. */
    static OptionalLong advance(Connection connection, SandboxId sandbox, String lineage, Instant at)
            throws SQLException {
        return Sql.first(
                        connection,
                        row -> OptionalLong.of(row.getLong(1)),
                        "UPDATE lineages SET generation = generation + 1, advanced = ? WHERE id = ? AND sandbox = ?"
                                + " RETURNING generation",
                        at.toEpochMilli(),
                        lineage,
                        sandbox.value())
                .orElse(OptionalLong.empty());
    }
}
