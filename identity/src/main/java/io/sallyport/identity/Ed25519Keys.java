package io.sallyport.identity;

import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Ed25519 keys in the files they come in: SPKI {@code PUBLIC KEY} and PKCS#8 {@code PRIVATE KEY} in PEM (RFC 7468, RFC
 * 8410).
 *
 * <p>PKCS#8 has two versions. OpenSSL and the JDK write the first; {@code ring} writes the second (RFC 5958), which
 * carries the public key too, and older releases of it tag that key explicitly instead of implicitly. All three are
 * read. No message here ever quotes what a file holds.
 */
final class Ed25519Keys {
    /** SEQUENCE { OID 1.3.101.112 }. */
    private static final byte[] ALGORITHM = HexFormat.of().parseHex("300506032b6570");

    private static final byte[] SPKI_PREFIX = HexFormat.of().parseHex("302a300506032b6570032100");
    private static final byte[] PKCS8_V1_PREFIX = HexFormat.of().parseHex("302e020100300506032b657004220420");
    private static final Pattern PEM =
            Pattern.compile("\\s*-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\\s]*)-----END ([A-Z0-9 ]+)-----\\s*");

    private Ed25519Keys() {}

    /** A key file that cannot be used; the message says why and never what the file holds. */
    static final class BadKeyException extends Exception {
        private static final long serialVersionUID = 1;

        BadKeyException(String message) {
            super(message, null, false, false);
        }
    }

    /** A private key, and the public key its file carried, if it did. */
    record PrivateHalf(PrivateKey key, Optional<byte[]> rawPublic) {
        @Override
        public String toString() {
            return "PrivateHalf[…]";
        }
    }

    /** The 32 bytes of a public key. */
    static byte[] rawPublic(PublicKey key) {
        byte[] spki = key.getEncoded();
        if (spki == null
                || spki.length != SPKI_PREFIX.length + Ed25519Encoding.KEY_BYTES
                || !Arrays.equals(spki, 0, SPKI_PREFIX.length, SPKI_PREFIX, 0, SPKI_PREFIX.length)) {
            throw new IllegalArgumentException("not an Ed25519 public key");
        }
        return Arrays.copyOfRange(spki, SPKI_PREFIX.length, spki.length);
    }

