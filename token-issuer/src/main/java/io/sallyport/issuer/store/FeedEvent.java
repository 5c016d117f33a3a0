package io.sallyport.issuer.store;

/** Something that every ext-authz must come to know. */
public sealed interface FeedEvent {
    /** Its number: grows by commit, so that whoever has seen one has seen all before it. */
    long seq();

    /**
     * A sandbox was registered, stopped, started or deleted.
     *
     * @param record as it is by now, which may be newer than the event
     */
    record SandboxChanged(long seq, SandboxRecord record) implements FeedEvent {}

    /**
     * Something was revoked.
     *
     * @param revocation as it is by now
     */
    record Revoked(long seq, Revocation revocation) implements FeedEvent {}
}
