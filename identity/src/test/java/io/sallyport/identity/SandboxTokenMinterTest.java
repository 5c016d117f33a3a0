package io.sallyport.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.Optional;
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
                .isEqualTo("{\"kid\":\"" + keyId + "\",\"typ\":\"JWT\",\"alg\":\"EdDSA\"}");
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

    private static SandboxClaims claims(String keyId, Instant expiresAt) {
        return new SandboxClaims(
                new SandboxId("alpha"), Optional.of("t-1"), Optional.of(new Lineage("l-1", 2)), NOW, expiresAt, keyId);
    }

    private static String decode(String part) {
        return new String(Base64.getUrlDecoder().decode(part), StandardCharsets.UTF_8);
    }
}
