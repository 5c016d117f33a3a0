package io.sallyport.extauthz.guard;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.base.audit.Audit;
import io.sallyport.base.audit.AuditEvent;
import io.sallyport.policy.AccessPolicy;
import io.sallyport.policy.MethodRule;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * What all guarded streams share.
 *
 * @param policy the rules
 * @param leeway how long after its end a token is taken for good
 * @param owners asked about the sandbox of a stream
 * @param streams those that are open
 * @param counts what went through, and how streams ended
 * @param audit told of every refusal and every cut
 * @param nanoTime nanoseconds of a clock that never goes back
 */
public record Guard(
        AccessPolicy policy,
        Duration leeway,
        Owners owners,
        OpenStreams streams,
        StreamCounts counts,
        Audit audit,
        InstantSource clock,
        LongSupplier nanoTime) {
    private static final Logger log = System.getLogger(Guard.class.getName());

    /** The rule by which a stream is held. */
    MethodRule rule(Announcement announcement) throws RejectedException {
        if (!announcement.policy().equals(policy.digest())) {
            throw new RejectedException(Reason.POLICY_MISMATCH, "the stream was let in by another policy");
        }
        MethodRule rule = policy.find(announcement.method());
        if (rule == null || !rule.guarded()) {
            throw new RejectedException(Reason.STREAM_UNGUARDED, "not a method that the guard can hold");
        }
        return rule;
    }

    /** Until when a token that ends then is taken for good. */
    Instant goodUntil(Instant end) {
        return end.equals(Instant.MAX) ? end : end.plus(leeway);
    }

    void report(Refusal refusal, String principal, String method, @Nullable String requestId, long since) {
        audit.record(new AuditEvent(
                clock.instant(),
                refusal.reason(),
                principal,
                method,
                refusal.asked(),
                requestId,
                nanoTime.getAsLong() - since,
                refusal.detail()));
    }

    /** Something went wrong here, which ends a stream. */
    Refusal failed(Throwable e) {
        // Only where and what: a message could quote the request.
        StackTraceElement[] trace = e.getStackTrace();
        String where = trace.length == 0 ? "" : " at " + trace[0];
        log.log(Level.ERROR, "a guarded stream failed: {0}{1}", e.getClass().getName(), where);
        return new Refusal(Reason.INTERNAL, e.getClass().getName());
    }
}
