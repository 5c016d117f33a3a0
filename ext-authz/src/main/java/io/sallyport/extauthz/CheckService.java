package io.sallyport.extauthz;

import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerServiceDefinition;
import io.grpc.ServiceDescriptor;
import io.grpc.Status;
import io.sallyport.base.Reason;
import io.sallyport.base.audit.Audit;
import io.sallyport.base.audit.AuditEvent;
import io.sallyport.extauthz.CheckMethod.Question;
import io.sallyport.extauthz.Decision.Allow;
import io.sallyport.extauthz.Decision.Deny;
import io.sallyport.extauthz.Decision.Traveller;
import io.sallyport.extauthz.Decision.Undecided;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionMinter;
import io.sallyport.identity.Principal;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.policy.MethodRule.Destination;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.InstantSource;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Serves {@code Check}: takes the question from the wire, has it decided, writes the answer, reports the refusals.
 *
 * <p>What can be told from memory is answered on the event loop. What takes a signature, the issuer or a large body is
 * decided on another thread, of which there is a bounded number at a time; above it the answer is "overloaded". Whatever
 * goes wrong on the way, and a decision that is ready after its deadline, is a denial.
 */
final class CheckService {
    private static final Logger log = System.getLogger(CheckService.class.getName());
    private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._-]{1,128}");
    private static final String ANONYMOUS = PrincipalHeader.format(new Principal.Anonymous());

    private final Decisions decisions;
    private final Answers answers;
    private final AssertionMinter assertions;
    private final Audit audit;
    private final DecisionCounts counts;
    private final Executor threads;
    private final Semaphore places;
    private final InstantSource clock;
    private final LongSupplier nanoTime;
    private volatile boolean draining;

    /**
     * @param threads for decisions that take time; one thread each
     * @param maxUnderWay how many of those at a time
     */
    CheckService(
            Decisions decisions,
            Answers answers,
            AssertionMinter assertions,
            Audit audit,
            DecisionCounts counts,
            Executor threads,
            int maxUnderWay,
            InstantSource clock,
            LongSupplier nanoTime) {
        this.decisions = decisions;
        this.answers = answers;
        this.assertions = assertions;
        this.audit = audit;
        this.counts = counts;
        this.threads = threads;
        this.places = new Semaphore(maxUnderWay);
        this.clock = clock;
        this.nanoTime = nanoTime;
    }

    ServerServiceDefinition definition() {
        MethodDescriptor<Question, Answer> check = CheckMethod.descriptor();
        return ServerServiceDefinition.builder(ServiceDescriptor.newBuilder(CheckMethod.SERVICE)
                        .addMethod(check)
                        .build())
                .addMethod(check, new Handler())
                .build();
    }

    /** From now on, new questions are answered "shutting down"; those under way are decided. */
    void drain() {
        draining = true;
    }

    /** One call of {@code Check}. */
    private final class Handler implements ServerCallHandler<Question, Answer> {
        @Override
        public ServerCall.Listener<Question> startCall(ServerCall<Question, Answer> call, Metadata headers) {
            long arrived = nanoTime.getAsLong();
            Deadline deadline = Context.current().getDeadline();
            // Two, so that a second message is noticed rather than left lying.
            call.request(2);
            return new ServerCall.Listener<>() {
                private @Nullable Question question;
                private boolean several;

                @Override
                public void onMessage(Question message) {
                    several = question != null;
                    question = message;
                }

                @Override
                public void onHalfClose() {
                    Question asked = question;
                    question = null;
                    if (asked instanceof Question.Asked(CheckCall readable) && !several) {
                        answer(new Exchange(call, readable, deadline, arrived));
                    } else {
                        refuseUnreadable(call, arrived);
                    }
                }
            };
        }
    }

    /** A call and what is needed to answer it. */
    private record Exchange(
            ServerCall<Question, Answer> call,
            CheckCall question,
            @Nullable Deadline deadline,
            long arrived) {
        boolean isLate() {
            return deadline != null && deadline.isExpired();
        }
    }

    private void answer(Exchange exchange) {
        if (draining) {
            deny(exchange, new Deny(Reason.SHUTTING_DOWN, ANONYMOUS, null, ""));
            return;
        }
        Decision decision;
        try {
            decision = decisions.decideAtOnce(exchange.question());
        } catch (Throwable e) {
            decision = failed(e);
        }
        switch (decision) {
            case Allow allow -> allow(exchange, allow);
            case Deny deny -> deny(exchange, deny);
            case Undecided() -> answerLater(exchange);
        }
    }

    private void answerLater(Exchange exchange) {
        if (!places.tryAcquire()) {
            deny(exchange, new Deny(Reason.OVERLOADED, ANONYMOUS, null, "too many decisions under way"));
            return;
        }
        try {
            threads.execute(() -> {
                try {
                    answerNow(exchange);
                } finally {
                    places.release();
                }
            });
        } catch (RejectedExecutionException e) {
            places.release();
            deny(exchange, new Deny(Reason.OVERLOADED, ANONYMOUS, null, "no thread for the decision"));
        }
    }

    private void answerNow(Exchange exchange) {
        Decision decision;
        try {
            decision = exchange.isLate() ? late(ANONYMOUS) : decisions.decide(exchange.question());
        } catch (Throwable e) {
            decision = failed(e);
        }
        switch (decision) {
            case Allow allow -> allow(exchange, allow);
            case Deny deny -> deny(exchange, deny);
            case Undecided() -> deny(exchange, new Deny(Reason.INTERNAL, ANONYMOUS, null, "undecided"));
        }
    }

    private void allow(Exchange exchange, Allow allow) {
        Answer answer;
        try {
            answer = build(allow);
        } catch (Throwable e) {
            deny(exchange, failed(e));
            return;
        }
        // Last of all: an answer that nobody waits for any more must not be an OK.
        if (exchange.isLate()) {
            deny(exchange, late(principal(allow.traveller())));
            return;
        }
        counts.allowed();
        send(exchange.call(), answer);
    }

    private Answer build(Allow allow) {
        if (allow.method().rule().destination() != Destination.ISSUER) {
            return answers.allow(allow.method(), allow.traveller());
        }
        return switch (allow.traveller()) {
            case Traveller.OfSandbox(Principal.Sandbox principal) ->
                answers.allow(allow.method(), principal, vouch(allow, new Assertion.Caller.Sandbox(principal.token())));
            case Traveller.OfPod(Principal.ServiceAccount pod) ->
                answers.allow(allow.method(), pod, vouch(allow, new Assertion.Caller.Pod(pod)));
            case Traveller.Developer(), Traveller.Anonymous(), Traveller.Unnamed() ->
                throw new IllegalStateException("only a sandbox has business with the issuer");
        };
    }

    private String vouch(Allow allow, Assertion.Caller caller) {
        return assertions.mint(new Assertion(caller, allow.method().rule().path()));
    }

    private void deny(Exchange exchange, Deny deny) {
        CheckCall question = exchange.question();
        counts.denied(deny.reason());
        String requestId = question.requestId();
        audit.record(new AuditEvent(
                clock.instant(),
                deny.reason(),
                deny.principal(),
                Decisions.loggable(question.path()),
                deny.sandboxAsked(),
                requestId != null && REQUEST_ID.matcher(requestId).matches() ? requestId : null,
                nanoTime.getAsLong() - exchange.arrived(),
                deny.detail()));
        send(exchange.call(), answers.deny(deny.reason()));
    }

    private void refuseUnreadable(ServerCall<Question, Answer> call, long arrived) {
        counts.denied(Reason.INTERNAL);
        audit.record(new AuditEvent(
                clock.instant(),
                Reason.INTERNAL,
                ANONYMOUS,
                "(not readable)",
                null,
                null,
                nanoTime.getAsLong() - arrived,
                "the question is not one CheckRequest"));
        call.close(Status.INVALID_ARGUMENT.withDescription("not one CheckRequest"), new Metadata());
    }

    private static void send(ServerCall<Question, Answer> call, Answer answer) {
        try {
            call.sendHeaders(new Metadata());
            call.sendMessage(answer);
            call.close(Status.OK, new Metadata());
        } catch (RuntimeException e) {
            // The call ended under us; Envoy takes no answer for a no.
            log.log(Level.DEBUG, "an answer could not be sent", e);
        }
    }

    private static Deny late(String principal) {
        return new Deny(Reason.DEADLINE_PASSED, principal, null, "");
    }

    private static Deny failed(Throwable e) {
        // Only where and what: a message could quote the request.
        StackTraceElement[] trace = e.getStackTrace();
        String where = trace.length == 0 ? "" : " at " + trace[0];
        log.log(Level.ERROR, "a decision failed: {0}{1}", e.getClass().getName(), where);
        return new Deny(Reason.INTERNAL, ANONYMOUS, null, e.getClass().getName());
    }

    private static String principal(Traveller traveller) {
        return switch (traveller) {
            case Traveller.OfSandbox(Principal.Sandbox principal) -> PrincipalHeader.format(principal);
            case Traveller.OfPod(Principal.ServiceAccount pod) -> PrincipalHeader.format(pod);
            case Traveller.Developer(), Traveller.Anonymous(), Traveller.Unnamed() -> ANONYMOUS;
        };
    }
}
