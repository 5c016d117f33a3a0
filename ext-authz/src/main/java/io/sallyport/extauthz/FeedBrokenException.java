package io.sallyport.extauthz;

/** The issuer said something that cannot be right, or that this version cannot honour: the stream ends. */
final class FeedBrokenException extends Exception {
    private static final long serialVersionUID = 1;

    FeedBrokenException(String message) {
        super(message, null, false, false);
    }
}
