package io.sallyport.identity;

import io.sallyport.base.RejectedException;
import io.sallyport.identity.StrictJson.Value;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * Knows sandbox tokens.
 *
 * <p>It declines only what clearly is something else: a bearer that is not a JWS at all, or a JWS of an issuer that is
 * no gateway. Whatever has one mark of our family, a key of ours, a type of ours, an issuer {@code openshell-gateway:…},
 * or cannot be read well enough to tell, is judged here, and refused if it is not right. Being declined wins a sender
 * nothing: what is declined is not a sandbox.
 */
public final class SandboxTokenAuthenticator implements Authenticator {
    private static final String FAMILY = "openshell-gateway:";
    private static final Set<String> FAMILY_TYPES =
            Set.of("openshell-sandbox+jwt", "openshell-ext+jwt", AssertionMinter.TYPE);

    private final SandboxTokenVerifier verifier;

    public SandboxTokenAuthenticator(SandboxTokenVerifier verifier) {
        this.verifier = Objects.requireNonNull(verifier, "verifier is null");
    }

    @Override
    public Outcome authenticate(Credential credential) {
        if (!credential.scheme().equals("bearer")) {
            return new Outcome.Declined();
        }
        try {
            SandboxClaims claims = verifier.verify(credential.value());
            return new Outcome.Authenticated(new Principal.Sandbox(claims.sandbox(), claims));
        } catch (RejectedException e) {
            return isClearlyForeign(credential.value())
                    ? new Outcome.Declined()
                    : new Outcome.Rejected(e.reason(), e.detail());
        }
    }

    private boolean isClearlyForeign(String token) {
        if (token.length() > CompactJws.MAX_LENGTH) {
            return false; // not worth reading: refused, whatever it is
        }
        String[] parts = token.split("\\.", -1);
        Optional<Map<String, Value>> header = json(parts[0]);
        if (header.isPresent() && hasMark(header.get())) {
            return false;
        }
        if (parts.length != 3) {
            return true;
        }
        // Three parts: a JWS. Only a whole one that names another issuer is somebody else's.
        return header.isPresent()
                && json(parts[1]).map(claims -> claims.get("iss")).orElse(null) instanceof Value.Text(String issuer)
                && !issuer.startsWith(FAMILY);
    }

    private boolean hasMark(Map<String, Value> header) {
        return (header.get("kid") instanceof Value.Text(String keyId) && verifier.knowsKey(keyId))
                || (header.get("typ") instanceof Value.Text(String type) && FAMILY_TYPES.contains(type));
    }

    private static Optional<Map<String, Value>> json(String part) {
        byte[] bytes = CompactJws.decodePart(part);
        return bytes == null ? Optional.empty() : StrictJson.parse(bytes);
    }

    SandboxTokenVerifier verifier() {
        return verifier;
    }
}