    static PublicKey readPublic(String pem) throws BadKeyException {
        byte[] der = decode(pem, "PUBLIC KEY");
        if (der.length != SPKI_PREFIX.length + Ed25519Encoding.KEY_BYTES
                || !Arrays.equals(der, 0, SPKI_PREFIX.length, SPKI_PREFIX, 0, SPKI_PREFIX.length)) {
            throw new BadKeyException("is not an Ed25519 public key");
        }
        if (!Ed25519Encoding.isSoundPublicKey(Arrays.copyOfRange(der, SPKI_PREFIX.length, der.length))) {
            throw new BadKeyException("holds a point that is not a sound public key");
        }
        try {
            return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der));
        } catch (GeneralSecurityException e) {
            throw new BadKeyException("holds a point that is not a public key");
        }
    }

    static PrivateHalf readPrivate(String pem) throws BadKeyException {
        byte[] der = decode(pem, "PRIVATE KEY");
        try {
            return privateHalf(der);
        } finally {
            Arrays.fill(der, (byte) 0);
        }
    }

    private static PrivateHalf privateHalf(byte[] der) throws BadKeyException {
        Der outer = new Der(der);
        Der fields = outer.enter(0x30);
        outer.end();
        byte[] version = fields.value(0x02);
        if (version.length != 1 || (version[0] != 0 && version[0] != 1)) {
            throw new BadKeyException("is PKCS#8 of an unknown version; versions 1 and 2 are read");
        }
        if (!fields.skipExactly(ALGORITHM)) {
            throw new BadKeyException("is not an Ed25519 private key");
        }
        Der wrapped = fields.enter(0x04);
        byte[] seed = wrapped.value(0x04);
        wrapped.end();
        if (seed.length != Ed25519Encoding.KEY_BYTES) {
            throw new BadKeyException("is not an Ed25519 private key");
        }
        if (fields.at(0xa0)) {
            fields.value(0xa0); // attributes, of no use here
        }
        Optional<byte[]> rawPublic = Optional.empty();
        if (version[0] == 1 && fields.at(0x81)) {
            rawPublic = Optional.of(bitString(fields.value(0x81)));
        } else if (version[0] == 1 && fields.at(0xa1)) {
            Der explicit = fields.enter(0xa1);
            rawPublic = Optional.of(bitString(explicit.value(0x03)));
            explicit.end();
        }
        fields.end();

        byte[] v1 = Arrays.copyOf(PKCS8_V1_PREFIX, PKCS8_V1_PREFIX.length + seed.length);
        System.arraycopy(seed, 0, v1, PKCS8_V1_PREFIX.length, seed.length);
        try {
            return new PrivateHalf(
                    KeyFactory.getInstance("Ed25519").generatePrivate(new PKCS8EncodedKeySpec(v1)), rawPublic);
        } catch (GeneralSecurityException e) {
            throw new BadKeyException("is not an Ed25519 private key");
        } finally {
            Arrays.fill(seed, (byte) 0);
            Arrays.fill(v1, (byte) 0);
        }
    }

    private static byte[] bitString(byte[] value) throws BadKeyException {
        if (value.length != 1 + Ed25519Encoding.KEY_BYTES || value[0] != 0) {
            throw new BadKeyException("carries a public key that is not an Ed25519 one");
        }
        return Arrays.copyOfRange(value, 1, value.length);
    }

    private static byte[] decode(String pem, String label) throws BadKeyException {
        Matcher block = PEM.matcher(pem);
        if (!block.matches() || !block.group(1).equals(block.group(3))) {
            throw new BadKeyException("is not exactly one PEM block -----BEGIN " + label + "-----");
        }
        if (!block.group(1).equals(label)) {
            throw new BadKeyException("holds another kind of PEM block than " + label);
        }
        try {
            return Base64.getDecoder().decode(block.group(2).replaceAll("\\s", ""));
        } catch (IllegalArgumentException e) {
            throw new BadKeyException("is not PEM: its base64 is damaged");
        }
    }

    static String writePublic(PublicKey key) {
        return pem("PUBLIC KEY", key.getEncoded());
    }

    static String writePrivate(PrivateKey key) {
        return pem("PRIVATE KEY", key.getEncoded());
    }

    private static String pem(String label, byte[] der) {
        String base64 = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
        return "-----BEGIN " + label + "-----\n" + base64 + "\n-----END " + label + "-----\n";
    }

    /** The little of DER that a key needs: definite, minimal, single-byte lengths. */
    private static final class Der {
        private final byte[] bytes;
        private int at;
        private final int limit;

        Der(byte[] bytes) {
            this(bytes, 0, bytes.length);
        }

        private Der(byte[] bytes, int from, int limit) {
            this.bytes = bytes;
            this.at = from;
            this.limit = limit;
        }

        boolean at(int tag) {
            return at < limit && (bytes[at] & 0xff) == tag;
        }

        Der enter(int tag) throws BadKeyException {
            int length = header(tag);
            Der inner = new Der(bytes, at, at + length);
            at += length;
            return inner;
        }

        byte[] value(int tag) throws BadKeyException {
            int length = header(tag);
            byte[] value = Arrays.copyOfRange(bytes, at, at + length);
            at += length;
            return value;
        }

        boolean skipExactly(byte[] expected) {
            int end = at + expected.length;
            if (end > limit || !Arrays.equals(bytes, at, end, expected, 0, expected.length)) {
                return false;
            }
            at = end;
            return true;
        }

        void end() throws BadKeyException {
            if (at != limit) {
                throw damaged();
            }
        }

        private int header(int tag) throws BadKeyException {
            if (!at(tag) || at + 2 > limit) {
                throw damaged();
            }
            int length = bytes[at + 1] & 0xff;
            if (length > 0x7f || at + 2 + length > limit) {
                throw damaged();
            }
            at += 2;
            return length;
        }

        private static BadKeyException damaged() {
            return new BadKeyException("is damaged, or not an Ed25519 key in PKCS#8");
        }
    }
}
