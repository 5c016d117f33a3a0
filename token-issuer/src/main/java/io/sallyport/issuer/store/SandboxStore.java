package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * The records, kept durably.
 *
 * <p>Every method that changes something is one transaction: when it returns, what it says has happened is on the disk;
 * when it throws, nothing is known to have happened. Implementations are safe for use by many threads, and block: call them off the
 * event loops. Times are kept to the millisecond.
 */
public interface SandboxStore extends AutoCloseable {
    /** The longest that an ext-authz may go on with what it has once it hears nothing more from us. */
    Duration MAX_STALENESS = Duration.ofMinutes(5);

    /**
     * How long the name of a deleted sandbox rests before another may have it.
     *
     * <p>An ext-authz that is cut off believes a record for up to {@link #MAX_STALENESS}, counted from before the last answer
     * that could have told it. In that time the deleted sandbox still passes under its old name, and a gateway that looks
     * names up would act on the new holder. The rest is for clocks, and for requests under way.
     */
    Duration NAME_REST = MAX_STALENESS.plusMinutes(1);

    /** Makes a sandbox known, unless its id or its name says no. */
    Registration register(SandboxId id, SandboxName name, SandboxRecord.Source source, Instant at)
            throws StoreUnavailableException;

    /** The record of an id; a tombstone is one too. */
    Optional<SandboxRecord> find(SandboxId id) throws StoreUnavailableException;

    /**
     * Makes a sandbox's record a tombstone.
     *
     * @return the tombstone, the one that was there if it was deleted before; empty if the id was never registered
     */
    Optional<SandboxRecord> delete(SandboxId id, Instant at) throws StoreUnavailableException;

    /**
     * Stops a sandbox or lets it go on; nothing happens when it is so already, or deleted.
     *
     * @return the record as it is now; empty if the id was never registered
     */
    Optional<SandboxRecord> setStopped(SandboxId id, boolean stopped, Instant at) throws StoreUnavailableException;

    /**
     * Records in the order of their ids, byte for byte.
     *
     * @param after the id that the list starts behind; empty for the start
     * @param limit how many at most
     */
    List<SandboxRecord> list(Optional<SandboxId> after, int limit, boolean includeDeleted)
            throws StoreUnavailableException;

    /**
     * Opens a lineage for a living sandbox, at generation 0.
     *
     * @param lineage its id, never used before
     * @param tokenFile where its first token is about to be written, if it is
     */
    Succession openLineage(SandboxId id, String lineage, Optional<String> tokenFile, Instant at)
            throws StoreUnavailableException;

    /** Moves a lineage of a living sandbox forward by one generation. */
    Succession advanceLineage(SandboxId id, String lineage, Instant at) throws StoreUnavailableException;

    /**
     * Takes passes back. What is revoked already stays as it is, but for a sandbox, whose newer tokens are taken back too.
     *
     * @return the revocation as it is now; empty for a sandbox whose id was never registered
     */
    Optional<Revocation> revoke(Revocation revocation) throws StoreUnavailableException;

    /** The revocation of just this, if there is one. */
    Optional<Revocation> revocation(Revocation.Subject subject) throws StoreUnavailableException;

    /**
     * Revocations in the order of their kinds (key, lineage, sandbox, token) and names, byte for byte.
     *
     * @param after what the list starts behind; empty for the start
     * @param limit how many at most
     */
    List<Revocation> revocations(Optional<Revocation.Subject> after, int limit) throws StoreUnavailableException;

    /** The end of the event log. */
    FeedPosition position() throws StoreUnavailableException;

    /**
     * What happened behind a place of the event log.
     *
     * @param limit how many events at most
     * @return empty when that cannot be told from here (another database, or pruned since): begin again with a
     *     {@link #snapshot}
     */
    Optional<FeedDelta> events(FeedPosition after, int limit) throws StoreUnavailableException;

    /** All revocations, and the place in the event log where they are all. */
    FeedSnapshot snapshot() throws StoreUnavailableException;

    /**
     * Calls back soon after events were committed, by this process or another; sometimes also for nothing.
     *
     * @param wake must return at once
     * @return ends the calls
     */
    AutoCloseable onEvent(Runnable wake);

    /** Where tokens of a sandbox were to be written, in the order of their paths. */
    List<TokenFile> tokenFiles(SandboxId id) throws StoreUnavailableException;

    /** Writes something of no meaning durably: returns if and only if the store can be written. */
    void probe(Instant at) throws StoreUnavailableException;

    @Override
    void close();

    /** What became of a registration. */
    sealed interface Registration {
        /** The sandbox is known, now or since before, under just this name. */
        record Registered(SandboxRecord record) implements Registration {}

        /** The id belongs to a living sandbox of another name. */
        record IdTaken(SandboxRecord holder) implements Registration {}

        /** The name belongs to another living sandbox. */
        record NameTaken(SandboxRecord holder) implements Registration {}

        /** The name was another sandbox's less than {@link #NAME_REST} ago. */
        record NameResting(SandboxRecord tombstone) implements Registration {}

        /** The id was deleted; it never comes back. */
        record IdDeleted(SandboxRecord tombstone) implements Registration {}
    }

    /** What became of the wish for a token. */
    sealed interface Succession {
        /** A token of this place in this lineage may be signed. */
        record Granted(Lineage lineage) implements Succession {}

        /** No such id was ever registered. */
        record NoRecord() implements Succession {}

        /** The sandbox is stopped or deleted. */
        record NotActive(SandboxRecord record) implements Succession {}

        /** The sandbox has no such lineage. */
        record NoLineage() implements Succession {}
    }
}
