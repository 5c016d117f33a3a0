package io.sallyport.identity;

import static io.sallyport.identity.TestKeys.concat;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyPairGenerator;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class KeyDirectoryTest {
    private static final byte[] SEED = HexFormat.of().parseHex(TestKeys.SEED_A);
    private static final byte[] PUBLIC = HexFormat.of().parseHex(TestKeys.PUBLIC_A);

    @TempDir
    Path temp;

    /** The ways a private key is written, all of the same key. */
    enum PrivateForm {
        V1_OF_OPENSSL("302e020100300506032b657004220420", ""),
        V2_OF_RING("3051020101300506032b657004220420", "812100" + TestKeys.PUBLIC_A),
        V2_OF_OLDER_RING("3053020101300506032b657004220420", "a123032100" + TestKeys.PUBLIC_A),
        V2_WITHOUT_PUBLIC_KEY("302e020101300506032b657004220420", ""),
        V1_WITH_ATTRIBUTES("3030020100300506032b657004220420", "a000");

        private final String hex;

        PrivateForm(String before, String after) {
            hex = before + TestKeys.SEED_A + after;
        }

        byte[] der() {
            return HexFormat.of().parseHex(hex);
        }
    }

    private static String pem(String label, byte[] der) {
        return "-----BEGIN " + label + "-----\n"
                + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der) + "\n-----END " + label + "-----\n";
    }

    private Path flat(String signing, String open, String keyId) throws IOException {
        Path directory = Files.createDirectory(temp.resolve("flat"));
        writeKey(directory, signing, open, keyId);
        return directory;
    }

    private static void writeKey(Path folder, String signing, String open, String keyId) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("signing.pem"), signing);
        Files.setPosixFilePermissions(folder.resolve("signing.pem"), PosixFilePermissions.fromString("rw-------"));
        Files.writeString(folder.resolve("public.pem"), open);
        Files.writeString(folder.resolve("kid"), keyId);
    }

    private static String signingA() {
        return pem("PRIVATE KEY", PrivateForm.V1_OF_OPENSSL.der());
    }

    private static String publicA() {
        return pem("PUBLIC KEY", TestKeys.spki(PUBLIC));
    }

    private static String publicB() {
        return pem("PUBLIC KEY", TestKeys.spki(HexFormat.of().parseHex(TestKeys.PUBLIC_B)));
    }

    /** Refused, in a message that names the file and says what to do, and quotes no key, nor does any cause. */
    private static void assertRefused(ThrowingCallable call, String... parts) {
        assertThatThrownBy(call).isInstanceOf(IOException.class).satisfies(e -> {
            assertThat(e.getMessage()).contains(parts);
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                assertThat(cause.toString())
                        .doesNotContain(Base64.getEncoder().encodeToString(SEED).substring(4, 16))
                        .doesNotContain(signingA().substring(60, 72))
                        .doesNotContain(TestKeys.SEED_A.substring(0, 12));
            }
        });
    }

    @ParameterizedTest
    @EnumSource
    void everyFormOfAPrivateKeyInTheGatewaysLayout(PrivateForm form) throws Exception {
        Path directory = flat(pem("PRIVATE KEY", form.der()), publicA(), "  gateway-key\n");

        SigningKey key = KeyDirectory.readSigning(directory);

        assertThat(key.keyId()).isEqualTo("gateway-key");
        assertThat(key.key()).isEqualTo(TestKeys.privateKey(TestKeys.SEED_A));
        assertThat(KeyDirectory.readPublic(directory).keyIds()).containsExactly("gateway-key");
    }

    @Test
    void whatTheJdkWritesIsRead() throws Exception {
        var pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
        Path directory = flat(
                pem("PRIVATE KEY", pair.getPrivate().getEncoded()),
                pem("PUBLIC KEY", pair.getPublic().getEncoded()),
                "k");

        assertThat(KeyDirectory.readSigning(directory).key()).isEqualTo(pair.getPrivate());
    }

    @Test
    void generatedKeysAreReadBackAndAreForTheirOwnerAlone() throws Exception {
        Path directory = temp.resolve("deep/er/jwt");

        String keyId = KeyDirectory.generate(directory);

        PublicKeys keys = KeyDirectory.readPublic(directory);
        assertThat(keyId)
                .matches("[0-9a-f]{32}")
                .isEqualTo(KeyDirectory.generatedKeyId(Objects.requireNonNull(keys.find(keyId))));
        assertThat(KeyDirectory.readSigning(directory).keyId()).isEqualTo(keyId);
        assertThat(Files.readString(directory.resolve("active"))).isEqualTo(keyId + "\n");
        assertThat(Files.readString(directory.resolve(keyId).resolve("kid"))).isEqualTo(keyId + "\n");
        assertThat(mode(directory)).isEqualTo("rwx------");
        assertThat(mode(directory.resolve(keyId))).isEqualTo("rwx------");
        assertThat(mode(directory.resolve(keyId).resolve("signing.pem"))).isEqualTo("rw-------");
        try (Stream<Path> siblings = Files.list(directory.getParent())) {
            assertThat(siblings.map(path -> path.getFileName().toString())).containsExactly("jwt");
        }
    }

    @Test
    void theNameOfAGeneratedKeyIsTheBeginningOfItsDigest() throws Exception {
        byte[] digest = java.security.MessageDigest.getInstance("SHA-256").digest(TestKeys.spki(PUBLIC));

        assertThat(KeyDirectory.generatedKeyId(TestKeys.publicKey(TestKeys.PUBLIC_A)))
                .isEqualTo(HexFormat.of().formatHex(digest).substring(0, 32));
    }

    @Test
    void generatingNeverOverwrites() throws Exception {
        Path directory = temp.resolve("jwt");
        String keyId = KeyDirectory.generate(directory);
        byte[] signing = Files.readAllBytes(directory.resolve(keyId).resolve("signing.pem"));

        assertRefused(() -> KeyDirectory.generate(directory), directory.toString(), "never overwritten");

        assertThat(Files.readAllBytes(directory.resolve(keyId).resolve("signing.pem")))
                .isEqualTo(signing);
        try (Stream<Path> left = Files.list(temp)) {
            assertThat(left).containsExactly(directory);
        }
    }

    @Test
    void generatingTakesAnEmptyDirectoryAndNoLinkAndNoFile() throws Exception {
        Path empty = Files.createDirectory(temp.resolve("empty"));
        assertThat(KeyDirectory.generate(empty)).isNotEmpty();

        Path link = Files.createSymbolicLink(temp.resolve("link"), Files.createDirectory(temp.resolve("target")));
        assertRefused(() -> KeyDirectory.generate(link), "link", "choose another place");
        Path file = Files.createFile(temp.resolve("file"));
        assertRefused(() -> KeyDirectory.generate(file), "file", "choose another place");
    }

    @Test
    void severalKeysAndTheActiveOne() throws Exception {
        Path directory = temp.resolve("jwt");
        writeKey(directory.resolve("key-a"), signingA(), publicA(), "key-a\n");
        writeKey(
                directory.resolve("key-b"),
                pem("PRIVATE KEY", TestKeys.pkcs8V1(HexFormat.of().parseHex(TestKeys.SEED_B))),
                publicB(),
                "key-b\n");
        Files.writeString(directory.resolve("active"), "key-b\n");

        assertThat(KeyDirectory.readPublic(directory).keyIds()).containsExactly("key-a", "key-b");
        assertThat(KeyDirectory.readSigning(directory).keyId()).isEqualTo("key-b");
        assertThat(KeyDirectory.readSigning(directory).key()).isEqualTo(TestKeys.privateKey(TestKeys.SEED_B));
    }

    @Test
    void eachSideNeedsOnlyItsHalf() throws Exception {
        Path verifying = temp.resolve("verifying");
        writeKey(verifying.resolve("key-a"), signingA(), publicA(), "key-a");
        Files.delete(verifying.resolve("key-a/signing.pem"));
        assertThat(KeyDirectory.readPublic(verifying).keyIds()).containsExactly("key-a");

        Path signing = temp.resolve("signing");
        writeKey(signing.resolve("key-a"), signingA(), publicA(), "key-a");
        Files.delete(signing.resolve("key-a/public.pem"));
        Files.writeString(signing.resolve("active"), "key-a");
        assertThat(KeyDirectory.readSigning(signing).keyId()).isEqualTo("key-a");
    }

    @Test
    void aMountedKubernetesSecretIsRead() throws Exception {
        Path data = temp.resolve("mount/..2026_01_01");
        writeKey(data, signingA(), publicA(), "key-a");
        Path mount = temp.resolve("mount");
        Files.createSymbolicLink(mount.resolve("..data"), Path.of("..2026_01_01"));
        for (String name : List.of("signing.pem", "public.pem", "kid")) {
            Files.createSymbolicLink(mount.resolve(name), Path.of("..data", name));
        }

        assertThat(KeyDirectory.readPublic(mount).keyIds()).containsExactly("key-a");
        assertThat(KeyDirectory.readSigning(mount).keyId()).isEqualTo("key-a");
    }

    @ParameterizedTest
    @ValueSource(strings = {"rw-r-----", "rw----r--", "rw--w----", "rw-----w-", "rw---x---", "r--r--r--"})
    void aPrivateKeyThatOthersMayTouchIsRefused(String mode) throws Exception {
        Path directory = flat(signingA(), publicA(), "k");
        Path file = directory.resolve("signing.pem");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(mode));

        assertRefused(() -> KeyDirectory.readSigning(directory), "chmod 600 " + file);
        assertRefused(() -> KeyDirectory.readPublic(directory), "chmod 600 " + file);
    }

    @Test
    void aReadOnlyPrivateKeyIsFine() throws Exception {
        Path directory = flat(signingA(), publicA(), "k");
        Files.setPosixFilePermissions(directory.resolve("signing.pem"), PosixFilePermissions.fromString("r--------"));

        assertThat(KeyDirectory.readSigning(directory).keyId()).isEqualTo("k");
    }

    @Test
    void halvesThatDoNotBelongTogether() throws Exception {
        Path directory = flat(signingA(), publicB(), "k");

        assertRefused(() -> KeyDirectory.readSigning(directory), "public.pem", "not the public half");
        assertRefused(() -> KeyDirectory.readPublic(directory), "public.pem", "not the public half");
    }

    @Test
    void aPrivateKeyThatCarriesAnotherPublicKey() throws Exception {
        byte[] lying = concat(
                HexFormat.of().parseHex("3051020101300506032b657004220420"),
                SEED,
                HexFormat.of().parseHex("812100" + TestKeys.PUBLIC_B));

        Path directory = flat(pem("PRIVATE KEY", lying), publicA(), "k");

        assertRefused(() -> KeyDirectory.readSigning(directory), "public.pem", "not the public half");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " \n", "a/b", "..", ".hidden", "../k", "a b", "a\nb", "k\u00e9", "k\0"})
    void keyNamesThatAreNone(String keyId) throws Exception {
        Path directory = flat(signingA(), publicA(), keyId);

        assertRefused(() -> KeyDirectory.readPublic(directory), directory.resolve("kid") + ": does not hold a kid");
        assertRefused(() -> KeyDirectory.readSigning(directory), directory.resolve("kid") + ": does not hold a kid");
    }

    @Test
    void twoFoldersWithOneName() throws Exception {
        Path directory = temp.resolve("jwt");
        writeKey(directory.resolve("key-a"), signingA(), publicA(), "key-a");
        writeKey(directory.resolve("key-b"), signingA(), publicA(), "key-a");

        assertRefused(
                () -> KeyDirectory.readPublic(directory),
                directory.resolve("key-b/kid").toString(),
                "says key-a",
                "rename the folder");
    }

    @ParameterizedTest
    @ValueSource(strings = {"public.pem", "kid"})
    void aHalfWrittenKey(String missing) throws Exception {
        Path directory = temp.resolve("jwt");
        writeKey(directory.resolve("key-a"), signingA(), publicA(), "key-a");
        Files.delete(directory.resolve("key-a").resolve(missing));

        assertRefused(
                () -> KeyDirectory.readPublic(directory),
                directory.resolve("key-a").resolve(missing) + ": is missing");
    }

    @Test
    void theActiveFile() throws Exception {
        Path directory = temp.resolve("jwt");
        writeKey(directory.resolve("key-a"), signingA(), publicA(), "key-a");
        Path active = directory.resolve("active");

        assertRefused(() -> KeyDirectory.readSigning(directory), active + ": is missing");
        Files.writeString(active, "");
        assertRefused(() -> KeyDirectory.readSigning(directory), active + ": does not hold a kid");
        Files.writeString(active, "../jwt/key-a");
        assertRefused(() -> KeyDirectory.readSigning(directory), active + ": does not hold a kid");
        Files.writeString(active, "key-z");
        assertRefused(() -> KeyDirectory.readSigning(directory), active + ": names key key-z");
        Files.writeString(active, "key-a\n");
        assertThat(KeyDirectory.readSigning(directory).keyId()).isEqualTo("key-a");
        Files.delete(directory.resolve("key-a/signing.pem"));
        assertRefused(() -> KeyDirectory.readSigning(directory), "signing.pem: is missing");
    }

    @Test
    void noKeysAtAll() throws Exception {
        Path empty = Files.createDirectory(temp.resolve("empty"));

        String remedy = "keys generate DIR, and name DIR/jwt or DIR/assertion here";
        assertRefused(() -> KeyDirectory.readPublic(empty), "holds no keys", remedy);
        assertRefused(() -> KeyDirectory.readSigning(empty), "holds no keys", remedy);
        assertRefused(() -> KeyDirectory.readPublic(temp.resolve("missing")), "is not a directory", remedy);
        Path keys = temp.resolve("keys");
        assertRefused(
                () -> KeyDirectory.readPublic(keys.resolve("jwt")), "is not a directory", "keys generate " + keys);
    }

    @Test
    void bothLayoutsAtOnce() throws Exception {
        Path directory = flat(signingA(), publicA(), "k");
        writeKey(directory.resolve("key-a"), signingA(), publicA(), "key-a");

        assertRefused(() -> KeyDirectory.readPublic(directory), "keep one layout");
        assertRefused(() -> KeyDirectory.readSigning(directory), "keep one layout");
    }

    @Test
    void aDamagedPrivateKeyIsRefusedWithoutAWordOfIt() throws Exception {
        Path directory = flat(signingA(), publicA(), "k");
        Path file = directory.resolve("signing.pem");
        byte[] der = PrivateForm.V2_OF_RING.der();
        for (int i = 0; i < der.length; i++) {
            byte[] cut = java.util.Arrays.copyOf(der, i);
            Files.writeString(file, pem("PRIVATE KEY", cut));
            assertRefused(() -> KeyDirectory.readSigning(directory), file.toString());
        }
        for (String text : List.of(
                "",
                "rubbish",
                pem("PRIVATE KEY", concat(der, new byte[1])),
                pem("EC PRIVATE KEY", der),
                pem("ENCRYPTED PRIVATE KEY", der),
                publicA(),
                signingA() + signingA(),
                signingA().replace("-----END PRIVATE KEY-----", "-----END PUBLIC KEY-----"),
                signingA().replace("-----END PRIVATE KEY-----", ""),
                signingA().substring(0, 60) + "=" + signingA().substring(60),
                "x" + signingA())) {
            Files.writeString(file, text);
            assertRefused(() -> KeyDirectory.readSigning(directory), file.toString());
        }
    }

    @Test
    void otherKindsOfKeysAreRefused() throws Exception {
        var p256 = KeyPairGenerator.getInstance("EC").generateKeyPair();
        var x25519 = KeyPairGenerator.getInstance("X25519").generateKeyPair();
        Path directory = flat(pem("PRIVATE KEY", x25519.getPrivate().getEncoded()), publicA(), "k");
        assertRefused(() -> KeyDirectory.readSigning(directory), "signing.pem", "not an Ed25519");

        for (byte[] der : List.of(
                p256.getPublic().getEncoded(),
                x25519.getPublic().getEncoded(),
                TestKeys.spki(HexFormat.of().parseHex("01" + "00".repeat(31))), // small order
                TestKeys.spki(HexFormat.of().parseHex("ee" + "ff".repeat(30) + "7f")))) { // not canonical
            Files.writeString(directory.resolve("public.pem"), pem("PUBLIC KEY", der));
            assertRefused(() -> KeyDirectory.readPublic(directory), "public.pem", "put an Ed25519 key");
        }
    }

    @Test
    void aFileThatIsNoKeyIsNotReadWhole() throws Exception {
        Path directory = flat(signingA(), publicA(), "k");
        Files.writeString(directory.resolve("public.pem"), " ".repeat(20_000));

        assertRefused(() -> KeyDirectory.readPublic(directory), "too big");
    }

    @Test
    void noTextFormShowsAKey() throws Exception {
        Path directory = flat(signingA(), publicA(), "k");

        assertThat(KeyDirectory.readSigning(directory)).hasToString("SigningKey[k]");
        assertThat(Ed25519Keys.readPrivate(signingA())).hasToString("PrivateHalf[…]");
        assertThat(new Authenticator.Credential("bearer", "secret", "/s/m").toString())
                .doesNotContain("secret");
    }

    @Test
    void theKeySetDocumentHoldsPublicMembersOnly() {
        assertThat(TestKeys.SET_AB.toJwks())
                .isEqualTo("{\"keys\":["
                        + "{\"kty\":\"OKP\",\"use\":\"sig\",\"crv\":\"Ed25519\",\"kid\":\"key-a\","
                        + "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\",\"alg\":\"EdDSA\"},"
                        + "{\"kty\":\"OKP\",\"use\":\"sig\",\"crv\":\"Ed25519\",\"kid\":\"key-b\","
                        + "\"x\":\"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw\",\"alg\":\"EdDSA\"}]}");
    }

    private static String mode(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }
}
