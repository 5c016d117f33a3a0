package io.sallyport.identity;

import java.nio.charset.StandardCharsets;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** Signs and verifies compact JWS ({@code alg} EdDSA, RFC 8037) with the provider that was chosen at start. */
final class Ed25519Jws {
    private Ed25519Jws() {}

    /** A verifier for each key of a set. */
    static Map<String, Verifier> verifiers(PublicKeys keys, Ed25519 signatures) {
        Map<String, Verifier> verifiers = new HashMap<>();
        for (String keyId : keys.keyIds()) {
            PublicKey key = keys.find(keyId);
            if (key != null) {
                verifiers.put(keyId, new Verifier(signatures.prepare(key), signatures));
            }
        }
        return Map.copyOf(verifiers);
    }

    /** What is signed (RFC 7515, section 5.1): a header of {@code kid}, {@code typ}, {@code alg}, a dot, the payload. */
    static String signingInput(String type, String keyId, String payload) {
        String header = Json.object(json -> {
            json.writeStringProperty("kid", keyId);
            json.writeStringProperty("typ", type);
            json.writeStringProperty("alg", "EdDSA");
        });
        return encode(header) + "." + encode(payload);
    }

    private static String encode(String text) {
        return CompactJws.encodePart(text.getBytes(StandardCharsets.UTF_8));
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
                            + CompactJws.encodePart(
                                    signatures.sign(key, signingInput.getBytes(StandardCharsets.US_ASCII))));
        }
    }

    /** A public key in the form that the provider works with fastest. */
    record Verifier(PublicKey key, Ed25519 signatures) {
        boolean verify(byte[] signingInput, byte[] signature) {
            return signatures.verify(key, signingInput, signature);
        }
    }
}
