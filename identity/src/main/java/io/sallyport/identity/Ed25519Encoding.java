package io.sallyport.identity;

import java.math.BigInteger;

/**
 * Which encodings of Ed25519 signatures and points are canonical (RFC 8032, sections 5.1.2 and 5.1.7).
 *
 * <p>A scalar {@code S} and {@code S + L} verify alike in a careless library, and a coordinate can be written with or
 * without {@code p} added: two spellings of one signature. Verifying libraries disagree about these, so they are refused
 * before any library is asked.
 */
final class Ed25519Encoding {
    static final int KEY_BYTES = 32;
    static final int SIGNATURE_BYTES = 64;

    private static final BigInteger P = BigInteger.TWO.pow(255).subtract(BigInteger.valueOf(19));
    private static final BigInteger D = BigInteger.valueOf(-121665)
            .multiply(BigInteger.valueOf(121666).modInverse(P))
            .mod(P);

    /** The order of the group, 2^252 + 27742317777372353535851937790883648493, as little-endian bytes. */
    private static final byte[] L =
            littleEndian(BigInteger.TWO.pow(252).add(new BigInteger("27742317777372353535851937790883648493")));

    private static final byte[] P_BYTES = littleEndian(P);

    private Ed25519Encoding() {}

    /** Whether a signature is 64 bytes, its {@code S} below the group's order and its {@code R} written in one way. */
    static boolean isCanonicalSignature(byte[] signature) {
        return signature.length == SIGNATURE_BYTES
                && isBelow(signature, KEY_BYTES, L, 0xff)
                && isBelow(signature, 0, P_BYTES, 0x7f);
    }

    /**
     * Whether 32 bytes are a public key one may trust: the coordinate is canonical and the point is not one of the eight
     * of small order, for which anybody can make signatures.
     */
    static boolean isSoundPublicKey(byte[] key) {
        return key.length == KEY_BYTES && isBelow(key, 0, P_BYTES, 0x7f) && !hasSmallOrder(key);
    }

    /** Little-endian comparison of 32 bytes at {@code from}, the top byte masked. */
    private static boolean isBelow(byte[] bytes, int from, byte[] bound, int topMask) {
        for (int i = KEY_BYTES - 1; i >= 0; i--) {
            int mine = bytes[from + i] & (i == KEY_BYTES - 1 ? topMask : 0xff);
            int other = bound[i] & 0xff;
            if (mine != other) {
                return mine < other;
            }
        }
        return false;
    }

    /** Whether the point's order divides 8; its y alone tells. */
    private static boolean hasSmallOrder(byte[] key) {
        BigInteger y = y(key);
        BigInteger y2 = y.multiply(y).mod(P);
        // The curve is -x² + y² = 1 + d·x²·y². Orders 1 and 2 have y = ±1, order 4 has y = 0. Doubling gives the
        // y-coordinate (x² + y²) / (2 + x² - y²); a point of order 8 doubles to y = 0, so x² = -y², and the curve's
        // equation becomes 2y² = 1 - d·y⁴.
        boolean orderUpTo4 = y.signum() == 0 || y2.equals(BigInteger.ONE);
        BigInteger order8 = D.multiply(y2)
                .multiply(y2)
                .add(y2.shiftLeft(1))
                .subtract(BigInteger.ONE)
                .mod(P);
        return orderUpTo4 || order8.signum() == 0;
    }

    private static BigInteger y(byte[] key) {
        byte[] bigEndian = new byte[KEY_BYTES];
        for (int i = 0; i < KEY_BYTES; i++) {
            bigEndian[i] = key[KEY_BYTES - 1 - i];
        }
        bigEndian[0] &= 0x7f;
        return new BigInteger(1, bigEndian);
    }

    private static byte[] littleEndian(BigInteger number) {
        byte[] bytes = new byte[KEY_BYTES];
        for (int i = 0; i < KEY_BYTES; i++) {
            bytes[i] = number.shiftRight(8 * i).byteValue();
        }
        return bytes;
    }
}
