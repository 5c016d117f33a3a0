package io.sallyport.extauthz;

/** What came of asking for a sandbox's record. */
sealed interface RecordLookup {
    /** There is one; it may be a tombstone. */
    record Found(SandboxRecord sandbox) implements RecordLookup {}

    /** No such sandbox was ever registered. */
    record Missing() implements RecordLookup {}

    /**
     * Nobody could tell.
     *
     * @param cause for the audit log
     */
    record Unavailable(String cause) implements RecordLookup {}
}
