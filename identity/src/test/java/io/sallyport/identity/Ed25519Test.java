package io.sallyport.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.identity.Ed25519.Candidate;
import java.nio.charset.StandardCharsets;
import java.security.Provider;
import java.security.Security;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class Ed25519Test {
    private static final byte[] MESSAGE = "header.payload".getBytes(StandardCharsets.US_ASCII);

    static List<Candidate> providers() {
        return Ed25519.candidates();
    }

    @ParameterizedTest
    @MethodSource("providers")
    void everyProviderSignsAndVerifiesAlike(Candidate candidate) {
        Ed25519 signatures = Ed25519.choose(List.of(candidate));
        Ed25519 jdk = Ed25519.portable();

        byte[] signature = signatures.sign(signatures.prepare(TestKeys.A.key()), MESSAGE);

        assertThat(signatures.name()).isEqualTo(candidate.name());
        assertThat(signature).isEqualTo(jdk.sign(jdk.prepare(TestKeys.A.key()), MESSAGE));
        var open = signatures.prepare(TestKeys.publicKey(TestKeys.PUBLIC_A));
        assertThat(signatures.verify(open, MESSAGE, signature)).isTrue();
        for (int bit = 0; bit < 512; bit++) {
            byte[] changed = signature.clone();
            changed[bit / 8] ^= (byte) (1 << (bit % 8));
            assertThat(signatures.verify(open, MESSAGE, changed))
                    .as("bit %d", bit)
                    .isFalse();
        }
    }

    @ParameterizedTest
    @MethodSource("providers")
    void signaturesOfAnyOtherLengthAreRefusedNotThrown(Candidate candidate) {
        Ed25519 signatures = Ed25519.choose(List.of(candidate));
        var open = signatures.prepare(TestKeys.publicKey(TestKeys.PUBLIC_A));

        for (int length : new int[] {0, 1, 63, 65, 128}) {
            assertThat(signatures.verify(open, MESSAGE, new byte[length])).isFalse();
        }
    }

    @Test
    void theFastestIsTriedFirst() {
        assertThat(Ed25519.candidates().stream().map(Candidate::name))
                .containsExactly("Amazon Corretto Crypto Provider", "Bouncy Castle", "the JDK");
    }

    @Test
    void whatDoesNotWorkHereIsPassedOver() {
        Provider jdk = Security.getProvider("SunEC");
        Ed25519 chosen = Ed25519.choose(List.of(
                new Candidate("no native code", () -> {
                    throw new UnsatisfiedLinkError("for another processor");
                }),
                new Candidate("broken", () -> {
                    throw new IllegalStateException("will not load");
                }),
                new Candidate("without Ed25519", () -> Security.getProvider("SUN")),
                new Candidate("the last", () -> jdk)));

        assertThat(chosen.name()).isEqualTo("the last");
    }

    @Test
    void aProviderWithWrongAnswersIsPassedOver() {
        Ed25519 chosen = Ed25519.choose(List.of(
                new Candidate("says yes to everything", YesProvider::new),
                new Candidate("right", () -> Security.getProvider("SunEC"))));

        assertThat(chosen.name()).isEqualTo("right");
    }

    @Test
    void nothingThatWorksIsAnError() {
        assertThatThrownBy(() -> Ed25519.choose(List.of(new Candidate("lying", YesProvider::new))))
                .isInstanceOf(IllegalStateException.class);
    }

    /** The eight points of small order, and coordinates written with p added. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "0100000000000000000000000000000000000000000000000000000000000000",
                "0100000000000000000000000000000000000000000000000000000000000080",
                "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                "0000000000000000000000000000000000000000000000000000000000000000",
                "0000000000000000000000000000000000000000000000000000000000000080",
                "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
                "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
                "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
                "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                "01",
            })
    void unsoundPublicKeys(String hex) {
        assertThat(Ed25519Encoding.isSoundPublicKey(HexFormat.of().parseHex(hex)))
                .isFalse();
    }

    /** The two halves of a signature, R and S, at the edges of what is canonical: asked before any provider. */
    @ParameterizedTest
    @CsvSource({
        // S: the group's order, one below it, far above it
        "00, edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010, false",
        "00, ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010, true",
        "00, eed3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010, false",
        "00, ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff1f, false",
        "00, ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff, false",
        "00, 00, true",
        // R: p, one below it, p with the sign bit
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f, 00, false",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f, 00, true",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff, 00, false",
    })
    void canonicalSignatures(String r, String s, boolean canonical) {
        byte[] signature = new byte[64];
        byte[] rBytes = HexFormat.of().parseHex(r);
        byte[] sBytes = HexFormat.of().parseHex(s);
        System.arraycopy(rBytes, 0, signature, 0, rBytes.length);
        System.arraycopy(sBytes, 0, signature, 32, sBytes.length);

        assertThat(Ed25519Encoding.isCanonicalSignature(signature)).isEqualTo(canonical);
    }

    @ParameterizedTest
    @ValueSource(strings = {TestKeys.PUBLIC_A, TestKeys.PUBLIC_B})
    void soundPublicKeys(String hex) {
        assertThat(Ed25519Encoding.isSoundPublicKey(HexFormat.of().parseHex(hex)))
                .isTrue();
    }

    /** Accepts any signature and makes the right one for no message. */
    public static final class YesProvider extends Provider {
        private static final long serialVersionUID = 1;

        YesProvider() {
            super("Yes", "1", "says yes to everything");
            put("Signature.Ed25519", Yes.class.getName());
        }
    }

    /** See {@link YesProvider}: right for the known vector, and careless. */
    public static final class Yes extends java.security.SignatureSpi {
        @Override
        protected void engineInitVerify(java.security.PublicKey key) {}

        @Override
        protected void engineInitSign(java.security.PrivateKey key) {}

        @Override
        protected void engineUpdate(byte b) {}

        @Override
        protected void engineUpdate(byte[] bytes, int from, int length) {}

        @Override
        protected byte[] engineSign() {
            return HexFormat.of()
                    .parseHex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                            + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
        }

        @Override
        protected boolean engineVerify(byte[] signature) {
            return true;
        }

        @Override
        @Deprecated
        protected void engineSetParameter(String name, Object value) {}

        @Override
        @Deprecated
        protected Object engineGetParameter(String name) {
            throw new UnsupportedOperationException(name);
        }
    }
}
