package io.sallyport.issuer.service;

import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.base.audit.Audit;
import io.sallyport.base.audit.AuditEvent;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.StoreBusyException;
import io.sallyport.issuer.store.StoreUnavailableException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Answers calls: runs the work, turns what went wrong into a status, and leaves a line in the audit log for every
 * refusal, every mint and every revocation.
 *
 * <p>Neither a request nor an answer is ever logged: the text of a generated message would show its token.
 */
public final class Calls {
    /** When to come back, in milliseconds. */
    public static final Metadata.Key<String> RETRY_AFTER = RetryHint.PUSHBACK;

    private static final Logger log = System.getLogger(Calls.class.getName());
    private static final Duration RETRY_AFTER_TROUBLE = Duration.ofSeconds(1);

    private final Audit audit;
    private final InstantSource clock;
    private final LongSupplier nanos;
    private final Runnable storeInTrouble;

    /**
     * @param nanos a monotonic clock, such as {@code System::nanoTime}
     * @param storeInTrouble told each time the disk or the database failed, not when a call waited in vain for others
     */
    public Calls(Audit audit, InstantSource clock, LongSupplier nanos, Runnable storeInTrouble) {
        this.audit = audit;
        this.clock = clock;
        this.nanos = nanos;
        this.storeInTrouble = storeInTrouble;
    }

    /** What a service does for one call. */
    @FunctionalInterface
    interface Work<R> {
        R run(Call call) throws RejectedException, StoreUnavailableException;
    }

    /** One call, filled in for the audit log while it is understood. Used by one thread. */
    static final class Call {
        private final String method;
        private final CallHeaders headers;
        private String principal;
        private @Nullable String sandboxAsked;
        private @Nullable Reason done;
        private @Nullable Duration retryAfter;
        private String detail = "";

        private Call(String method, CallHeaders headers, String principal) {
            this.method = method;
            this.headers = headers;
            this.principal = principal;
        }

        /** {@code /package.Service/Method}. */
        String method() {
            return method;
        }

        CallHeaders headers() {
            return headers;
        }

        void principal(String text) {
            principal = text;
        }

        /** What is no id could be anything, a token in the wrong place too, and is not repeated. */
        void sandboxAsked(String text) {
            sandboxAsked = text.isEmpty() || SandboxId.isValid(text) ? text : "(not an id)";
        }

        /** When to come back, should this be refused. */
        void retryAfter(Duration wait) {
            retryAfter = wait;
        }

        void minted(TokenMint.Minted token) {
            done(
                    token.why(),
                    "jti=" + token.tokenId() + " lin=" + token.lineage().id() + " gen="
                            + token.lineage().generation() + " exp="
                            + token.expires().getEpochSecond());
        }

        /** Something was done that the audit log has a line for. */
        void done(Reason reason, String what) {
            done = reason;
            detail = what;
        }
    }

    /**
     * Runs the work and answers with what it returns.
     *
     * @param fullMethodName as gRPC's method descriptors have it, {@code package.Service/Method}
     * @param caller who calls on this listener, until the work knows better
     */
    <R> void answer(String fullMethodName, String caller, StreamObserver<R> observer, Work<R> work) {
        long arrived = nanos.getAsLong();
        if (Context.current().isCancelled()) {
            // The caller has gone, or its deadline has passed while the call waited for a thread: change nothing.
            observer.onError(Status.CANCELLED.asRuntimeException());
            return;
        }
        Call call = new Call("/" + fullMethodName, CallHeaders.current(), caller);
        R answer;
        try {
            answer = work.run(call);
        } catch (RejectedException e) {
            observer.onError(refuse(call, arrived, e.reason(), e.detail()));
            return;
        } catch (StoreUnavailableException e) {
            if (!(e instanceof StoreBusyException)) {
                storeInTrouble.run();
            }
            log.log(Level.WARNING, "{0}: {1}", call.method, e.getMessage());
            observer.onError(refuse(call, arrived, Reason.STORE_UNAVAILABLE, ""));
            return;
        } catch (RuntimeException e) {
            log.log(Level.ERROR, call.method + " failed", e);
            observer.onError(refuse(call, arrived, Reason.INTERNAL, e.getClass().getSimpleName()));
            return;
        }
        if (call.done != null) {
            record(call, arrived, call.done, call.detail);
        }
        observer.onNext(answer);
        observer.onCompleted();
    }

    /**
     * Lets a stream begin, or refuses it like a call; only the refusal is answered.
     *
     * @return what the work returned; empty when it was refused
     */
    <R> Optional<R> admit(String fullMethodName, String caller, StreamObserver<?> observer, Work<R> work) {
        List<R> admitted = new ArrayList<>(1);
        answer(
                fullMethodName,
                caller,
                new StreamObserver<R>() {
                    @Override
                    public void onNext(R answer) {
                        admitted.add(answer);
                    }

                    @Override
                    public void onError(Throwable refusal) {
                        observer.onError(refusal);
                    }

                    @Override
                    public void onCompleted() {}
                },
                work);
        return admitted.stream().findFirst();
    }

    private StatusRuntimeException refuse(Call call, long arrived, Reason reason, String detail) {
        record(call, arrived, reason, detail);
        Status status = reason.status();
        if (tellsDetail(reason) && !detail.isEmpty()) {
            status = status.withDescription(reason.text() + ": " + detail);
        }
        Duration wait = call.retryAfter != null
                ? call.retryAfter
                : reason.statusCode() == Status.Code.UNAVAILABLE ? RETRY_AFTER_TROUBLE : null;
        return status.asRuntimeException(wait == null ? new Metadata() : RetryHint.of(status, wait));
    }

    /** Operators are told what exactly is wrong; sandboxes only ever see the reason's own text. */
    private static boolean tellsDetail(Reason reason) {
        return switch (reason) {
            case RECORD_UNKNOWN,
                    RECORD_TAKEN,
                    RECORD_DELETED,
                    RECORD_STOPPED,
                    RECORD_RESTING,
                    RECORD_MIRRORED,
                    REQUEST_INVALID -> true;
            default -> false;
        };
    }

    private void record(Call call, long arrived, Reason reason, String detail) {
        audit.record(new AuditEvent(
                clock.instant(),
                reason,
                call.principal,
                call.method,
                call.sandboxAsked,
                call.headers.requestId(),
                nanos.getAsLong() - arrived,
                detail));
    }
}
