package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.MirroredSandbox.Resource;
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
     * How long the name of a deleted sandbox rests at most before another may have it; less, once everybody who listens has
     * heard of the deletion ({@link #listening}).
     *
     * <p>An ext-authz that is cut off believes a record for up to {@link #MAX_STALENESS}, counted from before the last answer
     * that could have told it. In that time the deleted sandbox still passes under its old name, and a gateway that looks
     * names up would act on the new holder. The rest is for clocks, and for requests under way.
     */
    Duration NAME_REST = MAX_STALENESS.plusMinutes(1);

    /** How long a name rests at least: requests that were let through just before are under way to the gateway. */
    Duration SHORTEST_NAME_REST = Duration.ofSeconds(2);

    /** Makes a sandbox known, unless its id or its name says no. One that was adopted without a name is given it. */
    Registration register(SandboxId id, SandboxName name, SandboxRecord.Source source, Instant at)
            throws StoreUnavailableException;

    /**
     * Makes a sandbox known without a name, unless it is known already, or was.
     *
     * @param token what a genuine token of it says
     * @return empty if it is not known, and the token was taken back
     */
    Optional<Adoption> adopt(SandboxClaims token, Instant at) throws StoreUnavailableException;

    /**
     * Makes a sandbox known by the resource that it is mirrored from, or its record say what the resource says now.
     * Nothing that became known otherwise is changed. A name that is given up rests like that of a deleted sandbox, and is
     * given up even where the new one cannot be had yet.
     */
    Mirroring mirror(MirroredSandbox said, Instant at) throws StoreUnavailableException;

    /**
     * Makes the record of a sandbox a tombstone whose resource is gone, or is another sandbox's now.
     *
     * @return the tombstone; empty when nothing was to be done: the sandbox is deleted, or not mirrored from this resource
     */
    Optional<SandboxRecord> unmirror(SandboxId id, Resource resource, Instant at) throws StoreUnavailableException;

    /** The living sandboxes that are mirrored from resources of this name. */
    List<MirroredSandbox> mirrored(String namespace, String name) throws StoreUnavailableException;

    /**
     * Living sandboxes that are mirrored, in the order of their ids, byte for byte.
     *
     * @param after the id that the list starts behind; empty for the start
     * @param limit how many at most
     */
    List<MirroredSandbox> mirrored(Optional<SandboxId> after, int limit) throws StoreUnavailableException;

    /** The resource that a living sandbox is mirrored from, if it is. */
    Optional<Resource> resource(SandboxId id) throws StoreUnavailableException;

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
     * Opens a lineage for a living sandbox, at generation 0. The ones that moved least lately give way if there are too
     * many.
     *
     * @param tokenFile where its first token is about to be written, if it is
     */
    Succession openLineage(SandboxId id, Optional<String> tokenFile, RefreshRules rules, TokenDrafts drafts, Instant at)
            throws StoreUnavailableException;

    /**
     * Exchanges a token for the next one of its lineage: compare-and-set, so that of many who ask with the same token
     * each gets the same answer, from whichever process. Whatever was revoked by then is refused.
     *
     * @param token what a genuine token says, one that has ended too
     */
    Succession refresh(SandboxClaims token, RefreshRules rules, TokenDrafts drafts, Instant at)
            throws StoreUnavailableException;

    /**
     * Whether somebody who holds a token of this lineage goes on.
     *
     * @param place of that token; for a bootstrap token the lineages that it opened again later count too
     * @return empty when the sandbox has no such lineage, or none any more
     */
    Optional<LineageLife> lineage(SandboxId sandbox, Lineage place, RefreshRules rules)
            throws StoreUnavailableException;

    /**
     * Takes passes back: gets through on a full disk, where the database can give that. What is revoked already stays as
     * it is, but for a sandbox, whose newer tokens are taken back too. A lineage is revoked with those that its bootstrap
     * token opened, and whether it is known or not.
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
     * @return empty when that cannot be told from here (another database, or pruned since): begin again with
     *     all {@link #revocations}, from the {@link #position} before them
     */
    Optional<FeedDelta> events(FeedPosition after, int limit) throws StoreUnavailableException;

    /**
     * Calls back soon after events were committed, by this process or another; sometimes also for nothing.
     *
     * @param wake must return at once
     * @return ends the calls
     */
    AutoCloseable onEvent(Runnable wake);

    /**
     * Writes down who listens to the feed: as long as a lease lasts, no name is given away before its holder has heard
     * that the one before is deleted. To be written before anybody is told that all is well. What somebody has heard and
     * the end of a lease only grow. Gets through on a full disk, where the database can give that.
     */
    void listening(List<Listener> listeners) throws StoreUnavailableException;

    /** Forgets a listener that has said that it lets nobody pass any more. */
    void left(String replica) throws StoreUnavailableException;

    /** Where tokens of a sandbox were to be written, in the order of their paths. */
    List<TokenFile> tokenFiles(SandboxId id) throws StoreUnavailableException;

    /**
     * Removes some of what says nothing any more: lineages that nothing can renew, revocations that were kept for long
     * enough, old events.
     *
     * @param keepEvents how many of the newest events stay
     * @param keepEventsFor how long every event stays
     * @return whether there may be more to remove
     */
    boolean prune(RefreshRules rules, long keepEvents, Duration keepEventsFor, Instant at)
            throws StoreUnavailableException;

    /** Writes something of no meaning durably: returns if and only if the store can be written. */
    void probe(Instant at) throws StoreUnavailableException;

    @Override
    void close();

    /**
     * What became of an adoption.
     *
     * @param record the record there is now; it may be an older one, a tombstone too
     * @param isNew whether it was made just now
     */
    record Adoption(SandboxRecord record, boolean isNew) {}

    /** What became of a mirroring. */
    sealed interface Mirroring {
        /**
         * The record says what the resource does.
         *
         * @param change what was done for that
         */
        record Mirrored(SandboxRecord record, Change change) implements Mirroring {
            /** What was done. */
            public enum Change {
                /** Nothing. */
                NONE,
                /** The record was made. */
                MADE,
                /** The record was given another name, or none. */
                RENAMED
            }
        }

        /** The id was deleted; it never comes back. */
        record IdDeleted(SandboxRecord tombstone) implements Mirroring {}

        /**
         * The id is that of a living sandbox that comes from elsewhere.
         *
         * @param resource the one it is mirrored from; empty if it is not
         */
        record IdTaken(SandboxRecord holder, Optional<Resource> resource) implements Mirroring {}

        /** The name cannot be had for now; a record that was there before has no name. */
        record NameRefused(Registration why) implements Mirroring {}
    }

    /** What became of a registration. */
    sealed interface Registration {
        /** The sandbox is known, now or since before, under just this name. */
        record Registered(SandboxRecord record) implements Registration {}

        /** The id belongs to a living sandbox of another name, or to one that only its resource names. */
        record IdTaken(SandboxRecord holder) implements Registration {}

        /** The name belongs to another living sandbox. */
        record NameTaken(SandboxRecord holder) implements Registration {}

        /** The name was another sandbox's until a moment ago, and somebody may still believe so. */
        record NameResting(SandboxId last, Instant until) implements Registration {}

        /** The id was deleted; it never comes back. */
        record IdDeleted(SandboxRecord tombstone) implements Registration {}
    }
}
