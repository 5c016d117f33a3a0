package io.sallyport.policy;

/** What the request messages of a method must say, compiled for {@link MessageScanner}. */
public final class MessageRule {
    /** Which kind of reference names the sandbox. */
    public enum Reference {
        /** The message names no sandbox; the policy file says why that is right. */
        NONE,
        /** By id. */
        ID,
        /** By name and workspace. */
        NAME
    }

    public Reference reference() {
        throw new UnsupportedOperationException("MessageRule.reference");
    }
}
