package io.sallyport.extauthz;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import com.google.rpc.Status;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption.HeaderAppendAction;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.envoyproxy.envoy.service.auth.v3.DeniedHttpResponse;
import io.envoyproxy.envoy.service.auth.v3.OkHttpResponse;
import io.envoyproxy.envoy.type.v3.HttpStatus;
import io.envoyproxy.envoy.type.v3.StatusCode;
import io.sallyport.base.Reason;
import io.sallyport.extauthz.Decision.Traveller;
import io.sallyport.extauthz.guard.Announcement;
import io.sallyport.identity.Principal;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.policy.MethodRule;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

/**
 * Turns decisions into {@code CheckResponse} bytes.
 *
 * <p>An allowing answer sets {@code x-sandbox-principal} over whatever came under that name, or removes it when the
 * caller is no principal of ours; it removes {@code x-sandbox-principal-jwt} unless it sets it. A denial carries the HTTP
 * status for HTTP clients, {@code grpc-status} and {@code grpc-message} for gRPC clients (Envoy derives a status of its own
 * otherwise, and a wrong one for 400), and on UNAVAILABLE a hint when to try again.
 */
final class Answers {
    static final String RETRY_AFTER_SECONDS = "1";
    static final String RETRY_PUSHBACK_MILLIS = "1000";

    private static final int MAX_SANDBOXES = 10_000;
    private static final byte[] NOTHING = {};

    private final boolean stripCredentials;
    private final String policyDigest;
    private final Map<Reason, Answer> denials = new EnumMap<>(Reason.class);
    /** What all answers about a sandbox have in common: its name. A token of it adds no more than its end. */
    private final Cache<SandboxId, byte[]> sandboxes = Caffeine.newBuilder()
            .maximumSize(MAX_SANDBOXES)
            .executor(Runnable::run)
            .build();

    private final TokenEnd tokenEnd = TokenEnd.template();
    private final byte[] anonymous;
    private final byte[] unnamed;
    private final byte[] developer;

    /**
     * @param stripCredentials whether {@code authorization} ends here
     * @param policyDigest the policy's, told to the stream guard
     * @param developer the developer's principal, where there is one
     */
    Answers(boolean stripCredentials, String policyDigest, Optional<Principal.User> developer) {
        this.stripCredentials = stripCredentials;
        this.policyDigest = policyDigest;
        for (Reason reason : Reason.values()) {
            if (reason.statusCode() != io.grpc.Status.Code.OK) {
                denials.put(reason, new Answer(denial(reason).toByteArray()));
            }
        }
        // Nobody is not to become somebody at the gateway either, by a credential that we did not look at.
        this.anonymous = allowAs(new Principal.Anonymous()).toBuilder()
                .setOkResponse(setPrincipal(new Principal.Anonymous()).addHeadersToRemove("authorization"))
                .build()
                .toByteArray();
        this.unnamed = allow(OkHttpResponse.newBuilder().addHeadersToRemove(PrincipalHeader.NAME), Struct.newBuilder())
                .toByteArray();
        this.developer = developer.map(user -> allowAs(user).toByteArray()).orElse(NOTHING);
    }

    Answer deny(Reason reason) {
        Answer denial = denials.get(reason);
        if (denial == null) {
            throw new IllegalArgumentException(reason.code() + " is not a refusal");
        }
        return denial;
    }

    /** The answer to a request that goes to the gateway. */
    Answer allow(OpenMethod method, Traveller traveller) {
        return switch (traveller) {
            case Traveller.OfSandbox(Principal.Sandbox principal)
            when method.rule().guarded() ->
                new Answer(about(principal), about(principal.token()), method.answer(), announce(principal.token()));
            case Traveller.OfSandbox(Principal.Sandbox principal) ->
                new Answer(about(principal), about(principal.token()), method.answer());
            case Traveller.OfPod _ ->
                throw new IllegalArgumentException("a pod has business with the token issuer alone");
            case Traveller.Developer() -> {
                if (developer.length == 0) {
                    throw new IllegalStateException("there is no developer");
                }
                yield new Answer(developer, method.answer());
            }
            case Traveller.Anonymous() -> new Answer(anonymous, method.answer());
            case Traveller.Unnamed() -> new Answer(unnamed, method.answer());
        };
    }

    /** The answer to a sandbox's request that goes to the token issuer. */
    Answer allow(OpenMethod method, Principal.Sandbox principal, String assertion) {
        return new Answer(about(principal), about(principal.token()), method.answer(), signed(assertion));
    }

    /** The answer to a pod's request for its first token, which goes to the token issuer. */
    Answer allow(OpenMethod method, Principal.ServiceAccount pod, String assertion) {
        return new Answer(allowAs(pod).toByteArray(), method.answer(), signed(assertion));
    }

    private static byte[] signed(String assertion) {
        return CheckResponse.newBuilder()
                .setOkResponse(
                        OkHttpResponse.newBuilder().addHeaders(overwrite(PrincipalHeader.ASSERTION_NAME, assertion)))
                .build()
                .toByteArray();
    }

