package io.sallyport.issuer.service;

import com.google.protobuf.Timestamp;
import io.grpc.stub.StreamObserver;
import io.sallyport.api.openshell01.IssueSandboxTokenRequest;
import io.sallyport.api.openshell01.IssueSandboxTokenResponse;
import io.sallyport.api.openshell01.OpenShellGrpc;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.openshell01.RefreshSandboxTokenResponse;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.Principal;
import io.sallyport.identity.SandboxClaims;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The two methods of the gateway's API that Envoy sends to the issuer. Its other methods are unimplemented here.
 *
 * <p>The messages are those of API generation 0.1; on the wire both generations read the answer.
 */
public final class TokenService extends OpenShellGrpc.OpenShellImplBase {
    private static final Logger log = System.getLogger(TokenService.class.getName());
    private static final int MAX_EXTENSION_SERVICES = 64;
    private static final String CALLER = "anonymous";

    private final Calls calls;
    private final Assertions assertions;
    private final SandboxLimits limits;
    private final TokenMint mint;
    private final AtomicBoolean extensionsMentioned = new AtomicBoolean();

    public TokenService(Calls calls, Assertions assertions, SandboxLimits limits, TokenMint mint) {
        this.calls = calls;
        this.assertions = assertions;
        this.limits = limits;
        this.mint = mint;
    }

    /**
     * A new token of the caller's lineage.
     *
     * <p>Asked-for extension services are checked like everything else in a request, and no credentials are made for
     * them: the gateway's extensions are not ours to vouch for.
     */
    @Override
    public void refreshSandboxToken(
            RefreshSandboxTokenRequest request, StreamObserver<RefreshSandboxTokenResponse> observer) {
        calls.answer(OpenShellGrpc.getRefreshSandboxTokenMethod().getFullMethodName(), CALLER, observer, call -> {
            SandboxClaims token = assertions.requireSandbox(call);
            call.sandboxAsked(token.sandbox().value());
            TokenMint.Minted minted;
            try (SandboxLimits.Permit _ = limits.enter(token.sandbox(), call)) {
                checkExtensions(request.getExtensionServiceNamesList());
                minted = mint.refresh(token);
            }
            if (request.getExtensionServiceNamesCount() > 0) {
                sayOnceThatThereAreNoExtensions();
            }
            call.minted(minted);
            Instant expires = minted.expires();
            return RefreshSandboxTokenResponse.newBuilder()
                    .setToken(minted.token())
                    .setExpiresAtMs(expires.toEpochMilli())
                    .setExpirationTime(Timestamp.newBuilder().setSeconds(expires.getEpochSecond()))
                    .build();
        });
    }

    /**
     * The first token of a new lineage, for a pod: which sandbox it is, ext-authz has found out and vouches for.
     *
     * <p>Whoever has a token already, or comes without ext-authz's word, is refused.
     */
    @Override
    public void issueSandboxToken(
            IssueSandboxTokenRequest request, StreamObserver<IssueSandboxTokenResponse> observer) {
        calls.answer(OpenShellGrpc.getIssueSandboxTokenMethod().getFullMethodName(), CALLER, observer, call -> {
            if (call.headers().assertions().isEmpty()) {
                throw new RejectedException(Reason.SERVICE_ACCOUNT_REQUIRED, "");
            }
            Principal.ServiceAccount pod = assertions.requirePod(call);
            call.sandboxAsked(pod.sandbox().value());
            TokenMint.Minted minted;
            try (SandboxLimits.Permit _ = limits.enter(pod.sandbox(), call)) {
                minted = mint.bootstrapPod(pod);
            }
            call.minted(minted);
            Instant expires = minted.expires();
            return IssueSandboxTokenResponse.newBuilder()
                    .setToken(minted.token())
                    .setExpiresAtMs(expires.toEpochMilli())
                    .setExpirationTime(Timestamp.newBuilder().setSeconds(expires.getEpochSecond()))
                    .build();
        });
    }

    private void sayOnceThatThereAreNoExtensions() {
        if (extensionsMentioned.compareAndSet(false, true)) {
            log.log(
                    Level.INFO,
                    "a sandbox asked for credentials of extension services: its token was renewed, and there are none"
                            + " from here. This is said once");
        }
    }

    private static void checkExtensions(List<String> names) throws RejectedException {
        if (names.size() > MAX_EXTENSION_SERVICES) {
            throw new RejectedException(
                    Reason.REQUEST_INVALID, "at most " + MAX_EXTENSION_SERVICES + " extension_service_names");
        }
        Set<String> seen = new HashSet<>();
        for (String name : names) {
            if (name.isEmpty() || !seen.add(name)) {
                throw new RejectedException(
                        Reason.REQUEST_INVALID, "extension_service_names must be unique and not empty");
            }
        }
    }
}
