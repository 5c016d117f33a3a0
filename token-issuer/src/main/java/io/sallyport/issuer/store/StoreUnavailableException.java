package io.sallyport.issuer.store;

/**
 * The store could not be read or written: nothing of what was asked is known to have happened, and trying again later may
 * work. Where the database went away while it committed, it may have happened.
 *
 * <p>A full disk, a lock held too long and a broken file all come out as this. A rule that says no is never one: rules
 * are answers.
 */
public sealed class StoreUnavailableException extends Exception permits StoreBusyException {
    private static final long serialVersionUID = 1;

    public StoreUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }

    public StoreUnavailableException(String message) {
        super(message);
    }
}
