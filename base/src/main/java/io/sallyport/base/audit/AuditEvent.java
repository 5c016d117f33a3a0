package io.sallyport.base.audit;

import io.sallyport.base.Reason;
import java.time.Instant;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One refusal or one mint.
 *
 * <p>There is no field a token or a body could go into: names, ids and codes only.
 *
 * @param at when it was decided
 * @param reason why; its code is the line's {@code reason}
 * @param principal who asked, as the principal header would say it, such as {@code sandbox;id="…"} or {@code anonymous}
 * @param method the gRPC method, {@code /package.Service/Method}, as far as it could be read
 * @param sandboxAsked the sandbox (id or {@code workspace/name}) that the request named, if it named one
 * @param requestId Envoy's {@code x-request-id}, if there was one
 * @param latencyNanos from the arrival of the question to the decision, in nanoseconds
 * @param detail what an operator needs beyond the reason, free of secrets; empty when the reason says it all
 */
public record AuditEvent(
        Instant at,
        Reason reason,
        String principal,
        String method,
        @Nullable String sandboxAsked,
        @Nullable String requestId,
        long latencyNanos,
        String detail) {
    public AuditEvent {
        Objects.requireNonNull(at, "at is null");
        Objects.requireNonNull(reason, "reason is null");
        Objects.requireNonNull(principal, "principal is null");
        Objects.requireNonNull(method, "method is null");
        Objects.requireNonNull(detail, "detail is null");
    }
}
