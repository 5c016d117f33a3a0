package io.sallyport.issuer.cli;

/** A command could not do what it was asked; the message says what, and what to do. Exit code 1. */
final class CommandFailedException extends Exception {
    private static final long serialVersionUID = 1;

    CommandFailedException(String message) {
        super(message, null, false, false);
    }
}
