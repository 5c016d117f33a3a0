package io.sallyport.base;

import java.util.Objects;

/**
 * A request, a token or a message was looked at and refused.
 *
 * <p>An expected outcome, so it carries no stack trace. The detail is for operators' logs; whoever writes it never puts
 * a token, a key or a body into it.
 */
public final class RejectedException extends Exception {
    private static final long serialVersionUID = 1;

    private final Reason reason;
    private final String detail;

    public RejectedException(Reason reason, String detail) {
        super(reason.code() + ": " + Objects.requireNonNull(detail, "detail is null"), null, false, false);
        this.reason = reason;
        this.detail = detail;
    }

    /** Why, in the words of the closed list. */
    public Reason reason() {
        return reason;
    }

    /** What an operator needs beyond the reason; free of secrets, and never shown to a caller. */
    public String detail() {
        return detail;
    }
}
