package io.sallyport.e2e.stack;

/** The stack cannot be started or asked; the message says which part, why, and what to do. */
public final class StackException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public StackException(String message) {
        super(message);
    }

    public StackException(String message, Throwable cause) {
        super(message, cause);
    }
}
