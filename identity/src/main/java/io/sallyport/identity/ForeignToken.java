package io.sallyport.identity;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import java.text.ParseException;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A signed JWT of somebody else's, of which only the outside was looked at: good for refusing it early, and for nothing
 * else. Whoever made it is asked whether it is true.
 */
public final class ForeignToken {
    /** The algorithms a cluster signs ServiceAccount tokens with. */
    private static final Set<JWSAlgorithm> ALGORITHMS =
            Set.of(JWSAlgorithm.RS256, JWSAlgorithm.ES256, JWSAlgorithm.ES384, JWSAlgorithm.ES512);

    private static final int MAX_LENGTH = CompactJws.MAX_LENGTH;

    private final SignedJWT token;
    private final JWTClaimsSet claims;

    private ForeignToken(SignedJWT token, JWTClaimsSet claims) {
        this.token = token;
        this.claims = claims;
    }

    /**
     * Reads a token without believing it.
     *
     * @throws RejectedException {@link Reason#POD_TOKEN_MALFORMED}
     */
    public static ForeignToken parse(String text) throws RejectedException {
        if (text.length() > MAX_LENGTH) {
            throw malformed("longer than " + MAX_LENGTH + " characters");
        }
        try {
            SignedJWT token = SignedJWT.parse(text);
            JWTClaimsSet claims = token.getJWTClaimsSet();
            if (!ALGORITHMS.contains(token.getHeader().getAlgorithm())) {
                throw malformed("signed with an algorithm that no cluster uses");
            }
            return new ForeignToken(token, claims);
        } catch (ParseException | IllegalArgumentException e) {
            // Not what it says: it could quote the token.
            throw malformed("not a signed JWT");
        }
    }

    private static RejectedException malformed(String detail) {
        return new RejectedException(Reason.POD_TOKEN_MALFORMED, detail);
    }

    /** {@code aud}; empty when there is none. */
    public List<String> audience() {
        return claims.getAudience();
    }

    /** {@code sub}; empty when there is none. */
    public String subject() {
        return claims.getSubject() == null ? "" : claims.getSubject();
    }

    /** {@code exp}; null when it never ends. */
    public @Nullable Instant expiresAt() {
        return claims.getExpirationTime() == null
                ? null
                : claims.getExpirationTime().toInstant();
    }

    /** {@code kid}; empty when there is none. */
    public String keyId() {
        return token.getHeader().getKeyID() == null ? "" : token.getHeader().getKeyID();
    }

    SignedJWT jws() {
        return token;
    }

    @Override
    public String toString() {
        return "ForeignToken[" + keyId() + "]";
    }
}
