package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.LineageTable.Row;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.SandboxRecord.State;
import io.sallyport.issuer.store.Succession.Kind;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;

/**
 * What a token is exchanged for: the rules of lineages, within one transaction that has the sandbox locked.
 *
 * <table>
 * <caption>A token of generation g, in a lineage whose newest is n</caption>
 * <tr><td>g = n</td><td>the next one, n + 1, which from then on is the newest</td></tr>
 * <tr><td>g = n − 1, within the grace</td><td>the newest again, the same to the byte</td></tr>
 * <tr><td>g = 0, later</td><td>the first of a new lineage, if the rules let a bootstrap token do that</td></tr>
 * <tr><td>g &lt; n otherwise</td><td>reuse: nothing, and what the rules say follows</td></tr>
 * <tr><td>g &gt; n</td><td>nothing: the database is older than the token (a backup, say)</td></tr>
 * </table>
 */
final class Lineages {
    private final RefreshRules rules;
    private final TokenDrafts drafts;
    private final Revocations revocations;

    Lineages(RefreshRules rules, TokenDrafts drafts, Revocations revocations) {
        this.rules = rules;
        this.drafts = drafts;
        this.revocations = revocations;
    }

    /** Opens a lineage with its bootstrap token. */
    Succession open(Connection connection, SandboxId sandbox, Optional<String> tokenFile, Instant at)
            throws SQLException {
        Optional<Succession> refusal = refusal(connection, sandbox);
        if (refusal.isPresent()) {
            return refusal.get();
        }
        TokenDraft first = draft(connection, sandbox, new Lineage(drafts.newLineage(), 0), at);
        if (isTainted(connection, first)) {
            return new Succession.KeyRevoked(first.keyId());
        }
        LineageTable.closeAllBut(connection, sandbox, rules.lineages() - 1, at);
        LineageTable.open(connection, sandbox, first, Optional.empty(), Optional.empty(), at);
        if (tokenFile.isPresent()) {
            TokenFileTable.insert(
                    connection, sandbox, tokenFile.get(), first.lineage().id());
        }
        return new Succession.Granted(Kind.OPENED, first);
    }

    /** What a token, known to be genuine, is exchanged for. */
    Succession refresh(Connection connection, SandboxClaims token, Instant at) throws SQLException {
        SandboxId sandbox = token.sandbox();
        Optional<Succession> refusal = refusal(connection, sandbox);
        if (refusal.isPresent()) {
            return refusal.get();
        }
        if (token.lineage().isEmpty()) {
            return new Succession.NoLineage("the token has no lineage");
        }
        Lineage place = token.lineage().get();
        Optional<Row> known = LineageTable.find(connection, sandbox, place.id());
        Optional<Subject> revoked = revocations.of(connection, token, known.flatMap(Row::origin));
        if (revoked.isPresent()) {
            return new Succession.Revoked(revoked.get());
        }
        if (rules.isOver(token.expiresAt(), at)) {
            return new Succession.TooOld();
        }
        if (known.isEmpty() && place.isAdopted()) {
            LineageTable.closeAllBut(connection, sandbox, rules.lineages() - 1, at);
            LineageTable.adopt(connection, token, place, at);
            known = LineageTable.find(connection, sandbox, place.id());
        }
        if (known.isEmpty() || known.get().closed()) {
            // A sandbox that was adopted is always younger than the token that made it known.
            if (!place.isAdopted() && isOlderThanItsSandbox(connection, token)) {
                return new Succession.NoLineage("the token was issued before its sandbox was registered here");
            }
            return place.generation() == 0
                    ? openAgain(
                            connection, token, place, known.map(Row::generation).orElse(0L), at)
                    : new Succession.NoLineage(
                            known.isEmpty()
                                    ? "no lineage " + place.id() + " of this sandbox"
                                    : "the lineage " + place.id() + " gave way to newer ones");
        }
        Row row = known.get();
        long age = row.generation() - place.generation();
        if (age < 0 || (age == 0 && !agree(row.token(), token))) {
            return new Succession.NoLineage("the database knows of no such token: it is older than the token");
        }
        if (age == 0) {
            return advance(connection, row, token, at);
        }
        if (age == 1 && isRepeat(row, token, at)) {
            return again(connection, row.successor().orElseThrow());
        }
        return place.generation() == 0
                ? openAgain(connection, token, place, row.generation(), at)
                : reused(connection, token, place, row.generation(), at);
    }

    private Succession advance(Connection connection, Row row, SandboxClaims token, Instant at) throws SQLException {
        TokenDraft next = draft(connection, row.sandbox(), new Lineage(row.id(), row.generation() + 1), at);
        if (isTainted(connection, next)) {
            return new Succession.KeyRevoked(next.keyId());
        }
        LineageTable.advance(connection, row.sandbox(), next, token.tokenId(), at);
        return new Succession.Granted(Kind.ADVANCED, next);
    }

