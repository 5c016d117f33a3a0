package io.sallyport.kubernetes;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.crypto.RSASSASigner;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import java.security.GeneralSecurityException;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.text.ParseException;
import java.util.function.UnaryOperator;

/** Tokens that no API server would make: one that it did make, with other claims, under the same header, signed anew. */
public final class ResignedTokens {
    private final RSASSASigner signer;

    private ResignedTokens(PrivateKey key) {
        this.signer = new RSASSASigner(key);
    }

    /** Signed with the cluster's own key, as if the API server had said so. */
    public static ResignedTokens asTheCluster(ApiServer server) {
        return new ResignedTokens(server.signingKey());
    }

    /** Signed with another key: forgeries, which name the cluster's. */
    public static ResignedTokens asAForger() {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
            generator.initialize(2048);
            return new ResignedTokens(generator.generateKeyPair().getPrivate());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The token that says something else. */
    public String change(String token, UnaryOperator<JWTClaimsSet.Builder> claims) {
        try {
            SignedJWT original = SignedJWT.parse(token);
            SignedJWT changed = new SignedJWT(
                    original.getHeader(),
                    claims.apply(new JWTClaimsSet.Builder(original.getJWTClaimsSet()))
                            .build());
            changed.sign(signer);
            return changed.serialize();
        } catch (ParseException | JOSEException e) {
            throw new IllegalStateException(e);
        }
    }
}
