package io.sallyport.extauthz;

import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.identity.AssertionMinter;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.identity.SandboxTokenMinter;
import io.sallyport.identity.SandboxTokenVerifier;
import io.sallyport.policy.AccessPolicy;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;

/** Keys of a test's own, and tokens signed with them. */
final class TestIdentity {
    static final GatewayId GATEWAY = new GatewayId("local");
    static final SandboxTokenVerifier.Limits LIMITS =
            new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), false);

    final Path tokenKeys;
    final Path assertionKeys;
    private final Ed25519 signatures = Ed25519.portable();
    private final SandboxTokenMinter minter;
    private final InstantSource clock;
    private int minted;

    TestIdentity(Path directory, InstantSource clock) throws IOException {
        this.clock = clock;
        tokenKeys = directory.resolve("jwt");
        assertionKeys = directory.resolve("assertion");
        KeyDirectory.generate(tokenKeys);
        KeyDirectory.generate(assertionKeys);
        minter = new SandboxTokenMinter(GATEWAY, KeyDirectory.readSigning(tokenKeys), signatures);
    }

    /** A token of an hour's life, different each time. */
    String token(String sandbox) {
        return token(sandbox, clock.instant());
    }

    /** A token that ended a second more than the leeway ago. */
    String expiredToken(String sandbox) {
        return token(
                sandbox,
                clock.instant()
                        .minus(Duration.ofHours(1))
                        .minus(LIMITS.leeway())
                        .minusSeconds(1));
    }

    private synchronized String token(String sandbox, Instant from) {
        minted++;
        return minter.mint(new SandboxClaims(
                new SandboxId(sandbox),
                Optional.of("jti-" + minted),
                Optional.of(new Lineage("lin-" + sandbox, 0)),
                from,
                from.plus(Duration.ofHours(1)),
                minter.keyId()));
    }

    /** A token as an unchanged gateway mints it: without an id, and of no lineage. */
    String gatewaysToken(String sandbox) {
        Instant from = clock.instant();
        return minter.mint(new SandboxClaims(
                new SandboxId(sandbox),
                Optional.empty(),
                Optional.empty(),
                from,
                from.plus(Duration.ofHours(1)),
                minter.keyId()));
    }

    String keyId() {
        return minter.keyId();
    }

    SandboxTokenVerifier verifier() throws IOException {
        return new SandboxTokenVerifier(GATEWAY, KeyDirectory.readPublic(tokenKeys), LIMITS, signatures, clock);
    }

    AssertionMinter assertionMinter() throws IOException {
        return new AssertionMinter(
                GATEWAY, KeyDirectory.readSigning(assertionKeys), AssertionMinter.DEFAULT_LIFETIME, signatures, clock);
    }

    static AccessPolicy policy(String preset) {
        try {
            return AccessPolicy.load(Settings.parse("test", "policy: {preset: " + preset + "}", new Problems())
                    .section("policy"));
        } catch (InvalidSettingsException e) {
            throw new AssertionError(e);
        }
    }
}
