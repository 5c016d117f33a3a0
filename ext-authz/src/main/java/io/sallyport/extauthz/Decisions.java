package io.sallyport.extauthz;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.base.audit.LoggableNames;
import io.sallyport.extauthz.Callers.Purpose;
import io.sallyport.extauthz.Decision.Allow;
import io.sallyport.extauthz.Decision.Deny;
import io.sallyport.extauthz.Decision.Traveller;
import io.sallyport.extauthz.Decision.Undecided;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.Principal;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.policy.MessageScanner;
import io.sallyport.policy.MethodRule;
import io.sallyport.policy.MethodRule.Destination;
import io.sallyport.policy.MethodRule.Streaming;
import io.sallyport.policy.References;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Decides about a call: who, may they, which sandbox, is it theirs.
 *
 * <p>The order of the questions is fixed, and each has one answer: the route's policy is ours → the method is known and
 * open → the content type → the credential, and whether it was taken back → the caller's kind → the caller's record →
 * {@code x-sandbox-id} → the body is within its limit → it is whole → it reads in one way → it names the caller and nobody
 * else. What a body says is read only when all before has been
 * passed, and nothing but the caller's own record is ever looked up, so that no answer tells whether another sandbox exists.
 */
final class Decisions {
    /** Who may call the methods of users, apart from the developer. */
    enum UserMethods {
        /** Nobody. */
        CLOSED,
        /** Whoever has a bearer that is not ours: the gateway checks it. */
        GATEWAY
    }

    /** Larger bodies are not read on an event loop. */
    static final int SMALL_BODY = 16 * 1024;

    private static final Pattern PATH = Pattern.compile("/[A-Za-z0-9_.]{1,200}/[A-Za-z0-9_]{1,100}");
    private static final String ANONYMOUS = PrincipalHeader.format(new Principal.Anonymous());

    private final Map<String, OpenMethod> methods = new HashMap<>();
    private final String policyDigest;
    private final Callers callers;
    private final Standing standing;
    private final SandboxRecords records;
    private final UserMethods userMethods;
    private final boolean developer;

    /**
     * @param rules the policy's
     * @param policyDigest the policy's
     * @param standing asked about every sandbox whose token is good, at every call
     * @param answers builds the part of an allowing answer that a method's requests share
     * @param developer whether a request without a credential is the developer's, on the methods of users
     */
    Decisions(
            List<MethodRule> rules,
            String policyDigest,
            Function<MethodRule, byte[]> answers,
            Callers callers,
            Standing standing,
            SandboxRecords records,
            UserMethods userMethods,
            boolean developer) {
        rules.forEach(rule -> methods.put(rule.path(), new OpenMethod(rule, answers.apply(rule))));
        this.policyDigest = policyDigest;
        this.callers = callers;
        this.standing = standing;
        this.records = records;
        this.userMethods = userMethods;
        this.developer = developer;
    }

    /** Decides from memory, quickly, or leaves it {@link Undecided}. */
    Decision decideAtOnce(CheckCall call) {
        return decide(call, false);
    }

    /** Decides, and waits for what that takes. Never {@link Undecided}. */
    Decision decide(CheckCall call) {
        return decide(call, true);
    }

    /** A method's name as it may stand in a log: whatever is not one could hold anything. */
    static String loggable(String path) {
        return PATH.matcher(path).matches() ? path : "(not a method)";
    }

