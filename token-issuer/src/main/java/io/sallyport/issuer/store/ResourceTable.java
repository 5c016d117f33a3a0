package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.MirroredSandbox.Resource;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;

/** The table {@code resources}: which resource each living sandbox of source {@code kubernetes} is mirrored from. */
final class ResourceTable {
    private static final String MIRRORED = "SELECT sandboxes.id AS id, sandboxes.workspace AS workspace,"
            + " sandboxes.name AS sandbox_name, namespace, resources.name AS name, uid"
            + " FROM resources JOIN sandboxes ON sandboxes.id = resources.sandbox";

    private ResourceTable() {}

    static void insert(Connection connection, SandboxId sandbox, Resource resource) throws SQLException {
        Sql.update(
                connection,
                "INSERT INTO resources (sandbox, namespace, name, uid) VALUES (?, ?, ?, ?)",
                sandbox.value(),
                resource.namespace(),
                resource.name(),
                resource.uid());
    }

    static void remove(Connection connection, SandboxId sandbox) throws SQLException {
        Sql.update(connection, "DELETE FROM resources WHERE sandbox = ?", sandbox.value());
    }

    static Optional<Resource> find(Connection connection, SandboxId sandbox) throws SQLException {
        return Sql.first(
                connection,
                ResourceTable::resource,
                "SELECT namespace, name, uid FROM resources WHERE sandbox = ?",
                sandbox.value());
    }

    /** What is mirrored from resources of this name; several while one took the place of another. */
    static List<MirroredSandbox> named(Connection connection, String namespace, String name) throws SQLException {
        return Sql.list(
                connection,
                ResourceTable::mirrored,
                MIRRORED + " WHERE namespace = ? AND resources.name = ? ORDER BY id",
                namespace,
                name);
    }

    /** In the order of the sandboxes' ids. */
    static List<MirroredSandbox> list(Connection connection, Optional<SandboxId> after, int limit) throws SQLException {
        return Sql.list(
                connection,
                ResourceTable::mirrored,
                MIRRORED + " WHERE resources.sandbox > ? ORDER BY resources.sandbox LIMIT ?",
                after.map(SandboxId::value).orElse(""),
                limit);
    }

    private static MirroredSandbox mirrored(ResultSet row) throws SQLException {
        return new MirroredSandbox(
                new SandboxId(row.getString("id")), SandboxTable.name(row, "sandbox_name"), resource(row));
    }

    private static Resource resource(ResultSet row) throws SQLException {
        return new Resource(row.getString("namespace"), row.getString("name"), row.getString("uid"));
    }
}
