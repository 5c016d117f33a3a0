package io.sallyport.extauthz.guard;

import io.sallyport.base.Reason;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Why a stream ends.
 *
 * @param asked the sandbox (id, or {@code workspace/name}) that a message named, where that is the reason
 * @param detail for the audit log, free of secrets
 */
record Refusal(Reason reason, @Nullable String asked, String detail) {
    Refusal {
        Objects.requireNonNull(reason, "reason is null");
        Objects.requireNonNull(detail, "detail is null");
    }

    Refusal(Reason reason, String detail) {
        this(reason, null, detail);
    }
}
