package io.sallyport.extauthz;

import io.grpc.Status;
import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Outcome;
import io.sallyport.identity.AuthenticatorChain;
import io.sallyport.identity.CachedSandboxTokens;
import io.sallyport.identity.Principal;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Who is calling: the {@code authorization} header, shown to the authenticators.
 *
 * <p>A token that was seen before is known again without its signature. What has to be looked at is looked at as often
 * as its connection deserves.
 */
final class Callers {
    private final CachedSandboxTokens tokens;
    private final AuthenticatorChain chain;
    private final AuthenticatorChain renewals;
    private final AuthenticatorChain beginnings;
    private final ConnectionFailures failures;

    /** What a credential is shown for. */
    enum Purpose {
        /** A call like any other. */
        USE,
        /** The call that asks for the next token: one that has only just ended will do. */
        RENEW,
        /** The call that asks for the first token: a pod has none yet. */
        BEGIN
    }

    /**
     * @param tokens what is remembered of sandbox tokens
     * @param chain every authenticator, the one behind {@code tokens} included
     * @param renewals asked after a token that has ended, when it is shown to be renewed; remembers nothing
     * @param beginnings every authenticator that knows who may ask for a first token; remembers nobody who may
     */
    Callers(
            CachedSandboxTokens tokens,
            AuthenticatorChain chain,
            AuthenticatorChain renewals,
            AuthenticatorChain beginnings,
            ConnectionFailures failures) {
        this.tokens = tokens;
        this.chain = chain;
        this.renewals = renewals;
        this.beginnings = beginnings;
        this.failures = failures;
    }

    /**
     * The caller as far as it is known without verifying anything; null when that would take a verification.
     */
    @Nullable Caller remembered(CheckCall call, Purpose purpose) {
        AuthorizationHeader header = call.authorization();
        if (header == null) {
            return new Caller.Nobody();
        }
        ByteBuffer token = header.afterBearer();
        return switch (token == null ? null : tokens.peek(token)) {
            case Outcome.Authenticated(Principal principal) -> new Caller.Known(principal);
            case Outcome.Rejected(Reason reason, String _)
            when purpose == Purpose.RENEW && reason == Reason.TOKEN_EXPIRED -> null;
            case Outcome.Rejected(Reason reason, String detail) -> new Caller.Refused(reason, detail);
            case Outcome.Declined() -> null; // another authenticator may know it
            case null -> null;
        };
    }

    /** The caller, verified if need be. */
    Caller identify(CheckCall call, Purpose purpose) {
        Caller known = remembered(call, purpose);
        if (known != null) {
            return known;
        }
        AuthorizationHeader header = call.authorization();
        return header == null ? new Caller.Nobody() : verify(header, call, purpose);
    }

    private Caller verify(AuthorizationHeader header, CheckCall call, Purpose purpose) {
        if (failures.tooMany(call.connection())) {
            return new Caller.Refused(Reason.TOO_MANY_FAILURES, "");
        }
        Outcome outcome = (purpose == Purpose.BEGIN ? beginnings : chain).authenticate(header.reveal(), call.path());
        if (purpose == Purpose.RENEW
                && outcome instanceof Outcome.Rejected(Reason reason, String _)
                && reason == Reason.TOKEN_EXPIRED) {
            outcome = renewals.authenticate(header.reveal(), call.path());
        }
        return switch (outcome) {
            case Outcome.Authenticated(Principal principal) -> new Caller.Known(principal);
            case Outcome.Rejected(Reason reason, String detail)
            when reason == Reason.CREDENTIAL_UNKNOWN -> new Caller.Stranger(detail);
            case Outcome.Rejected(Reason reason, String detail) -> {
                if (reason.statusCode() == Status.Code.UNAUTHENTICATED) {
                    failures.count(call.connection());
                }
                yield new Caller.Refused(reason, detail);
            }
            case Outcome.Declined() -> new Caller.Refused(Reason.INTERNAL, "the chain of authenticators declined");
        };
    }
}
