package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.Revocation.Subject;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/** The table {@code revocations}: one row for each thing that was taken back, as long as it matters. */
final class RevocationTable {
    private RevocationTable() {}

    static Optional<Revocation> find(Connection connection, Subject subject) throws SQLException {
        return Sql.first(
                connection,
                RevocationTable::read,
                "SELECT kind, name, reason, revoked, kept_until FROM revocations WHERE kind = ? AND name = ?",
                kind(subject),
                subject.name());
    }

    /** Which of these is revoked, if any is. */
    static Optional<Subject> firstOf(Connection connection, List<Subject> subjects) throws SQLException {
        List<String> values = new ArrayList<>();
        for (Subject subject : subjects) {
            values.add(kind(subject));
            values.add(subject.name());
        }
        return Sql.first(
                connection,
                row -> subject(row.getString("kind"), row.getString("name")),
                "SELECT kind, name FROM revocations WHERE (kind, name) IN (VALUES "
                        + String.join(", ", Collections.nCopies(subjects.size(), "(?, ?)")) + ") LIMIT 1",
                values.toArray());
    }

    /** Removes what has been kept for long enough; how many, at most as many as asked for. */
    static int prune(Connection connection, Instant at, int limit) throws SQLException {
        return Sql.update(
                connection,
                "DELETE FROM revocations WHERE (kind, name) IN"
                        + " (SELECT kind, name FROM revocations WHERE kept_until < ? LIMIT ?)",
                at.toEpochMilli(),
                limit);
    }

    /** In the order of kinds and names, behind one of them or from the beginning. */
    static List<Revocation> list(Connection connection, Optional<Subject> after, int limit) throws SQLException {
        return Sql.list(
                connection,
                RevocationTable::read,
                "SELECT kind, name, reason, revoked, kept_until FROM revocations"
                        + " WHERE (kind, name) > (?, ?) ORDER BY kind, name LIMIT ?",
                after.map(RevocationTable::kind).orElse(""),
                after.map(Subject::name).orElse(""),
                limit);
    }

    /** Whether it is new; what is there stays as it is. */
    static boolean insert(Connection connection, Revocation revocation) throws SQLException {
        return Sql.update(
                        connection,
                        "INSERT INTO revocations (kind, name, reason, revoked, kept_until) VALUES (?, ?, ?, ?, ?)"
                                + " ON CONFLICT (kind, name) DO NOTHING",
                        kind(revocation.subject()),
                        revocation.subject().name(),
                        revocation.reason(),
                        revocation.at().toEpochMilli(),
                        Sql.millis(revocation.until()))
                == 1;
    }

    static void replace(Connection connection, Revocation revocation) throws SQLException {
        Sql.update(
                connection,
                "UPDATE revocations SET reason = ?, revoked = ?, kept_until = ? WHERE kind = ? AND name = ?",
                revocation.reason(),
                revocation.at().toEpochMilli(),
                Sql.millis(revocation.until()),
                kind(revocation.subject()),
                revocation.subject().name());
    }

    /** The revocation in a row that has these columns. */
    static Revocation read(ResultSet row) throws SQLException {
        return new Revocation(
                subject(row.getString("kind"), row.getString("name")),
                row.getString("reason"),
                Instant.ofEpochMilli(row.getLong("revoked")),
                Sql.time(row, "kept_until"));
    }

    static String kind(Subject subject) {
        return switch (subject) {
            case Subject.Key _ -> "key";
            case Subject.Lineage _ -> "lineage";
            case Subject.Sandbox _ -> "sandbox";
            case Subject.Token _ -> "token";
        };
    }

    private static Subject subject(String kind, String name) throws SQLException {
        return switch (kind) {
            case "key" -> new Subject.Key(name);
            case "lineage" -> new Subject.Lineage(name);
            case "sandbox" -> new Subject.Sandbox(new SandboxId(name));
            case "token" -> new Subject.Token(name);
            default -> throw new SQLException("a revocation of the unknown kind " + kind);
        };
    }
}
