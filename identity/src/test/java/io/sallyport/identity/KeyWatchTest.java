package io.sallyport.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.base.RejectedException;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import io.sallyport.identity.KeyDirectory.Use;
import io.sallyport.identity.KeyRotation.Windows;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KeyWatchTest {
    private static final GatewayId GATEWAY = new GatewayId("local");
    private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");
    private static final Windows WINDOWS = Windows.ofAssertions(Duration.ofSeconds(1), Duration.ZERO);

    @TempDir
    Path temp;

    private final List<String> warned = new ArrayList<>();
    private final Logger logger = Logger.getLogger(KeyWatch.class.getName());
    private final Handler handler = new Handler() {
        @Override
        public void publish(LogRecord record) {
            if (record.getLevel().equals(Level.WARNING)) {
                warned.add(record.getMessage() + List.of(record.getParameters()));
            }
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
    };
    private long nanos;
    private Path directory;
    private String first;
    private KeyWatch watch;

    @BeforeEach
    void open() throws IOException {
        logger.addHandler(handler);
        directory = temp.resolve("jwt");
        first = KeyDirectory.generate(directory);
        watch = KeyWatch.open(directory, Use.SIGN_AND_PUBLISH, () -> nanos);
    }

    @AfterEach
    void close() {
        watch.close();
        logger.removeHandler(handler);
    }

    private KeyRotation rotation() {
        return new KeyRotation(directory, WINDOWS, InstantSource.fixed(NOW), _ -> {});
    }

    private String rotate() throws IOException {
        String _ = rotation().prepare();
        return rotation().activate(Optional.empty(), true);
    }

    @Test
    void aRotationIsFollowedAtTheNextTurn() throws Exception {
        KeySet before = watch.keys();
        watch.look();
        assertThat(watch.keys()).as("the same object until they change").isSameAs(before);

        String second = rotation().prepare();
        assertThat(watch.publicKeys().keyIds()).containsExactly(first);
        watch.look();

        assertThat(watch.publicKeys().keyIds()).contains(first, second);
        assertThat(watch.signingKeys().active().keyId()).isEqualTo(first);
        assertThat(before.publicKeys().keyIds())
                .as("a snapshot stays what it was")
                .containsExactly(first);

        String _ = rotation().activate(Optional.empty(), true);
        watch.look();
        assertThat(watch.signingKeys().active().keyId()).isEqualTo(second);
        assertThat(watch.signingKeys().find(first)).isNotNull();
        assertThat(watch.trouble()).isEmpty();
        assertThat(warned).isEmpty();
    }

    @Test
    void itLooksByItselfOnceStarted() throws Exception {
        CountDownLatch turns = new CountDownLatch(2);
        String second = rotate();

        watch.start(Duration.ofMillis(5), turns::countDown);

        assertThat(turns.await(20, TimeUnit.SECONDS)).isTrue();
        assertThat(watch.signingKeys().active().keyId()).isEqualTo(second);
    }

    @Test
    void aBrokenSetIsNotUsedAndWarnedOfAtEveryTurn() throws Exception {
        KeySet good = watch.keys();
        Path active = directory.resolve("active");
        String whole = Files.readString(active);
        Files.writeString(active, "nobody\n");

        for (int turn = 1; turn <= 3; turn++) {
            watch.look();
            assertThat(watch.keys()).isSameAs(good);
            assertThat(warned)
                    .hasSize(turn)
                    .last()
                    .asString()
                    .contains("names key nobody", "last good keys stay in use");
            assertThat(watch.trouble())
                    .hasValueSatisfying(why -> assertThat(why).contains(active.toString()));
        }

        Files.writeString(active, whole);
        watch.look();

        assertThat(watch.trouble()).isEmpty();
        assertThat(watch.keys()).isSameAs(good);
        assertThat(warned).hasSize(3);
    }

    @Test
    void aBrokenSetThatIsMendedInAnotherWayIsUsed() throws Exception {
        String second = rotation().prepare();
        Path open = directory.resolve(second).resolve("public.pem");
        Path aside = temp.resolve("aside");
        Files.move(open, aside);
        watch.look();
        assertThat(watch.trouble()).isPresent();
        assertThat(watch.publicKeys().keyIds()).containsExactly(first);

        Files.move(aside, open);
        watch.look();

        assertThat(watch.trouble()).isEmpty();
        assertThat(watch.publicKeys().keyIds()).contains(first, second);
    }

    @Test
    void aPrivateKeyThatOthersMayReadFromNowOnIsTrouble() throws Exception {
        Files.setPosixFilePermissions(
                directory.resolve(first).resolve("signing.pem"), PosixFilePermissions.fromString("rw-r--r--"));
        watch.look();

        assertThat(watch.trouble()).hasValueSatisfying(why -> assertThat(why).contains("chmod 600"));
        assertThat(watch.signingKeys().active().keyId()).isEqualTo(first);
    }

    @Test
    void aDirectoryThatVanishesIsTrouble() throws Exception {
        Files.move(directory, temp.resolve("gone"));
        watch.look();

        assertThat(watch.trouble()).hasValueSatisfying(why -> assertThat(why).contains("is not a directory"));
        assertThat(watch.publicKeys().keyIds()).containsExactly(first);
    }

    @Test
    void aTaintedActiveKeyIsNotKeptAsTheLastGoodOne() throws Exception {
        Files.createFile(directory.resolve(first).resolve("tainted"));
        watch.look();
        watch.look();

        assertThat(watch.signingKeys().canSign()).isFalse();
        assertThat(watch.publicKeys().keyIds()).isEmpty();
        assertThat(watch.trouble()).hasValueSatisfying(why -> assertThat(why).contains("tainted", "activate"));
        assertThat(warned).hasSize(2);
    }

    @Test
    void theFirstSetMustBeWhole() throws Exception {
        Files.delete(directory.resolve("active"));

        assertThatThrownBy(() -> KeyWatch.open(directory, Use.SIGN, () -> 0))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("active: is missing");
        try (KeyWatch verifying = KeyWatch.open(directory, Use.VERIFY, () -> 0)) {
            assertThat(verifying.publicKeys().keyIds()).containsExactly(first);
            assertThatThrownBy(verifying::signingKeys).isInstanceOf(IllegalStateException.class);
        }
    }

    /** As the kubelet does it: a new folder, a new link, renamed over the old one; then the old folder goes. */
    @Test
    void aMountedSecretIsFollowedThroughItsLink() throws Exception {
        Path mount = Files.createDirectory(temp.resolve("mount"));
        mountVersion(mount, "..1", "..0");
        for (String name : List.of(first + ".signing.pem", first + ".public.pem", "active")) {
            Files.createSymbolicLink(mount.resolve(name), Path.of("..data", name));
        }
        try (KeyWatch mounted = KeyWatch.open(mount, Use.SIGN_AND_PUBLISH, () -> 0)) {
            assertThat(mounted.signingKeys().active().keyId()).isEqualTo(first);

            String second = rotate();
            mountVersion(mount, "..2", "..1");
            mounted.look();

            assertThat(mounted.signingKeys().active().keyId()).isEqualTo(second);
            assertThat(mounted.publicKeys().keyIds()).contains(first, second);
            assertThat(mounted.trouble()).isEmpty();
            directory = mount;
            assertThatThrownBy(() -> rotation().prepare()).hasMessageContaining("mounted Secret");
        }
    }

    private void mountVersion(Path mount, String version, String before) throws IOException {
        Path data = mount.resolve(version);
        rotation().export(data, false);
        try (var files = Files.list(data)) {
            for (Path file : files.toList()) {
                // root's, and readable for the pod's group: what fsGroup makes of defaultMode 0400
                Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r-----"));
            }
        }
        Files.createSymbolicLink(mount.resolve("..data_tmp"), Path.of(version));
        Files.move(
                mount.resolve("..data_tmp"),
                mount.resolve("..data"),
                StandardCopyOption.ATOMIC_MOVE,
                StandardCopyOption.REPLACE_EXISTING);
        new KeyDisk().deleteTree(mount.resolve(before));
    }

    @Test
    void anUnknownKeyIsLookedForOnceASecond() throws Exception {
        String second = rotation().prepare();
        watch.lookAgain();
        assertThat(watch.publicKeys().keyIds()).contains(second);

        String _ = rotation().activate(Optional.empty(), true);
        nanos += 999_999_999;
        watch.lookAgain();
        assertThat(watch.signingKeys().active().keyId()).as("too soon").isEqualTo(first);
        nanos += 1;
        watch.lookAgain();
        assertThat(watch.signingKeys().active().keyId()).isEqualTo(second);
        assertThat(warned).isEmpty();
    }

    private CachedSandboxTokens cache() {
        SandboxTokenVerifier verifier = new SandboxTokenVerifier(
                GATEWAY,
                watch,
                new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), false),
                TestKeys.signatures(),
                InstantSource.fixed(NOW));
        return new CachedSandboxTokens(new SandboxTokenAuthenticator(verifier), CachedSandboxTokens.Size.DEFAULT);
    }

    /** A token by the keys that lie in the directory, whatever the watch knows of them. */
    private String mint() throws IOException {
        SandboxTokenMinter minter =
                new SandboxTokenMinter(GATEWAY, KeyDirectory.readSigning(directory), TestKeys.signatures());
        return minter.mint(new SandboxClaims(
                new SandboxId("alpha"),
                Optional.of("t"),
                Optional.of(new Lineage("l", 0)),
                NOW,
                NOW.plusSeconds(3600),
                minter.keyId()));
    }

    private static Outcome ask(CachedSandboxTokens cache, String token) {
        return cache.authenticate(new Credential("bearer", token, "/s/m"));
    }

    @Test
    void aTokenOfAKeyNotYetSeenIsAcceptedByLookingOnce() throws Exception {
        CachedSandboxTokens cache = cache();
        String _ = rotate();

        assertThat(ask(cache, mint())).isInstanceOf(Outcome.Authenticated.class);
    }

    @Test
    void aTokenThatWasRefusedForWantOfItsKeyIsLookedAtAgainOnceTheKeyIsThere() throws Exception {
        CachedSandboxTokens cache = cache();
        watch.lookAgain(); // a stranger used up this second's look
        String _ = rotate();
        String token = mint();
        assertThat(ask(cache, token)).isInstanceOf(Outcome.Rejected.class);
        assertThat(ask(cache, token)).as("remembered").isInstanceOf(Outcome.Rejected.class);

        watch.look();

        assertThat(ask(cache, token)).isInstanceOf(Outcome.Authenticated.class);
    }

    @Test
    void aRememberedTokenIsForgottenWhenItsKeyLeavesAndOthersAreNot() throws Exception {
        CachedSandboxTokens cache = cache();
        String old = mint();
        assertThat(ask(cache, old)).isInstanceOf(Outcome.Authenticated.class);
        String _ = rotate();
        String young = mint();
        watch.look();
        assertThat(ask(cache, young)).isInstanceOf(Outcome.Authenticated.class);
        assertThat(cache.peek(old)).as("still remembered").isInstanceOf(Outcome.Authenticated.class);

        List<String> _ = rotation().remove(Optional.of(first), true);
        watch.look();

        assertThat(cache.peek(old)).isNull();
        assertThat(ask(cache, old)).isInstanceOf(Outcome.Rejected.class);
        assertThat(cache.peek(young)).isInstanceOf(Outcome.Authenticated.class);
    }

    @Test
    void aRememberedTokenIsForgottenWhenItsKeyIsTainted() throws Exception {
        CachedSandboxTokens cache = cache();
        String token = mint();
        assertThat(ask(cache, token)).isInstanceOf(Outcome.Authenticated.class);

        String _ = rotation().taint(first, "stolen");
        watch.look();

        assertThat(cache.peek(token)).isNull();
        assertThat(ask(cache, token)).isInstanceOf(Outcome.Rejected.class);
    }

    @Test
    void aRememberedTokenIsForgottenWhenAnotherKeyTakesTheNameOfItsOwn() throws Exception {
        CachedSandboxTokens cache = cache();
        String token = mint();
        assertThat(ask(cache, token)).isInstanceOf(Outcome.Authenticated.class);

        Path other = temp.resolve("other");
        String otherId = KeyDirectory.generate(other);
        for (String name : List.of("public.pem", "signing.pem")) {
            Files.move(
                    other.resolve(otherId).resolve(name),
                    directory.resolve(first).resolve(name),
                    StandardCopyOption.REPLACE_EXISTING);
        }
        watch.look();

        assertThat(cache.peek(token)).isNull();
        assertThat(ask(cache, token)).isInstanceOf(Outcome.Rejected.class);
    }

    @Test
    void assertionsFollowOnBothSides() throws Exception {
        AssertionMinter minter = new AssertionMinter(
                GATEWAY,
                watch::signingKeys,
                AssertionMinter.DEFAULT_LIFETIME,
                TestKeys.signatures(),
                InstantSource.fixed(NOW));
        try (KeyWatch verifying = KeyWatch.open(directory, Use.VERIFY, () -> nanos)) {
            AssertionVerifier verifier = new AssertionVerifier(
                    GATEWAY, verifying, Duration.ZERO, TestKeys.signatures(), InstantSource.fixed(NOW));
            Assertion assertion = new Assertion(new Assertion.Caller.ExtAuthz(), "/s/m");
            String old = minter.mint(assertion);
            String second = rotate();
            watch.look();
            String young = minter.mint(assertion);

            assertThat(verifier.verify(old, "/s/m")).isEqualTo(assertion);
            assertThat(verifier.verify(young, "/s/m")).isEqualTo(assertion);
            assertThat(verifying.publicKeys().keyIds()).contains(second);

            List<String> _ = rotation().remove(Optional.of(first), true);
            verifying.look();
            assertThatThrownBy(() -> verifier.verify(old, "/s/m")).isInstanceOf(RejectedException.class);
        }
    }
}
