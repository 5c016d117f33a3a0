package io.sallyport.agent;

import io.grpc.Status;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** There is no token to send now; the message names the file and the remedy, and holds no part of a token. */
public final class TokenUnavailableException extends Exception {
    private static final long serialVersionUID = 1;

    private final Status.@Nullable Code code;

    public TokenUnavailableException(String message) {
        this(message, null);
    }

    /** @param code what the gateway answered when it was asked for one */
    TokenUnavailableException(String message, Status.@Nullable Code code) {
        super(message, null, false, false);
        this.code = code;
    }

    /** What the gateway answered; empty when it was not asked, or did not say. */
    Optional<Status.Code> code() {
        return Optional.ofNullable(code);
    }
}
