package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.LineageTable.Row;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.SandboxRecord.State;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * Whether somebody who holds a token of a lineage goes on: the token itself may have ended, its successor has not.
 *
 * @param newest the token by which its holder goes on: the newest that is not taken back; empty when all are
 */
public record LineageLife(Optional<Newest> newest) {
    private static final LineageLife OVER = new LineageLife(Optional.empty());

    public LineageLife {
        Objects.requireNonNull(newest, "newest is null");
    }

    /**
     * A lineage's newest token.
     *
     * @param lineage {@code lin}
     * @param tokenId {@code jti}; empty where an earlier version of the program made it
     * @param keyId {@code kid}; empty where an earlier version of the program made it
     * @param ends {@code exp}; empty when it has none
     */
    public record Newest(String lineage, Optional<String> tokenId, Optional<String> keyId, Optional<Instant> ends) {
        public Newest {
            Objects.requireNonNull(lineage, "lineage is null");
            Objects.requireNonNull(tokenId, "tokenId is null");
            Objects.requireNonNull(keyId, "keyId is null");
            Objects.requireNonNull(ends, "ends is null");
        }

        private boolean outlives(Newest other) {
            return ends.orElse(Instant.MAX).isAfter(other.ends.orElse(Instant.MAX));
        }
    }

    /**
     * Of a token's lineage. A bootstrap token has several: after a restart its holder may go on in one that it opened
     * again, while the first one ends.
     *
     * @return empty when the sandbox has no such lineage
     */
    static Optional<LineageLife> of(Connection connection, SandboxId sandbox, Lineage place, RefreshRules rules)
            throws SQLException {
        Optional<SandboxRecord> record = SandboxTable.find(connection, sandbox);
        List<Row> rows = place.generation() == 0
                ? LineageTable.family(connection, sandbox, place.id())
                : LineageTable.find(connection, sandbox, place.id()).stream().toList();
        if (record.isEmpty() || rows.isEmpty()) {
            return Optional.empty();
        }
        if (record.get().state() != State.ACTIVE) {
            return Optional.of(OVER);
        }
        Optional<Revocation> ofSandbox = RevocationTable.find(connection, new Subject.Sandbox(sandbox));
        Optional<Newest> last = Optional.empty();
        for (Row row : rows) {
            if (!isRevoked(connection, row, ofSandbox)) {
                Newest its = new Newest(row.id(), row.token(), row.keyId(), ends(row, rules));
                last = last.filter(known -> !its.outlives(known)).or(() -> Optional.of(its));
            }
        }
        return Optional.of(new LineageLife(last));
    }

    private static boolean isRevoked(Connection connection, Row row, Optional<Revocation> ofSandbox)
            throws SQLException {
        List<Subject> subjects = new ArrayList<>();
        subjects.add(new Subject.Lineage(row.id()));
        row.origin().map(Subject.Lineage::new).ifPresent(subjects::add);
        row.token().map(Subject.Token::new).ifPresent(subjects::add);
        row.keyId().map(Subject.Key::new).ifPresent(subjects::add);
        // Its sandbox was revoked after the newest token was made. One that is made after that is made to be out of the
        // revocation's reach, even within the same second, and a revocation reaches at least as far as all that was
        // made.
        return RevocationTable.firstOf(connection, subjects).isPresent()
                || ofSandbox
                        .filter(revocation -> !row.advanced().isAfter(revocation.at()))
                        .isPresent();
    }

    private static Optional<Instant> ends(Row row, RefreshRules rules) {
        if (row.expires().isPresent()) {
            return row.expires();
        }
        boolean hasNone = row.generation() == 0 && new Lineage(row.id(), 0).isAdopted();
        return hasNone ? Optional.empty() : Optional.of(row.advanced().plus(rules.maxLifetime()));
    }
}
