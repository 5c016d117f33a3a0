package io.sallyport.e2e.wire;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Makes tokens that differ from a good one in one point, signed with the real key: what is refused is refused for that
 * point and for nothing else.
 *
 * <p>Header and claims are JSON text written by hand, so that duplicate members, odd numbers and odd types can be made.
 */
public final class TokenForge {
    private final String gatewayId;
    private final String keyId;
    private final PrivateKey key;
    private final byte[] publicKeyPem;

    private TokenForge(String gatewayId, String keyId, PrivateKey key, byte[] publicKeyPem) {
        this.gatewayId = gatewayId;
        this.keyId = keyId;
        this.key = key;
        this.publicKeyPem = publicKeyPem;
    }

    /** Reads the active key of a key directory. */
    public static TokenForge withKeyOf(Path directory, String gatewayId) {
        try {
            Path folder = directory.resolve(
                    Files.readString(directory.resolve("active")).strip());
            String pem = Files.readString(folder.resolve("signing.pem"), StandardCharsets.US_ASCII);
            byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
            return new TokenForge(
                    gatewayId,
                    Files.readString(folder.resolve("kid")).strip(),
                    KeyFactory.getInstance("Ed25519").generatePrivate(new PKCS8EncodedKeySpec(der)),
                    Files.readAllBytes(folder.resolve("public.pem")));
        } catch (IOException | GeneralSecurityException e) {
            throw new AssertionError("the signing key in " + directory + " cannot be used by the test", e);
        }
    }

    /** The same names, but a key that nobody knows. */
    public TokenForge withStrangersKey() {
        try {
            return new TokenForge(
                    gatewayId,
                    keyId,
                    KeyPairGenerator.getInstance("Ed25519").generateKeyPair().getPrivate(),
                    publicKeyPem);
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e);
        }
    }

    public String keyId() {
        return keyId;
    }

    /** The file that everybody may read: the secret of the HS256 trick. */
    public byte[] publicKeyPem() {
        return publicKeyPem.clone();
    }

    /** A token that is right in every point, good for an hour. */
    public Draft token(String sandboxId) {
        long now = Instant.now().getEpochSecond();
        Draft draft = new Draft();
        draft.header("alg", "\"EdDSA\"").header("kid", quote(keyId)).header("typ", "\"JWT\"");
        draft.claim("iss", quote("openshell-gateway:" + gatewayId))
                .claim("aud", quote("openshell-gateway:" + gatewayId))
                .claim("sub", quote("spiffe://openshell/sandbox/" + sandboxId))
                .claim("sandbox_id", quote(sandboxId))
                .claim("iat", Long.toString(now))
                .claim("exp", Long.toString(now + 3600))
                .claim("jti", quote("forged-" + sandboxId + "-" + Long.toHexString(System.nanoTime())));
        return draft;
    }

    /** JSON text of a text. */
    public static String quote(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    /** Base64url without padding. */
    public static String encode(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    /** A token being made; values are JSON text, a null takes a member away. */
    public final class Draft {
        private final Map<String, String> header = new LinkedHashMap<>();
        private final Map<String, String> claims = new LinkedHashMap<>();
        private String headerAppendix = "";
        private String claimsAppendix = "";

        public Draft header(String name, String json) {
            header.put(name, json);
            return this;
        }

        public Draft withoutHeader(String name) {
            header.remove(name);
            return this;
        }

        public Draft claim(String name, String json) {
            claims.put(name, json);
            return this;
        }

        public Draft withoutClaim(String name) {
            claims.remove(name);
            return this;
        }

        /** JSON text before the header's closing brace, such as {@code ,"kid":"x"}. */
        public Draft headerEndsWith(String json) {
            headerAppendix = json;
            return this;
        }

        /** JSON text before the claims' closing brace. */
        public Draft claimsEndWith(String json) {
            claimsAppendix = json;
            return this;
        }

        /** Header and claims, encoded, without signature. */
        public String signingInput() {
            return encode(json(header, headerAppendix)) + "." + encode(json(claims, claimsAppendix));
        }

        /** Signed with the forge's key, whatever the header says. */
        public String signed() {
            String input = signingInput();
            return input + "." + encode(sign(input));
        }

        private byte[] json(Map<String, String> members, String appendix) {
            return (members.entrySet().stream()
                                    .map(member -> quote(member.getKey()) + ":" + member.getValue())
                                    .collect(Collectors.joining(",", "{", ""))
                            + appendix
                            + "}")
                    .getBytes(StandardCharsets.UTF_8);
        }
    }

    /** The signature over any text. */
    public byte[] sign(String input) {
        try {
            Signature signature = Signature.getInstance("Ed25519");
            signature.initSign(key);
            signature.update(input.getBytes(StandardCharsets.US_ASCII));
            return signature.sign();
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e);
        }
    }
}