    private byte[] about(Principal.Sandbox sandbox) {
        byte[] known = sandboxes.getIfPresent(sandbox.id());
        return known == null ? sandboxes.get(sandbox.id(), _ -> build(sandbox)) : known;
    }

    private byte[] build(Principal.Sandbox sandbox) {
        OkHttpResponse.Builder ok = setPrincipal(sandbox);
        if (stripCredentials) {
            ok.addHeadersToRemove("authorization");
        }
        return allow(
                        ok,
                        principalMetadata(sandbox)
                                .putFields("sandbox_id", text(sandbox.id().value())))
                .toByteArray();
    }

    private byte[] about(SandboxClaims token) {
        return token.expiresAt().equals(Instant.MAX)
                ? NOTHING
                : tokenEnd.at(token.expiresAt().getEpochSecond());
    }

    /** What the stream guard needs to know beyond what every answer says. */
    private byte[] announce(SandboxClaims token) {
        return CheckResponse.newBuilder()
                .setDynamicMetadata(Announcement.of(token, policyDigest))
                .build()
                .toByteArray();
    }

    /** What all allowing answers about a method have in common: for {@link OpenMethod#answer}. */
    byte[] about(MethodRule rule) {
        CheckResponse.Builder part = CheckResponse.newBuilder()
                .setDynamicMetadata(Struct.newBuilder().putFields("method", text(rule.path())));
        if (rule.destination() == MethodRule.Destination.GATEWAY) {
            part.setOkResponse(OkHttpResponse.newBuilder().addHeadersToRemove(PrincipalHeader.ASSERTION_NAME));
        }
        return part.build().toByteArray();
    }

    private static CheckResponse allowAs(Principal principal) {
        return allow(setPrincipal(principal), principalMetadata(principal));
    }

    private static CheckResponse allow(OkHttpResponse.Builder ok, Struct.Builder metadata) {
        return CheckResponse.newBuilder()
                .setStatus(Status.getDefaultInstance())
                .setOkResponse(ok)
                .setDynamicMetadata(metadata)
                .build();
    }

    private static OkHttpResponse.Builder setPrincipal(Principal principal) {
        return OkHttpResponse.newBuilder()
                .addHeaders(overwrite(PrincipalHeader.NAME, PrincipalHeader.format(principal)));
    }

    private static Struct.Builder principalMetadata(Principal principal) {
        return Struct.newBuilder().putFields("principal", text(PrincipalHeader.format(principal)));
    }

    private static CheckResponse denial(Reason reason) {
        io.grpc.Status.Code code = reason.statusCode();
        DeniedHttpResponse.Builder denied = DeniedHttpResponse.newBuilder()
                .setStatus(HttpStatus.newBuilder().setCode(httpStatus(code)))
                .addHeaders(overwrite("grpc-status", Integer.toString(code.value())))
                .addHeaders(overwrite("grpc-message", percentEncode(reason.text())))
                .setBody(reason.text());
        if (code == io.grpc.Status.Code.UNAVAILABLE) {
            denied.addHeaders(overwrite("retry-after", RETRY_AFTER_SECONDS))
                    .addHeaders(overwrite("grpc-retry-pushback-ms", RETRY_PUSHBACK_MILLIS));
        }
        return CheckResponse.newBuilder()
                .setStatus(Status.newBuilder().setCode(code.value()))
                .setDeniedResponse(denied)
                .build();
    }

    private static StatusCode httpStatus(io.grpc.Status.Code code) {
        return switch (code) {
            case UNAUTHENTICATED -> StatusCode.Unauthorized;
            case PERMISSION_DENIED -> StatusCode.Forbidden;
            case INVALID_ARGUMENT -> StatusCode.BadRequest;
            case RESOURCE_EXHAUSTED -> StatusCode.TooManyRequests;
            case UNIMPLEMENTED -> StatusCode.NotImplemented;
            case DEADLINE_EXCEEDED -> StatusCode.GatewayTimeout;
            default -> StatusCode.ServiceUnavailable;
        };
    }

    /** As the gRPC over HTTP/2 protocol spells {@code grpc-message}: everything but printable ASCII, and {@code %}. */
    static String percentEncode(String text) {
        StringBuilder encoded = new StringBuilder(text.length());
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            if (b >= ' ' && b <= '~' && b != '%') {
                encoded.append((char) b);
            } else {
                encoded.append('%').append(String.format("%02X", b & 0xFF));
            }
        }
        return encoded.toString();
    }

    private static HeaderValueOption overwrite(String name, String value) {
        return HeaderValueOption.newBuilder()
                .setHeader(HeaderValue.newBuilder().setKey(name).setValue(value))
                .setAppendAction(HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD)
                .build();
    }

    private static Value text(String value) {
        return Value.newBuilder().setStringValue(value).build();
    }
}
