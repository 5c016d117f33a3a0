package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.Revocation.Subject;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Taking back, and asking whether something was taken back: within one transaction. */
final class Revocations {
    private final Database database;

    Revocations(Database database) {
        this.database = database;
    }

    /** What of a token was taken back, if anything was: itself, its lineage or that one's origin, its sandbox, its key. */
    Optional<Subject> of(Connection connection, SandboxClaims token, Optional<String> origin) throws SQLException {
        List<Subject> subjects = new ArrayList<>();
        token.tokenId().map(Subject.Token::new).ifPresent(subjects::add);
        token.lineage().map(Lineage::id).map(Subject.Lineage::new).ifPresent(subjects::add);
        origin.map(Subject.Lineage::new).ifPresent(subjects::add);
        subjects.add(new Subject.Key(token.keyId()));
        Optional<Subject> revoked = RevocationTable.firstOf(connection, subjects);
        if (revoked.isPresent()) {
            return revoked;
        }
        Subject sandbox = new Subject.Sandbox(token.sandbox());
        return RevocationTable.find(connection, sandbox)
                .filter(revocation -> reaches(revocation, token.issuedAt()))
                .map(Revocation::subject);
    }

    /** Whether a revocation of a sandbox takes back a token that was issued then. Tokens count whole seconds. */
    static boolean reaches(Revocation revocation, Instant issuedAt) {
        return issuedAt.getEpochSecond() <= revocation.at().getEpochSecond();
    }

    /**
     * Takes something back, a lineage with those that its bootstrap token opened, a sandbox with the newest of what it
     * was given. The sandbox that it is about is locked.
     *
     * @return the revocations as they are now, the one asked for first
     */
    List<Revocation> add(Connection connection, Revocation revocation) throws SQLException {
        return switch (revocation.subject()) {
            case Subject.Sandbox(SandboxId id) -> List.of(addSandbox(connection, id, revocation));
            case Subject.Lineage(String lineage) -> {
                List<Revocation> all = new ArrayList<>();
                all.add(addOnce(connection, revocation));
                for (String each : LineageTable.idsOfFamily(connection, lineage)) {
                    if (!each.equals(lineage)) {
                        all.add(addOnce(
                                connection,
                                new Revocation(
                                        new Subject.Lineage(each),
                                        revocation.reason(),
                                        revocation.at(),
                                        revocation.until())));
                    }
                }
                yield all;
            }
            case Subject.Token _, Subject.Key _ -> List.of(addOnce(connection, revocation));
        };
    }

    private Revocation addOnce(Connection connection, Revocation revocation) throws SQLException {
        if (RevocationTable.insert(connection, revocation)) {
            published(connection, revocation);
        }
        return found(connection, revocation.subject());
    }

    /**
     * A sandbox can be revoked again and again, each time with what it was given in the meantime: even by a replica whose
     * clock is late, and even within one second.
     */
    private Revocation addSandbox(Connection connection, SandboxId id, Revocation wanted) throws SQLException {
        Optional<Revocation> known = RevocationTable.find(connection, wanted.subject());
        Instant reach = LineageTable.lastAdvance(connection, id)
                .filter(wanted.at()::isBefore)
                .orElse(wanted.at());
        if (known.isPresent() && reaches(known.get(), reach)) {
            reach = known.get().at().truncatedTo(ChronoUnit.SECONDS).plusSeconds(1);
        }
        Revocation revocation = new Revocation(wanted.subject(), wanted.reason(), reach, wanted.until());
        if (known.isPresent()) {
            RevocationTable.replace(connection, revocation);
        } else {
            RevocationTable.insert(connection, revocation);
        }
        published(connection, revocation);
        return found(connection, revocation.subject());
    }

    private void published(Connection connection, Revocation revocation) throws SQLException {
        EventLog.revoked(connection, revocation.subject(), revocation.at());
        database.announce(connection);
    }

    private static Revocation found(Connection connection, Subject subject) throws SQLException {
        return RevocationTable.find(connection, subject)
                .orElseThrow(() -> new SQLException("a revocation has gone within one transaction"));
    }
}
