package io.sallyport.identity;

import com.amazon.corretto.crypto.provider.AmazonCorrettoCryptoProvider;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.NoSuchAlgorithmException;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.PublicKey;
import java.security.Security;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * Ed25519 signatures (RFC 8032) by one provider, chosen when the program starts.
 *
 * <p>Providers differ by a factor of twenty in speed, and a little in which odd signatures they let pass. What is
 * accepted here is the same under each of them: {@link Ed25519Encoding} refuses every second spelling of a signature
 * before the provider sees it.
 */
public final class Ed25519 {
    private static final Logger log = System.getLogger(Ed25519.class.getName());
    private static final String ALGORITHM = "Ed25519";

    /** A provider that may or may not run here. */
    record Candidate(String name, Supplier<Provider> provider) {}

    private final String name;
    private final Provider provider;

    private Ed25519(String name, Provider provider) {
        this.name = name;
        this.provider = provider;
    }

    /**
     * The fastest provider that passes its self-test on this machine, said in the log.
     *
     * <p>In order of measured speed: the Amazon Corretto Crypto Provider (native code, Linux on x86-64), Bouncy Castle
     * (pure Java), the JDK's own. The first call costs about a tenth of a second (native code is loaded): call it once,
     * in a main.
     *
     * @throws IllegalStateException when none works, not even the JDK's
     */
    public static Ed25519 choose() {
        return choose(candidates());
    }

    /** The JDK's own provider: slow, and always there. For tools and tests. */
    public static Ed25519 portable() {
        return new Ed25519(jdk().name(), jdk().provider().get());
    }

    static List<Candidate> candidates() {
        return List.of(
                new Candidate("Amazon Corretto Crypto Provider", Ed25519::corretto),
                new Candidate("Bouncy Castle", Ed25519::bouncyCastle),
                jdk());
    }

    static Ed25519 choose(List<Candidate> candidates) {
        for (Candidate candidate : candidates) {
            try {
                Provider provider = Objects.requireNonNull(candidate.provider().get(), "provider is null");
                Ed25519 chosen = new Ed25519(candidate.name(), provider);
                chosen.selfTest();
                log.log(Level.INFO, "Ed25519 by {0} {1}", chosen.name, provider.getVersionStr());
                return chosen;
            } catch (GeneralSecurityException | RuntimeException | LinkageError e) {
                log.log(
                        Level.WARNING,
                        "Ed25519 by {0} does not work here ({1}); trying the next",
                        candidate.name(),
                        e.toString());
            }
        }
        throw new IllegalStateException("no Ed25519 provider works, not even the JDK's own");
    }

    private static Candidate jdk() {
        return new Candidate("the JDK", () -> Security.getProvider("SunEC"));
    }

    private static Provider bouncyCastle() {
        return BouncyCastle.newProvider();
    }

    /** A class of its own, so that the large signed archive is opened only when it is Bouncy Castle's turn. */
    private static final class BouncyCastle {
        static Provider newProvider() {
            return new BouncyCastleProvider();
        }
    }

    private static Provider corretto() {
        AmazonCorrettoCryptoProvider provider = AmazonCorrettoCryptoProvider.INSTANCE;
        Throwable error = provider.getLoadingError();
        if (error != null) {
            throw new IllegalStateException("native code not loaded: " + error);
        }
        return provider;
    }

    /** The chosen provider, for people. */
    public String name() {
        return name;
    }

    /** A key in the form this provider works with fastest. */
    PrivateKey prepare(PrivateKey key) {
        try {
            return KeyFactory.getInstance(ALGORITHM, provider)
                    .generatePrivate(new PKCS8EncodedKeySpec(key.getEncoded()));
        } catch (NoSuchAlgorithmException e) {
            return key; // a provider without a key factory takes the JDK's keys
        } catch (GeneralSecurityException e) {
            // No cause: what a provider says about a private key stays here.
            throw new IllegalArgumentException("not an Ed25519 private key");
        }
    }

    /** A key in the form this provider works with fastest. */
    PublicKey prepare(PublicKey key) {
        try {
            return KeyFactory.getInstance(ALGORITHM, provider).generatePublic(new X509EncodedKeySpec(key.getEncoded()));
        } catch (NoSuchAlgorithmException e) {
            return key;
        } catch (GeneralSecurityException e) {
            throw new IllegalArgumentException("not an Ed25519 public key", e);
        }
    }

    /** The 64 bytes of the signature; the same for the same key and message, always. */
    byte[] sign(PrivateKey key, byte[] message) {
        try {
            Signature signature = Signature.getInstance(ALGORITHM, provider);
            signature.initSign(key);
            signature.update(message);
            return signature.sign();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(
                    "Ed25519 signing failed: " + e.getClass().getSimpleName());
        }
    }

    /** Whether the signature is this key's over this message, in its one canonical spelling. */
    boolean verify(PublicKey key, byte[] message, byte[] signature) {
        if (!Ed25519Encoding.isCanonicalSignature(signature)) {
            return false;
        }
        try {
            Signature verifier = Signature.getInstance(ALGORITHM, provider);
            verifier.initVerify(key);
            verifier.update(message);
            return verifier.verify(signature);
        } catch (GeneralSecurityException e) {
            return false; // some providers throw for what others answer with false
        }
    }

    /** RFC 8032, section 7.1, test 2: signs it, verifies it, and refuses it with one bit changed. */
    private void selfTest() throws GeneralSecurityException {
        HexFormat hex = HexFormat.of();
        KeyFactory keys = KeyFactory.getInstance(ALGORITHM, Security.getProvider("SunEC"));
        PrivateKey secret =
                prepare(keys.generatePrivate(new PKCS8EncodedKeySpec(hex.parseHex("302e020100300506032b657004220420"
                        + "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))));
        PublicKey open = prepare(keys.generatePublic(new X509EncodedKeySpec(hex.parseHex(
                "302a300506032b65700321003d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))));
        byte[] message = {0x72};
        byte[] expected = hex.parseHex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                + "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
        if (!java.util.Arrays.equals(sign(secret, message), expected)) {
            throw new GeneralSecurityException("self-test: a wrong signature");
        }
        if (!verify(open, message, expected)) {
            throw new GeneralSecurityException("self-test: a good signature refused");
        }
        byte[] changed = expected.clone();
        changed[40] ^= 1;
        if (verify(open, message, changed) || verify(open, new byte[] {0x73}, expected)) {
            throw new GeneralSecurityException("self-test: a bad signature accepted");
        }
    }
}
