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
 * @param ends {@code exp} of the newest token that is not taken back; empty when it has none, and when all are taken back
 * @param revoked whether the newest can be neither used nor renewed
 */
public record LineageLife(Optional<Instant> ends, boolean revoked) {
    private static final LineageLife OVER = new LineageLife(Optional.empty(), true);

    public LineageLife {
        Objects.requireNonNull(ends, "ends is null");
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
        LineageLife life = OVER;
        for (Row row : rows) {
            if (!isRevoked(connection, row, ofSandbox)) {
                Optional<Instant> ends = ends(row, rules);
                life = life.revoked() || later(ends, life.ends()) ? new LineageLife(ends, false) : life;
            }
        }
        return Optional.of(life);
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

    private static boolean later(Optional<Instant> one, Optional<Instant> other) {
        return one.orElse(Instant.MAX).isAfter(other.orElse(Instant.MAX));
    }
}
