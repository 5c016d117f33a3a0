package io.sallyport.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SandboxTokenMinterTest {
    private static final Instant NOW = Instant.parse("2026-01-02T03:04:05Z");
    private static final GatewayId GATEWAY = new GatewayId("local");

    @TempDir
    Path temp;

    @Test
    void whatIsMintedIsVerifiedAndTheSameClaimsGiveTheSameToken() throws Exception {
        Path keys = temp.resolve("jwt");
        String keyId = KeyDirectory.generate(keys);
        Ed25519 signatures = Ed25519.choose();
        SandboxTokenMinter minter = new SandboxTokenMinter(GATEWAY, KeyDirectory.readSigning(keys), signatures);
        SandboxClaims claims = claims(keyId, NOW.plusSeconds(3600));

        String token = minter.mint(claims);

        assertThat(minter.keyId()).isEqualTo(keyId);
        assertThat(minter.mint(claims)).isEqualTo(token);
        assertThat(decode(token.split("\\.", -1)[0]))
                .isEqualTo("{\"alg\":\"EdDSA\",\"kid\":\"" + keyId + "\",\"typ\":\"JWT\"}");
        assertThat(decode(token.split("\\.", -1)[1]))
                .isEqualTo("{\"iss\":\"openshell-gateway:local\",\"aud\":\"openshell-gateway:local\","
                        + "\"sub\":\"spiffe://openshell/sandbox/alpha\",\"sandbox_id\":\"alpha\","
                        + "\"iat\":1767323045,\"exp\":1767326645,\"jti\":\"t-1\",\"lin\":\"l-1\",\"gen\":2}");
        SandboxTokenVerifier verifier = new SandboxTokenVerifier(
                GATEWAY,
                KeyDirectory.readPublic(keys),
                new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), false),
                signatures,
                InstantSource.fixed(NOW));
        assertThat(verifier.verify(token)).isEqualTo(claims);
    }

    @Test
    void aTokenOfAnotherKeyOrWithoutEndIsNotMinted() throws Exception {
        String keyId = KeyDirectory.generate(temp.resolve("jwt"));
        SandboxTokenMinter minter =
                new SandboxTokenMinter(GATEWAY, KeyDirectory.readSigning(temp.resolve("jwt")), Ed25519.portable());

        assertThatThrownBy(() -> minter.mint(claims("other", NOW.plusSeconds(1))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("other");
        assertThatThrownBy(() -> minter.mint(claims(keyId, Instant.MAX))).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> minter.mint(claims(keyId, NOW))).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aTokenIsMadeAgainFromWhatWasSignedAlsoAfterTheKeysChanged() {
        AtomicReference<SigningKeys> keys = new AtomicReference<>(SigningKeys.of(TestKeys.A));
        SandboxTokenMinter minter = minter(keys);
        SandboxClaims claims = claims("key-a", NOW.plusSeconds(3600));
        String token = minter.mint(claims);
        String signed = minter.signingInput(claims);
        assertThat(token).startsWith(signed + ".");

        keys.set(new SigningKeys(Optional.of(TestKeys.B), List.of(TestKeys.A)));

        assertThat(minter.keyId()).isEqualTo("key-b");
        assertThat(minter.sign("key-a", signed)).contains(token);
        assertThat(minter.mint(claims)).as("begun before the change").isEqualTo(token);
        assertThat(minter.sign("key-b", signed)).isNotEmpty().isNotEqualTo(Optional.of(token));

        keys.set(SigningKeys.of(TestKeys.B));

        assertThat(minter.sign("key-a", signed)).isEmpty();
        assertThatThrownBy(() -> minter.mint(claims)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void whatAnotherReplicaSignedWithAKeyNotYetActiveHereIsSignedAgain() {
        SandboxTokenMinter ahead = minter(new AtomicReference<>(SigningKeys.of(TestKeys.B)));
        SandboxTokenMinter behind =
                minter(new AtomicReference<>(new SigningKeys(Optional.of(TestKeys.A), List.of(TestKeys.B))));
        SandboxClaims claims = claims("key-b", NOW.plusSeconds(3600));

        assertThat(behind.keyId()).isEqualTo("key-a");
        assertThat(behind.sign("key-b", ahead.signingInput(claims))).contains(ahead.mint(claims));
    }

    @Test
    void withoutAnActiveKeyNothingNewIsSigned() {
        SigningKeys tainted = new SigningKeys(Optional.empty(), List.of(TestKeys.A));

        assertThat(tainted.canSign()).isFalse();
        assertThat(tainted).hasToString("SigningKeys[active none, 1 in all]");
        assertThatThrownBy(() -> minter(new AtomicReference<>(tainted)).keyId())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("keys rotate DIR activate");
    }

    private static SandboxTokenMinter minter(AtomicReference<SigningKeys> keys) {
        return new SandboxTokenMinter(GATEWAY, () -> Objects.requireNonNull(keys.get()), TestKeys.signatures());
    }

    private static SandboxClaims claims(String keyId, Instant expiresAt) {
        return new SandboxClaims(
                new SandboxId("alpha"), Optional.of("t-1"), Optional.of(new Lineage("l-1", 2)), NOW, expiresAt, keyId);
    }

    private static String decode(String part) {
        return new String(Base64.getUrlDecoder().decode(part), StandardCharsets.UTF_8);
    }
}
