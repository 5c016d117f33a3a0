package io.sallyport.agent;

/** There is no token to send now; the message names the file and the remedy, and holds no part of a token. */
public final class TokenUnavailableException extends Exception {
    private static final long serialVersionUID = 1;

    public TokenUnavailableException(String message) {
        super(message, null, false, false);
    }
}
