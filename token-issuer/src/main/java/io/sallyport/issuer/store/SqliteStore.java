package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.SandboxRecord.Source;
import io.sallyport.issuer.store.SandboxRecord.State;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The store in one SQLite file.
 *
 * <p>Every write is a transaction that began with {@code BEGIN IMMEDIATE}, so that what it read is still true when it
 * commits, and commits with {@code synchronous=FULL}, so that what was acknowledged outlives a power cut. See
 * {@link SqliteConnections} for who holds which connection.
 */
public final class SqliteStore implements SandboxStore {
    private static final Duration PATIENCE = Duration.ofSeconds(2);
    private static final int PROBE_BYTES = 32 * 1024;

    private final SqliteConnections connections;

    private SqliteStore(SqliteConnections connections) {
        this.connections = connections;
    }

    /**
     * Opens the file, creating and migrating it as needed.
     *
     * @throws IOException with the file and the remedy when it cannot be used
     */
    public static SqliteStore open(Path file) throws IOException {
        return open(file, PATIENCE);
    }

    /** @param patience how long a read or a write waits for others */
    static SqliteStore open(Path file, Duration patience) throws IOException {
        return new SqliteStore(SqliteConnections.open(file, patience));
    }

    @Override
    public Registration register(SandboxId id, SandboxName name, Source source, Instant at)
            throws StoreUnavailableException {
        return connections.write(connection -> {
            Optional<SandboxRecord> known = select(connection, id);
            if (known.isPresent()) {
                SandboxRecord record = known.get();
                if (record.state() == State.DELETED) {
                    return new Registration.IdDeleted(record);
                }
                return record.name().equals(name)
                        ? new Registration.Registered(record)
                        : new Registration.IdTaken(record);
            }
            Optional<SandboxRecord> holder = selectLiving(connection, name);
            if (holder.isPresent()) {
                return new Registration.NameTaken(holder.get());
            }
            Optional<SandboxRecord> before = selectDeleted(connection, name, at.minus(NAME_REST));
            if (before.isPresent()) {
                return new Registration.NameResting(before.get());
            }
            Instant created = Instant.ofEpochMilli(at.toEpochMilli());
            try (PreparedStatement insert = connection.prepareStatement(
                    "INSERT INTO sandboxes (id, workspace, name, state, source, created) VALUES (?, ?, ?, ?, ?, ?)")) {
                insert.setString(1, id.value());
                insert.setString(2, name.workspace());
                insert.setString(3, name.name());
                insert.setString(4, spelling(State.ACTIVE));
                insert.setString(5, spelling(source));
                insert.setLong(6, created.toEpochMilli());
                insert.executeUpdate();
            }
            return new Registration.Registered(
                    new SandboxRecord(id, name, State.ACTIVE, source, created, Optional.empty()));
        });
    }

    @Override
    public Optional<SandboxRecord> find(SandboxId id) throws StoreUnavailableException {
        return connections.read(connection -> select(connection, id));
    }

    @Override
    public Optional<SandboxRecord> delete(SandboxId id, Instant at) throws StoreUnavailableException {
        return connections.write(connection -> {
            // Not an update that also matches tombstones: the first deletion's time stays.
            try (PreparedStatement update = connection.prepareStatement(
                    "UPDATE sandboxes SET state = ?, deleted = ? WHERE id = ? AND state <> ?")) {
                update.setString(1, spelling(State.DELETED));
                update.setLong(2, at.toEpochMilli());
                update.setString(3, id.value());
                update.setString(4, spelling(State.DELETED));
                update.executeUpdate();
            }
            return select(connection, id);
        });
    }

    @Override
    public List<SandboxRecord> list(Optional<SandboxId> after, int limit, boolean includeDeleted)
            throws StoreUnavailableException {
        return connections.read(connection -> {
            try (PreparedStatement query = connection.prepareStatement(
                    "SELECT id, workspace, name, state, source, created, deleted FROM sandboxes"
                            + " WHERE id > ? AND (state <> ? OR ?) ORDER BY id LIMIT ?")) {
                query.setString(1, after.map(SandboxId::value).orElse(""));
                query.setString(2, spelling(State.DELETED));
                query.setBoolean(3, includeDeleted);
                query.setInt(4, limit);
                List<SandboxRecord> page = new ArrayList<>();
                try (ResultSet rows = query.executeQuery()) {
                    while (rows.next()) {
                        page.add(record(rows));
                    }
                }
                return List.copyOf(page);
            }
        });
    }

    @Override
    public Succession openLineage(SandboxId id, String lineage, Optional<String> tokenFile, Instant at)
            throws StoreUnavailableException {
        return connections.write(connection -> {
            Optional<Succession> refusal = refusal(connection, id);
            if (refusal.isPresent()) {
                return refusal.get();
            }
            try (PreparedStatement insert = connection.prepareStatement(
                    "INSERT INTO lineages (id, sandbox, generation, opened, advanced) VALUES (?, ?, 0, ?, ?)")) {
                insert.setString(1, lineage);
                insert.setString(2, id.value());
                insert.setLong(3, at.toEpochMilli());
                insert.setLong(4, at.toEpochMilli());
                insert.executeUpdate();
            }
            if (tokenFile.isPresent()) {
                try (PreparedStatement insert = connection.prepareStatement(
                        "INSERT INTO token_files (sandbox, path, lineage) VALUES (?, ?, ?)")) {
                    insert.setString(1, id.value());
                    insert.setString(2, tokenFile.get());
                    insert.setString(3, lineage);
                    insert.executeUpdate();
                }
            }
            return new Succession.Granted(new Lineage(lineage, 0));
        });
    }