    private Decision decide(CheckCall call, boolean mayWait) {
        if (!policyDigest.equals(call.policyDigest())) {
            return deny(
                    Reason.POLICY_MISMATCH,
                    call.policyDigest() == null
                            ? "the route names no policy"
                            : "the route was generated from another policy; generate Envoy's configuration anew");
        }
        OpenMethod method = methods.get(call.path());
        if (method == null) {
            return deny(PATH.matcher(call.path()).matches() ? Reason.METHOD_UNKNOWN : Reason.PATH_MALFORMED, "");
        }
        MethodRule rule = method.rule();
        if (rule.access() == MethodRule.Access.CLOSED) {
            return deny(Reason.METHOD_CLOSED, "");
        }
        if (rule.sandboxCallable() && rule.streaming() != Streaming.UNARY && !rule.guarded()) {
            return deny(Reason.METHOD_CLOSED, "a stream that the stream guard cannot hold");
        }
        if (!"application/grpc".equals(call.contentType()) && !"application/grpc+proto".equals(call.contentType())) {
            return deny(Reason.CONTENT_TYPE, "");
        }
        if (rule.access() == MethodRule.Access.UNAUTHENTICATED) {
            return new Allow(method, new Traveller.Anonymous());
        }
        Purpose purpose = purpose(rule);
        Caller caller = mayWait ? callers.identify(call, purpose) : callers.remembered(call, purpose);
        if (caller == null) {
            return new Undecided();
        }
        return switch (caller) {
            case Caller.Refused(Reason reason, String detail) -> deny(reason, detail);
            case Caller.Known(Principal.Sandbox sandbox) -> decideForSandbox(call, method, sandbox, mayWait);
            case Caller.Known(Principal.ServiceAccount pod) when rule.beginsPods() -> decideForPod(call, method, pod);
            case Caller.Known(Principal principal) -> decideForOther(rule, principal);
            case Caller.Nobody() -> decideForNobody(method);
            case Caller.Stranger(String detail) -> decideForStranger(method, detail);
        };
    }

    private static Purpose purpose(MethodRule rule) {
        return rule.beginsPods() ? Purpose.BEGIN : renews(rule) ? Purpose.RENEW : Purpose.USE;
    }

    /** The one method that a token is good for after its end. */
    private static boolean renews(MethodRule rule) {
        return rule.destination() == Destination.ISSUER
                && (rule.access() == MethodRule.Access.SANDBOX || rule.access() == MethodRule.Access.DUAL)
                && rule.path().endsWith("/RefreshSandboxToken");
    }

    private Decision decideForNobody(OpenMethod method) {
        return developer && method.rule().access() == MethodRule.Access.USER
                ? new Allow(method, new Traveller.Developer())
                : deny(Reason.NO_CREDENTIAL, "");
    }

    private Decision decideForStranger(OpenMethod method, String detail) {
        return userMethods == UserMethods.GATEWAY && method.rule().access() == MethodRule.Access.USER
                ? new Allow(method, new Traveller.Unnamed())
                : deny(Reason.CREDENTIAL_UNKNOWN, detail);
    }

    private static Decision decideForOther(MethodRule rule, Principal principal) {
        return switch (rule.access()) {
            case USER ->
                deny(
                        principal instanceof Principal.User ? Reason.METHOD_CLOSED : Reason.SANDBOX_ON_USER_METHOD,
                        principal,
                        null,
                        "");
            case SERVICE_ACCOUNT ->
                deny(
                        principal instanceof Principal.ServiceAccount
                                ? Reason.METHOD_CLOSED
                                : Reason.SERVICE_ACCOUNT_REQUIRED,
                        principal,
                        null,
                        "");
            case SANDBOX, DUAL, UNAUTHENTICATED, CLOSED -> deny(Reason.USER_ON_SANDBOX_METHOD, principal, null, "");
        };
    }

