package io.sallyport.kubernetes;

/** The API server did not answer the question: it is away, slow, overloaded, or does not let us ask. Never a "no". */
public final class ClusterUnavailableException extends Exception {
    private static final long serialVersionUID = 1;

    public ClusterUnavailableException(String message) {
        super(message);
    }

    public ClusterUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}
