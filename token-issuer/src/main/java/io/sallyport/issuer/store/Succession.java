package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.issuer.store.Revocation.Subject;
import java.util.List;

/** What became of the wish for a token. */
public sealed interface Succession {
    /** This token may be signed: its place in its lineage is on the disk. */
    record Granted(Kind kind, TokenDraft token) implements Succession {}

    /** How a token came to be granted. */
    enum Kind {
        /** The first one of a lineage that an operator or a driver asked for. */
        OPENED,
        /** The next one of its lineage. */
        ADVANCED,
        /** The same as before, for the token just consumed. */
        REPEATED,
        /** One in a new lineage, for a bootstrap token that had its successor long ago. */
        REOPENED
    }

    /** No such id was ever registered. */
    record NoRecord() implements Succession {}

    /** The sandbox is stopped or deleted. */
    record NotActive(SandboxRecord record) implements Succession {}

    /** The token, or something it belongs to, was taken back. */
    record Revoked(Subject subject) implements Succession {}

    /** The token ended too long ago. */
    record TooOld() implements Succession {}

    /** The token is of no lineage of this sandbox that goes on. */
    record NoLineage(String why) implements Succession {}

    /**
     * The token had its successor long ago.
     *
     * @param presented its place
     * @param newest the generation of the newest token
     * @param revoked what was taken back for it, within the same transaction
     */
    record Reused(Lineage presented, long newest, List<Revocation> revoked) implements Succession {
        public Reused {
            revoked = List.copyOf(revoked);
        }
    }

    /** Whatever is new would be signed with a key that was taken back. */
    record KeyRevoked(String keyId) implements Succession {}
}