    private Decision decideForSandbox(CheckCall call, OpenMethod method, Principal.Sandbox principal, boolean mayWait) {
        Standing.Refusal refusal = standing.of(principal.token());
        if (refusal != null) {
            return deny(refusal.reason(), principal, null, refusal.detail());
        }
        MethodRule rule = method.rule();
        switch (rule.access()) {
            case SANDBOX, DUAL -> {}
            case SERVICE_ACCOUNT -> {
                return deny(Reason.SERVICE_ACCOUNT_REQUIRED, principal, null, "");
            }
            case USER, UNAUTHENTICATED, CLOSED -> {
                return deny(Reason.SANDBOX_ON_USER_METHOD, principal, null, "");
            }
        }
        boolean takesTime =
                rule.destination() == Destination.ISSUER || call.body().remaining() > SMALL_BODY;
        if (takesTime && !mayWait) {
            return new Undecided();
        }
        RecordLookup lookup = mayWait ? records.find(principal.id()) : records.remembered(principal.id());
        if (lookup == null) {
            return new Undecided();
        }
        if (lookup instanceof RecordLookup.Missing
                && principal.token().lineage().map(Lineage::isAdopted).orElse(false)) {
            if (!mayWait) {
                return new Undecided();
            }
            lookup = records.adopt(principal.token());
        }
        if (mayWait) {
            // It may have been taken back while the record was asked for.
            refusal = standing.of(principal.token());
            if (refusal != null) {
                return deny(refusal.reason(), principal, null, refusal.detail());
            }
        }
        return switch (lookup) {
            case RecordLookup.Missing() -> deny(Reason.SANDBOX_UNKNOWN, principal, null, "");
            case RecordLookup.Unavailable(String cause) -> deny(Reason.ISSUER_UNAVAILABLE, principal, null, cause);
            case RecordLookup.Found(SandboxRecord own) ->
                switch (own.state()) {
                    case DELETED -> deny(Reason.SANDBOX_DELETED, principal, null, "");
                    case STOPPED -> deny(Reason.SANDBOX_STOPPED, principal, null, "");
                    case ACTIVE -> decideForLiving(call, method, principal, own);
                };
        };
    }

    private static Decision decideForLiving(
            CheckCall call, OpenMethod method, Principal.Sandbox principal, SandboxRecord own) {
        String header = call.sandboxHeader();
        if (header != null && !header.equals(own.id())) {
            return deny(Reason.SANDBOX_HEADER, principal, header, "");
        }
        MethodRule rule = method.rule();
        if (rule.guarded()) {
            // What it says is the stream guard's to read, as it comes.
            return new Allow(method, new Traveller.OfSandbox(principal));
        }
        References references;
        try {
            references = read(call, rule);
        } catch (RejectedException e) {
            return deny(e.reason(), principal, null, e.detail());
        }
        switch (rule.messages().reference()) {
            case ID -> {
                if (!references.id().equals(own.id())) {
                    return deny(Reason.CROSS_SANDBOX, principal, references.id(), "");
                }
            }
            case NAME -> {
                if (!references.names(own.workspace(), own.name())) {
                    return deny(Reason.NAME_NOT_OWNED, principal, references.qualifiedName(), "");
                }
            }
            case NONE -> {}
        }
        for (String inner : references.inner()) {
            if (!inner.equals(own.id())) {
                return deny(Reason.CROSS_SANDBOX, principal, inner, "named inside the message");
            }
        }
        return new Allow(method, new Traveller.OfSandbox(principal));
    }

    /** A pod, and which sandbox it is, is known; whether there is such a sandbox is for the issuer to say. */
    private static Decision decideForPod(CheckCall call, OpenMethod method, Principal.ServiceAccount pod) {
        String header = call.sandboxHeader();
        if (header != null && !header.equals(pod.sandbox().value())) {
            return deny(Reason.SANDBOX_HEADER, pod, header, "");
        }
        try {
            var _ = read(call, method.rule());
        } catch (RejectedException e) {
            return deny(e.reason(), pod, null, e.detail());
        }
        return new Allow(method, new Traveller.OfPod(pod));
    }

    /** Reads a body that is within its limit and whole. */
    private static References read(CheckCall call, MethodRule rule) throws RejectedException {
        // Of a body that crosses the limit with its last frame, Envoy brings a part, and says how long the whole is.
        long size = Math.max(call.size(), call.body().remaining());
        if (size > rule.bodyLimit()) {
            throw new RejectedException(Reason.BODY_TOO_LARGE, size + " bytes");
        }
        if (!call.bodyIsWhole()) {
            throw new RejectedException(
                    Reason.BODY_PARTIAL,
                    call.body().remaining() + " of " + call.size() + " bytes came with the question");
        }
        return MessageScanner.scanUnary(rule.messages(), call.body());
    }

    private static Deny deny(Reason reason, String detail) {
        return new Deny(reason, ANONYMOUS, null, detail);
    }

    private static Deny deny(Reason reason, Principal principal, @Nullable String asked, String detail) {
        return new Deny(
                reason, PrincipalHeader.format(principal), asked == null ? null : LoggableNames.of(asked), detail);
    }
}
