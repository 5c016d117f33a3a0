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
    private final ConnectionFailures failures;

    /**
     * @param tokens what is remembered of sandbox tokens
     * @param chain every authenticator, the one behind {@code tokens} included
     * @param renewals asked after a token that has ended, when it is shown to be renewed; remembers nothing
     */
    Callers(
            CachedSandboxTokens tokens,
            AuthenticatorChain chain,
            AuthenticatorChain renewals,
            ConnectionFailures failures) {
        this.tokens = tokens;
        this.chain = chain;
        this.renewals = renewals;
        this.failures = failures;
    }

    /**
     * The caller as far as it is known without verifying anything; null when that would take a verification.
     *
     * @param renews whether the call asks for a new token: then one that has only just ended will do
     */
    @Nullable Caller remembered(CheckCall call, boolean renews) {
        AuthorizationHeader header = call.authorization();
        if (header == null) {
            return new Caller.Nobody();
        }
        ByteBuffer token = header.afterBearer();
        return switch (token == null ? null : tokens.peek(token)) {
            case Outcome.Authenticated(Principal principal) -> new Caller.Known(principal);
            case Outcome.Rejected(Reason reason, String _) when renews && reason == Reason.TOKEN_EXPIRED -> null;
            case Outcome.Rejected(Reason reason, String detail) -> new Caller.Refused(reason, detail);
            case Outcome.Declined() -> null; // another authenticator may know it
            case null -> null;
        };
    }

    /** The caller, verified if need be. */
    Caller identify(CheckCall call, boolean renews) {
        Caller known = remembered(call, renews);
        if (known != null) {
            return known;
        }
        AuthorizationHeader header = call.authorization();
        return header == null ? new Caller.Nobody() : verify(header, call, renews);
    }

    private Caller verify(AuthorizationHeader header, CheckCall call, boolean renews) {
        if (failures.tooMany(call.connection())) {
            return new Caller.Refused(Reason.TOO_MANY_FAILURES, "");
        }
        Outcome outcome = chain.authenticate(header.reveal(), call.path());
        if (renews && outcome instanceof Outcome.Rejected(Reason reason, String _) && reason == Reason.TOKEN_EXPIRED) {
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
