package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** The table {@code lineages}: one row for each chain of tokens that goes on, or went on until not long ago. */
final class LineageTable {
    private static final String COLUMNS =
            "id, sandbox, generation, opened, advanced, token, consumed, signing_input, key_id, expires, origin, closed";

    private LineageTable() {}

    /**
     * One lineage.
     *
     * @param generation of the newest token
     * @param token {@code jti} of the newest token; empty where an earlier version of the program made it
     * @param consumed {@code jti} of the token that was given for the newest
     * @param successor the newest token, where it was given for another one
     * @param keyId {@code kid} of what signed the newest token; empty where an earlier version of the program made it
     * @param expires {@code exp} of the newest token; empty when it has none, or an earlier version of the program made it
     * @param origin the lineage whose bootstrap token opened this one, if one did
     * @param closed whether it had to give way to newer ones
     */
    record Row(
            String id,
            SandboxId sandbox,
            long generation,
            Instant advanced,
            Optional<String> token,
            Optional<String> consumed,
            Optional<TokenDraft> successor,
            Optional<String> keyId,
            Optional<Instant> expires,
            Optional<String> origin,
            boolean closed) {}

    static Optional<Row> find(Connection connection, SandboxId sandbox, String id) throws SQLException {
        return Sql.first(
                connection,
                LineageTable::read,
                "SELECT " + COLUMNS + " FROM lineages WHERE id = ? AND sandbox = ?",
                id,
                sandbox.value());
    }

    /** The newest of the lineages that a bootstrap token opened since it was consumed, of those that go on. */
    static Optional<Row> newestOfOrigin(Connection connection, SandboxId sandbox, String origin) throws SQLException {
        return Sql.first(
                connection,
                LineageTable::read,
                "SELECT " + COLUMNS + " FROM lineages WHERE origin = ? AND sandbox = ? AND closed IS NULL"
                        + " ORDER BY opened DESC, id LIMIT 1",
                origin,
                sandbox.value());
    }

    /** The lineage and those that its bootstrap token opened. */
    static List<Row> family(Connection connection, SandboxId sandbox, String id) throws SQLException {
        return Sql.list(
                connection,
                LineageTable::read,
                "SELECT " + COLUMNS + " FROM lineages WHERE sandbox = ? AND (id = ? OR origin = ?)",
                sandbox.value(),
                id,
                id);
    }

    /** The lineage's and those of the lineages that its bootstrap token opened; empty if there are none any more. */
    static List<String> idsOfFamily(Connection connection, String id) throws SQLException {
        return Sql.list(
                connection, row -> row.getString(1), "SELECT id FROM lineages WHERE id = ? OR origin = ?", id, id);
    }

    /** Whose it is, or was. */
    static Optional<SandboxId> sandboxOf(Connection connection, String id) throws SQLException {
        return Sql.first(
                connection,
                row -> new SandboxId(row.getString(1)),
                "SELECT sandbox FROM lineages WHERE id = ? OR origin = ? LIMIT 1",
                id,
                id);
    }

    /** When a lineage of the sandbox moved last. */
    static Optional<Instant> lastAdvance(Connection connection, SandboxId sandbox) throws SQLException {
        return Sql.first(
                        connection,
                        row -> Sql.time(row, "newest"),
                        "SELECT max(advanced) AS newest FROM lineages WHERE sandbox = ?",
                        sandbox.value())
                .flatMap(newest -> newest);
    }

    /** @param consumed {@code jti} of the bootstrap token that opened it once more, if one did, and its lineage */
    static void open(
            Connection connection,
            SandboxId sandbox,
            TokenDraft first,
            Optional<String> origin,
            Optional<String> consumed,
            Instant at)
            throws SQLException {
        Sql.update(
                connection,
                "INSERT INTO lineages (" + COLUMNS + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                first.lineage().id(),
                sandbox.value(),
                first.lineage().generation(),
                at.toEpochMilli(),
                at.toEpochMilli(),
                first.tokenId(),
                consumed.orElse(null),
                origin.isPresent() ? first.signingInput() : null,
                first.keyId(),
                first.expires().toEpochMilli(),
                origin.orElse(null));
    }

