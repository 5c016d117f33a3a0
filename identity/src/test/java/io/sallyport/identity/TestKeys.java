package io.sallyport.identity;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;

/** Two fixed Ed25519 key pairs (RFC 8032, section 7.1) and a forge that signs any header and payload. */
final class TestKeys {
    static final String SEED_A = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    static final String PUBLIC_A = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    static final String SEED_B = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    static final String PUBLIC_B = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";

    static final SigningKey A = new SigningKey("key-a", privateKey(SEED_A));
    static final SigningKey B = new SigningKey("key-b", privateKey(SEED_B));
    static final PublicKeys SET_A = new PublicKeys(Map.of("key-a", publicKey(PUBLIC_A)));
    static final PublicKeys SET_AB = new PublicKeys(Map.of("key-a", publicKey(PUBLIC_A), "key-b", publicKey(PUBLIC_B)));

    private static final Ed25519 SIGNATURES = Ed25519.choose();

    private TestKeys() {}

    /** One provider for all tests: loading one is the slow part. */
    static Ed25519 signatures() {
        return SIGNATURES;
    }

    static PrivateKey privateKey(String seedHex) {
        try {
            return KeyFactory.getInstance("Ed25519")
                    .generatePrivate(
                            new PKCS8EncodedKeySpec(pkcs8V1(HexFormat.of().parseHex(seedHex))));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    static PublicKey publicKey(String hex) {
        try {
            return KeyFactory.getInstance("Ed25519")
                    .generatePublic(new X509EncodedKeySpec(spki(HexFormat.of().parseHex(hex))));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    static byte[] pkcs8V1(byte[] seed) {
        return concat(HexFormat.of().parseHex("302e020100300506032b657004220420"), seed);
    }

    static byte[] spki(byte[] raw) {
        return concat(HexFormat.of().parseHex("302a300506032b6570032100"), raw);
    }

    static byte[] concat(byte[]... parts) {
        java.io.ByteArrayOutputStream all = new java.io.ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    /** A compact JWS with exactly this header and payload text, signed by a key whatever they say. */
    static String forge(String header, String payload, SigningKey key) {
        String input = base64(header) + "." + base64(payload);
        byte[] signature = SIGNATURES.sign(SIGNATURES.prepare(key.key()), input.getBytes(StandardCharsets.US_ASCII));
        return input + "." + base64(signature);
    }

    static String base64(String text) {
        return base64(text.getBytes(StandardCharsets.UTF_8));
    }

    static String base64(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }
}
