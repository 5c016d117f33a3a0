package io.sallyport.identity;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.util.Base64URL;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.StrictJson.Value;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A compact JWS (RFC 7515) of which only the outside has been checked: three parts in their one canonical spelling, and
 * a header that is strict JSON. Nothing in it is true yet.
 *
 * <p>One signature verifies under many spellings of a token (unused bits of a last character, padding, {@code +} for
 * {@code -}), so every part must be exactly what encoding its bytes gives.
 */
final class CompactJws {
    /** More than a token of ours ever needs; also bounds the work done for a stranger. */
    static final int MAX_LENGTH = 8 * 1024;

    private static final Set<String> HEADER_MEMBERS = Set.of("alg", "kid", "typ");

    private final String[] parts;
    private final Map<String, Value> header;
    private final byte[] payload;

    private CompactJws(String[] parts, Map<String, Value> header, byte[] payload) {
        this.parts = parts;
        this.header = header;
        this.payload = payload;
    }

    static CompactJws parse(String token) throws RejectedException {
        if (token.length() > MAX_LENGTH) {
            throw new RejectedException(Reason.TOKEN_TOO_LONG, "longer than " + MAX_LENGTH + " characters");
        }
        String[] parts = token.split("\\.", -1);
        if (parts.length != 3) {
            throw malformed("not three parts");
        }
        byte[] header = decodePart(parts[0]);
        byte[] payload = decodePart(parts[1]);
        byte[] signature = decodePart(parts[2]);
        if (header == null || payload == null || signature == null) {
            throw malformed("a part is not canonical base64url");
        }
        return new CompactJws(
                parts,
                StrictJson.parse(header).orElseThrow(() -> malformed("the header is not strictly a JSON object")),
                payload);
    }

    /** The bytes of a part; null when it is not the one way to write them. */
    static byte @Nullable [] decodePart(String part) {
        byte[] bytes;
        try {
            bytes = Base64.getUrlDecoder().decode(part);
        } catch (IllegalArgumentException e) {
            return null;
        }
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes).equals(part) ? bytes : null;
    }

    /**
     * Checks {@code typ} first (a token of another kind that the same key signed must not come further), then that
     * nothing but {@code alg}, {@code kid}, {@code typ} stands there, then the algorithm.
     *
     * @param allowedTypes the values {@code typ} may have, compared exactly
     * @param mayBeAbsent whether a token without {@code typ} is one
     */
    void checkHeader(Set<String> allowedTypes, boolean mayBeAbsent) throws RejectedException {
        Value type = header.get("typ");
        boolean typeFits =
                type == null ? mayBeAbsent : type instanceof Value.Text(String t) && allowedTypes.contains(t);
        if (!typeFits) {
            throw new RejectedException(Reason.TOKEN_TYPE, "typ is not one of this kind of token");
        }
        if (!HEADER_MEMBERS.containsAll(header.keySet())) {
            throw new RejectedException(Reason.TOKEN_HEADER, "a header member other than alg, kid, typ");
        }
        if (!(header.get("alg") instanceof Value.Text(String algorithm)) || !algorithm.equals("EdDSA")) {
            throw new RejectedException(Reason.TOKEN_ALGORITHM, "alg is not EdDSA");
        }
    }

    /** {@code kid}, in the characters a key's name may have. */
    String keyId() throws RejectedException {
        if (!(header.get("kid") instanceof Value.Text(String keyId))) {
            throw new RejectedException(Reason.TOKEN_HEADER, "no kid");
        }
        if (!KeyDirectory.isKeyId(keyId)) {
            throw new RejectedException(Reason.TOKEN_KEY_UNKNOWN, "kid has characters no key's name has");
        }
        return keyId;
    }

    /** The payload, once the signature over it is right. */
    Map<String, Value> verifiedPayload(Map<String, JWSVerifier> keys) throws RejectedException {
        String keyId = keyId();
        JWSVerifier key = keys.get(keyId);
        if (key == null) {
            throw new RejectedException(Reason.TOKEN_KEY_UNKNOWN, "no key " + keyId);
        }
        if (!isSignedBy(key)) {
            throw new RejectedException(Reason.TOKEN_SIGNATURE, "not signed by key " + keyId);
        }
        return payload()
                .orElseThrow(
                        () -> new RejectedException(Reason.TOKEN_CLAIMS, "the payload is not strictly a JSON object"));
    }

    /** The payload as it claims to be: nothing in it is true. Empty when it is not strictly a JSON object. */
    Optional<Map<String, Value>> payload() {
        return StrictJson.parse(payload);
    }

    /** The header as it claims to be: nothing in it is true. */
    Map<String, Value> header() {
        return header;
    }

    /** Nimbus is given the header as it was read here, so that nobody reads it a second time, and in another way. */
    private boolean isSignedBy(JWSVerifier key) {
        // What is not passed on (crit, b64) may say that something else was signed.
        if (!HEADER_MEMBERS.containsAll(header.keySet())
                || !(header.get("alg") instanceof Value.Text(String algorithm))) {
            return false;
        }
        byte[] signingInput = (parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII);
        try {
            return key.verify(
                    new JWSHeader.Builder(JWSAlgorithm.parse(algorithm)).build(),
                    signingInput,
                    new Base64URL(parts[2]));
        } catch (JOSEException | IllegalArgumentException | IllegalStateException e) {
            return false; // "none" is no algorithm to Nimbus
        }
    }

    private static RejectedException malformed(String detail) {
        return new RejectedException(Reason.TOKEN_MALFORMED, detail);
    }

    @Override
    public String toString() {
        return "CompactJws[" + Arrays.stream(parts).mapToInt(String::length).sum() + " characters]";
    }
}
