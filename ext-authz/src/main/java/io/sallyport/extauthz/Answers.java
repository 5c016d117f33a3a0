package io.sallyport.extauthz;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.grpc.Status;
import io.sallyport.base.Reason;
import io.sallyport.extauthz.Decision.Traveller;
import io.sallyport.extauthz.envoy.CheckResponses;
import io.sallyport.extauthz.envoy.CheckResponses.Denied;
import io.sallyport.extauthz.envoy.CheckResponses.Ok;
import io.sallyport.extauthz.envoy.DynamicMetadata;
import io.sallyport.extauthz.envoy.Fields;
import io.sallyport.extauthz.guard.Announcement;
import io.sallyport.identity.Principal;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.policy.MethodRule;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.EnumMap;
import java.util.HexFormat;
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
            if (reason.statusCode() != Status.Code.OK) {
                denials.put(reason, new Answer(denial(reason).toByteArray()));
            }
        }
        // Nobody is not to become somebody at the gateway either, by a credential that we did not look at.
        Principal nobody = new Principal.Anonymous();
        this.anonymous = CheckResponses.allows(setPrincipal(nobody).remove("authorization"), principalMetadata(nobody))
                .toByteArray();
        this.unnamed = CheckResponses.allows(Ok.UNCHANGED.remove(PrincipalHeader.NAME), DynamicMetadata.NONE)
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
        return CheckResponses.goesOn(Ok.UNCHANGED.set(PrincipalHeader.ASSERTION_NAME, assertion))
                .toByteArray();
    }

    private byte[] about(Principal.Sandbox sandbox) {
        byte[] known = sandboxes.getIfPresent(sandbox.id());
        return known == null ? sandboxes.get(sandbox.id(), _ -> build(sandbox)) : known;
    }

    private byte[] build(Principal.Sandbox sandbox) {
        Ok ok = setPrincipal(sandbox);
        return CheckResponses.allows(
                        stripCredentials ? ok.remove("authorization") : ok,
                        principalMetadata(sandbox)
                                .with("sandbox_id", sandbox.id().value()))
                .toByteArray();
    }

    private byte[] about(SandboxClaims token) {
        return token.expiresAt().equals(Instant.MAX)
                ? NOTHING
                : tokenEnd.at(token.expiresAt().getEpochSecond());
    }

    /** What the stream guard needs to know beyond what every answer says. */
    private byte[] announce(SandboxClaims token) {
        return CheckResponses.says(Announcement.of(token, policyDigest)).toByteArray();
    }

    /** What all allowing answers about a method have in common: for {@link OpenMethod#answer}. */
    byte[] about(MethodRule rule) {
        DynamicMetadata method = DynamicMetadata.NONE.with("method", rule.path());
        return rule.destination() == MethodRule.Destination.GATEWAY
                ? CheckResponses.goesOn(Ok.UNCHANGED.remove(PrincipalHeader.ASSERTION_NAME), method)
                        .toByteArray()
                : CheckResponses.says(method).toByteArray();
    }

    private static Fields allowAs(Principal principal) {
        return CheckResponses.allows(setPrincipal(principal), principalMetadata(principal));
    }

    private static Ok setPrincipal(Principal principal) {
        return Ok.UNCHANGED.set(PrincipalHeader.NAME, PrincipalHeader.format(principal));
    }

    private static DynamicMetadata principalMetadata(Principal principal) {
        return DynamicMetadata.NONE.with("principal", PrincipalHeader.format(principal));
    }

    private static Fields denial(Reason reason) {
        Status.Code code = reason.statusCode();
        Denied denied = Denied.of(httpStatus(code), reason.text())
                .set("grpc-status", Integer.toString(code.value()))
                .set("grpc-message", percentEncode(reason.text()));
        if (code == Status.Code.UNAVAILABLE) {
            denied =
                    denied.set("retry-after", RETRY_AFTER_SECONDS).set("grpc-retry-pushback-ms", RETRY_PUSHBACK_MILLIS);
        }
        return CheckResponses.denies(code.value(), denied);
    }

    private static int httpStatus(Status.Code code) {
        return switch (code) {
            case UNAUTHENTICATED -> 401;
            case PERMISSION_DENIED -> 403;
            case INVALID_ARGUMENT -> 400;
            case RESOURCE_EXHAUSTED -> 429;
            case UNIMPLEMENTED -> 501;
            case DEADLINE_EXCEEDED -> 504;
            default -> 503;
        };
    }

    /** As the gRPC over HTTP/2 protocol spells {@code grpc-message}: everything but printable ASCII, and {@code %}. */
    static String percentEncode(String text) {
        HexFormat hex = HexFormat.of().withUpperCase();
        StringBuilder encoded = new StringBuilder(text.length());
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            if (b >= ' ' && b <= '~' && b != '%') {
                encoded.append((char) b);
            } else {
                encoded.append('%').append(hex.toHexDigits(b));
            }
        }
        return encoded.toString();
    }
}