    /** Opens the lineage of a token that an unchanged gateway minted, with that token as its bootstrap token. */
    static void adopt(Connection connection, SandboxClaims token, Lineage place, Instant at) throws SQLException {
        Sql.update(
                connection,
                "INSERT INTO lineages (id, sandbox, generation, opened, advanced, token, key_id, expires)"
                        + " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                place.id(),
                token.sandbox().value(),
                place.generation(),
                at.toEpochMilli(),
                at.toEpochMilli(),
                token.tokenId().orElse(null),
                token.keyId(),
                token.expiresAt().equals(Instant.MAX) ? null : token.expiresAt().toEpochMilli());
    }

    /** Moves a lineage forward by one: from just the generation before the successor's. */
    static void advance(
            Connection connection, SandboxId sandbox, TokenDraft successor, Optional<String> consumed, Instant at)
            throws SQLException {
        int moved = Sql.update(
                connection,
                "UPDATE lineages SET generation = ?, advanced = ?, token = ?, consumed = ?, signing_input = ?,"
                        + " key_id = ?, expires = ?"
                        + " WHERE id = ? AND sandbox = ? AND generation = ? AND closed IS NULL",
                successor.lineage().generation(),
                at.toEpochMilli(),
                successor.tokenId(),
                consumed.orElse(null),
                successor.signingInput(),
                successor.keyId(),
                successor.expires().toEpochMilli(),
                successor.lineage().id(),
                sandbox.value(),
                successor.lineage().generation() - 1);
        if (moved != 1) {
            throw new SQLException("the lineage " + successor.lineage().id() + " moved while its sandbox was locked");
        }
    }

    /** Closes all but the few of a sandbox's lineages that moved last. */
    static void closeAllBut(Connection connection, SandboxId sandbox, int few, Instant at) throws SQLException {
        Sql.update(
                connection,
                "UPDATE lineages SET closed = ? WHERE id IN (SELECT id FROM lineages"
                        + " WHERE sandbox = ? AND closed IS NULL ORDER BY advanced DESC, opened DESC, id"
                        + " LIMIT 1000000 OFFSET ?)",
                at.toEpochMilli(),
                sandbox.value(),
                few);
    }

    /**
     * Removes rows that say nothing any more; how many, at most as many as asked for.
     *
     * <p>A token that an unchanged gateway minted opens its lineage where there is none: as long as it could be renewed
     * itself, its row says that it has been used.
     */
    static int prune(Connection connection, RefreshRules rules, Instant at, int limit) throws SQLException {
        Duration ended = rules.leeway().multipliedBy(2);
        long accepted = at.minus(ended).toEpochMilli();
        long renewed = at.minus(ended).minus(rules.renewalWindow()).toEpochMilli();
        return Sql.update(
                connection,
                "DELETE FROM lineages WHERE id IN (SELECT id FROM lineages"
                        + " WHERE COALESCE(expires, advanced + ?) < CASE WHEN closed IS NULL THEN ? ELSE ? END"
                        + " AND (id NOT LIKE ? OR opened + ? < ?) LIMIT ?)",
                rules.maxLifetime().toMillis(),
                renewed,
                accepted,
                Lineage.ADOPTED + "%",
                rules.maxLifetime().toMillis(),
                rules.endless() ? 0 : renewed,
                limit);
    }

    private static Row read(ResultSet row) throws SQLException {
        String id = row.getString("id");
        long generation = row.getLong("generation");
        Optional<String> token = Optional.ofNullable(row.getString("token"));
        Optional<String> signingInput = Optional.ofNullable(row.getString("signing_input"));
        Optional<TokenDraft> successor = Optional.empty();
        if (token.isPresent() && signingInput.isPresent()) {
            successor = Optional.of(new TokenDraft(
                    token.get(),
                    new Lineage(id, generation),
                    Instant.ofEpochMilli(row.getLong("expires")),
                    row.getString("key_id"),
                    signingInput.get()));
        }
        row.getLong("closed");
        boolean closed = !row.wasNull();
        return new Row(
                id,
                new SandboxId(row.getString("sandbox")),
                generation,
                Instant.ofEpochMilli(row.getLong("advanced")),
                token,
                Optional.ofNullable(row.getString("consumed")),
                successor,
                Optional.ofNullable(row.getString("key_id")),
                Sql.time(row, "expires"),
                Optional.ofNullable(row.getString("origin")),
                closed);
    }
}