    @Override
    public Succession advanceLineage(SandboxId id, String lineage, Instant at) throws StoreUnavailableException {
        return connections.write(connection -> {
            Optional<Succession> refusal = refusal(connection, id);
            if (refusal.isPresent()) {
                return refusal.get();
            }
            try (PreparedStatement update = connection.prepareStatement(
                    "UPDATE lineages SET generation = generation + 1, advanced = ? WHERE id = ? AND sandbox = ?"
                            + " RETURNING generation")) {
                update.setLong(1, at.toEpochMilli());
                update.setString(2, lineage);
                update.setString(3, id.value());
                try (ResultSet row = update.executeQuery()) {
                    return row.next()
                            ? new Succession.Granted(new Lineage(lineage, row.getLong(1)))
                            : new Succession.NoLineage();
                }
            }
        });
    }

    @Override
    public List<TokenFile> tokenFiles(SandboxId id) throws StoreUnavailableException {
        return connections.read(connection -> {
            try (PreparedStatement query = connection.prepareStatement(
                    "SELECT path, lineage FROM token_files WHERE sandbox = ? ORDER BY path, lineage")) {
                query.setString(1, id.value());
                List<TokenFile> files = new ArrayList<>();
                try (ResultSet rows = query.executeQuery()) {
                    while (rows.next()) {
                        files.add(new TokenFile(rows.getString(1), rows.getString(2)));
                    }
                }
                return List.copyOf(files);
            }
        });
    }

    @Override
    public void probe(Instant at) throws StoreUnavailableException {
        connections.write(connection -> {
            try (PreparedStatement upsert =
                    connection.prepareStatement("INSERT INTO probes (id, at, padding) VALUES (1, ?, randomblob(?))"
                            + " ON CONFLICT (id) DO UPDATE SET at = excluded.at, padding = excluded.padding")) {
                upsert.setLong(1, at.toEpochMilli());
                upsert.setInt(2, PROBE_BYTES);
                return upsert.executeUpdate();
            }
        });
    }

    @Override
    public void close() {
        connections.close();
    }

    /** For tests that look at, or change, what no method of the store would. */
    SqliteConnections connections() {
        return connections;
    }

    /** Why no token may be signed for a sandbox, if none may. */
    private static Optional<Succession> refusal(Connection connection, SandboxId id) throws SQLException {
        Optional<SandboxRecord> record = select(connection, id);
        if (record.isEmpty()) {
            return Optional.of(new Succession.NoRecord());
        }
        return record.get().state() == State.ACTIVE
                ? Optional.empty()
                : Optional.of(new Succession.NotActive(record.get()));
    }

    private static Optional<SandboxRecord> select(Connection connection, SandboxId id) throws SQLException {
        try (PreparedStatement query = connection.prepareStatement(
                "SELECT id, workspace, name, state, source, created, deleted FROM sandboxes WHERE id = ?")) {
            query.setString(1, id.value());
            try (ResultSet row = query.executeQuery()) {
                return row.next() ? Optional.of(record(row)) : Optional.empty();
            }
        }
    }

    private static Optional<SandboxRecord> selectLiving(Connection connection, SandboxName name) throws SQLException {
        try (PreparedStatement query =
                connection.prepareStatement("SELECT id, workspace, name, state, source, created, deleted FROM sandboxes"
                        + " WHERE workspace = ? AND name = ? AND state <> 'deleted'")) {
            query.setString(1, name.workspace());
            query.setString(2, name.name());
            try (ResultSet row = query.executeQuery()) {
                return row.next() ? Optional.of(record(row)) : Optional.empty();
            }
        }
    }

    /** Who had the name last, if that ended after a moment. */
    private static Optional<SandboxRecord> selectDeleted(Connection connection, SandboxName name, Instant after)
            throws SQLException {
        try (PreparedStatement query =
                connection.prepareStatement("SELECT id, workspace, name, state, source, created, deleted FROM sandboxes"
                        + " WHERE workspace = ? AND name = ? AND state = 'deleted' AND deleted > ?"
                        + " ORDER BY deleted DESC LIMIT 1")) {
            query.setString(1, name.workspace());
            query.setString(2, name.name());
            query.setLong(3, after.toEpochMilli());
            try (ResultSet row = query.executeQuery()) {
                return row.next() ? Optional.of(record(row)) : Optional.empty();
            }
        }
    }

    private static SandboxRecord record(ResultSet row) throws SQLException {
        long deleted = row.getLong("deleted");
        boolean living = row.wasNull();
        return new SandboxRecord(
                new SandboxId(row.getString("id")),
                new SandboxName(row.getString("workspace"), row.getString("name")),
                State.valueOf(row.getString("state").toUpperCase(Locale.ROOT)),
                Source.valueOf(row.getString("source").toUpperCase(Locale.ROOT)),
                Instant.ofEpochMilli(row.getLong("created")),
                living ? Optional.empty() : Optional.of(Instant.ofEpochMilli(deleted)));
    }

    private static String spelling(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