    /** The same token once more: unless it was taken back itself, or the key it must be signed with. */
    private Succession again(Connection connection, TokenDraft successor) throws SQLException {
        Optional<Subject> revoked = RevocationTable.firstOf(
                connection, List.of(new Subject.Token(successor.tokenId()), new Subject.Key(successor.keyId())));
        return revoked.isPresent()
                ? new Succession.Revoked(revoked.get())
                : new Succession.Granted(Kind.REPEATED, successor);
    }

    /** A bootstrap token comes again, long after its first successor. */
    private Succession openAgain(Connection connection, SandboxClaims token, Lineage place, long newest, Instant at)
            throws SQLException {
        SandboxId sandbox = token.sandbox();
        Optional<Row> fork = LineageTable.newestOfOrigin(connection, sandbox, place.id());
        if (fork.isPresent() && fork.get().generation() == 1 && isRepeat(fork.get(), token, at)) {
            return again(connection, fork.get().successor().orElseThrow());
        }
        switch (rules.bootstrapReuse()) {
            case NEVER -> {
                return reused(connection, token, place, newest, at);
            }
            case UNTIL_EXPIRY -> {
                if (rules.hasEnded(token.expiresAt(), at)) {
                    return new Succession.TooOld();
                }
            }
            case RENEWAL_WINDOW -> {}
        }
        // At generation 1: at 0, its token would be a bootstrap token again.
        TokenDraft first = draft(connection, sandbox, new Lineage(drafts.newLineage(), 1), at);
        if (isTainted(connection, first)) {
            return new Succession.KeyRevoked(first.keyId());
        }
        LineageTable.closeAllBut(connection, sandbox, rules.lineages() - 1, at);
        LineageTable.open(connection, sandbox, first, Optional.of(place.id()), token.tokenId(), at);
        return new Succession.Granted(Kind.REOPENED, first);
    }

    private Succession reused(Connection connection, SandboxClaims token, Lineage place, long newest, Instant at)
            throws SQLException {
        String reason = "a token of lineage " + place.id() + " was used again";
        List<Revocation> revoked = switch (rules.onReuse()) {
            case REFUSE -> List.of();
            case REVOKE_LINEAGE -> revocations.add(connection, revocation(new Subject.Lineage(place.id()), reason, at));
            case REVOKE_SANDBOX ->
                revocations.add(connection, revocation(new Subject.Sandbox(token.sandbox()), reason, at));
        };
        return new Succession.Reused(place, newest, revoked);
    }

    private Revocation revocation(Subject subject, String reason, Instant at) {
        return new Revocation(subject, reason, at, rules.keptUntil(at));
    }

    /** An id that is registered in a new database must not come into what the same id was given in the one before. */
    private boolean isOlderThanItsSandbox(Connection connection, SandboxClaims token) throws SQLException {
        return SandboxTable.find(connection, token.sandbox())
                .filter(record -> token.issuedAt().plus(rules.leeway()).isBefore(record.created()))
                .isPresent();
    }

    private boolean isRepeat(Row row, SandboxClaims token, Instant at) {
        return row.successor().isPresent() && agree(row.consumed(), token) && rules.isWithinGrace(row.advanced(), at);
    }

    /** Rows of an earlier version of the program have no ids in them: there, the generation alone says. */
    private static boolean agree(Optional<String> known, SandboxClaims token) {
        return known.isEmpty() || known.equals(token.tokenId());
    }

    /** What a new token says, with a time that no revocation of its sandbox reaches. */
    private TokenDraft draft(Connection connection, SandboxId sandbox, Lineage place, Instant at) throws SQLException {
        Optional<Revocation> revoked = RevocationTable.find(connection, new Subject.Sandbox(sandbox));
        Instant earliest = revoked.map(revocation ->
                        revocation.at().truncatedTo(ChronoUnit.SECONDS).plusSeconds(1))
                .orElse(at);
        return drafts.draft(sandbox, place, earliest.isAfter(at) ? earliest : at);
    }

    private static boolean isTainted(Connection connection, TokenDraft draft) throws SQLException {
        return RevocationTable.find(connection, new Subject.Key(draft.keyId())).isPresent();
    }

    /** Why no token may be signed for a sandbox, if none may. */
    private static Optional<Succession> refusal(Connection connection, SandboxId id) throws SQLException {
        Optional<SandboxRecord> record = SandboxTable.find(connection, id);
        if (record.isEmpty()) {
            return Optional.of(new Succession.NoRecord());
        }
        return record.get().state() == State.ACTIVE
                ? Optional.empty()
                : Optional.of(new Succession.NotActive(record.get()));
    }
}
