package io.sallyport.issuer.store;

/**
 * The store's turn did not come in time: other calls took too long. The disk and the database have said nothing; should
 * one of them be at fault, the call that waits for it will say so.
 */
public final class StoreBusyException extends StoreUnavailableException {
    private static final long serialVersionUID = 1;

    public StoreBusyException(String message) {
        super(message);
    }
}
