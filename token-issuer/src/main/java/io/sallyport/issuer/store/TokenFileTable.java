package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;

/** The table {@code token_files}: where tokens were to be written, and never a token. */
final class TokenFileTable {
    private TokenFileTable() {}

    static void insert(Connection connection, SandboxId sandbox, String path, String lineage) throws SQLException {
        Sql.update(
                connection,
                "INSERT INTO token_files (sandbox, path, lineage) VALUES (?, ?, ?)",
                sandbox.value(),
                path,
                lineage);
    }

    /** In the order of their paths. */
    static List<TokenFile> list(Connection connection, SandboxId sandbox) throws SQLException {
        return Sql.list(
                connection,
                row -> new TokenFile(row.getString("path"), row.getString("lineage")),
                "SELECT path, lineage FROM token_files WHERE sandbox = ? ORDER BY path, lineage",
                sandbox.value());
    }
}
