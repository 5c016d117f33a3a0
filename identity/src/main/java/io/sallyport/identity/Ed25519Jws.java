package io.sallyport.identity;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.crypto.impl.BaseJWSProvider;
import com.nimbusds.jose.util.Base64URL;
import io.sallyport.base.Json;
import java.nio.charset.StandardCharsets;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

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

    /** What is signed (RFC 7515, section 5.1): a header of {@code alg}, {@code kid}, {@code typ}, a dot, the payload. */
    static String signingInput(String type, String keyId, String payload) {
        String header = Json.object(json -> {
            json.name("alg").value(JWSAlgorithm.EdDSA.getName());
            json.name("kid").value(keyId);
            json.name("typ").value(type);
        });
        return Base64URL.encode(header) + "." + Base64URL.encode(payload);
    }

    /** Private keys in the form that the provider works with fastest. */
    static final class Signers {
        private final SigningKeys keys;
        private final Map<String, PrivateKey> prepared;
        private final Ed25519 signatures;

        Signers(SigningKeys keys, Ed25519 signatures) {
            this.keys = keys;
            this.prepared = keys.all().stream()
                    .collect(Collectors.toUnmodifiableMap(SigningKey::keyId, key -> signatures.prepare(key.key())));
            this.signatures = signatures;
        }

        /** {@code kid} of the key that signs what is new. */
        String active() {
            return keys.active().keyId();
        }

        /** The compact form (RFC 7515, section 7.1) of what is signed here by that key; empty when it is not there. */
        Optional<String> sign(String keyId, String signingInput) {
            PrivateKey key = prepared.get(keyId);
            return key == null
                    ? Optional.empty()
                    : Optional.of(signingInput + "."
                            + Base64URL.encode(signatures.sign(key, signingInput.getBytes(StandardCharsets.US_ASCII))));
        }
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
}
