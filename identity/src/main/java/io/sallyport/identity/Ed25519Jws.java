package io.sallyport.identity;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSObject;
import com.nimbusds.jose.JWSSigner;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.Payload;
import com.nimbusds.jose.crypto.impl.BaseJWSProvider;
import com.nimbusds.jose.util.Base64URL;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** Lets Nimbus sign and verify ({@code alg} EdDSA, RFC 8037) with the provider that was chosen at start. */
final class Ed25519Jws {
    private Ed25519Jws() {}

    /** A verifier for each key of a set. */
    static Map<String, JWSVerifier> verifiers(PublicKeys keys, Ed25519 signatures) {
        Map<String, JWSVerifier> verifiers = new HashMap<>();
        for (String keyId : keys.keyIds()) {
            PublicKey key = keys.find(keyId);
            if (key != null) {
                verifiers.put(keyId, new Verifier(signatures.prepare(key), signatures));
            }
        }
        return Map.copyOf(verifiers);
    }

    /** The compact form of a payload, with a header of {@code alg}, {@code kid}, {@code typ}. */
    static String sign(String type, String keyId, Signer signer, String payload) {
        JWSHeader header = new JWSHeader.Builder(JWSAlgorithm.EdDSA)
                .keyID(keyId)
                .type(new JOSEObjectType(type))
                .build();
        JWSObject jws = new JWSObject(header, new Payload(payload));
        try {
            jws.sign(signer);
        } catch (JOSEException e) {
            throw new IllegalStateException("signing failed with key " + keyId + ": " + e.getMessage());
        }
        return jws.serialize();
    }

    static final class Verifier extends BaseJWSProvider implements JWSVerifier {
        private final PublicKey key;
        private final Ed25519 signatures;

        Verifier(PublicKey key, Ed25519 signatures) {
            super(Set.of(JWSAlgorithm.EdDSA));
            this.key = key;
            this.signatures = signatures;
        }

        @Override
        public boolean verify(JWSHeader header, byte[] signingInput, Base64URL signature) {
            return JWSAlgorithm.EdDSA.equals(header.getAlgorithm())
                    && signatures.verify(key, signingInput, signature.decode());
        }
    }

    static final class Signer extends BaseJWSProvider implements JWSSigner {
        private final PrivateKey key;
        private final Ed25519 signatures;

        Signer(SigningKey key, Ed25519 signatures) {
            super(Set.of(JWSAlgorithm.EdDSA));
            this.key = signatures.prepare(key.key());
            this.signatures = signatures;
        }

        @Override
        public Base64URL sign(JWSHeader header, byte[] signingInput) {
            return Base64URL.encode(signatures.sign(key, signingInput));
        }
    }
}
