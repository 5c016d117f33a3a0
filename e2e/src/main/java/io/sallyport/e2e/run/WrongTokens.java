package io.sallyport.e2e.run;

import io.sallyport.identity.Ed25519;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.identity.SandboxTokenMinter;
import io.sallyport.identity.SigningKey;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPairGenerator;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;

/** Tokens that must not be believed. */
final class WrongTokens {
    private final GatewayId gateway;
    private final SigningKey key;
    private final Ed25519 signatures = Ed25519.choose();
    private final InstantSource clock;

    /**
     * @param keys the directory of the issuer's key: an expired token is one that the issuer itself once made
     * @throws IOException when the key cannot be read
     */
    WrongTokens(String gatewayId, Path keys, InstantSource clock) throws IOException {
        this.gateway = new GatewayId(gatewayId);
        this.key = KeyDirectory.readSigning(keys);
        this.clock = clock;
    }

    /** Right in every word, but signed with a key of the forger's own under our key's name. */
    String forged(String sandbox) {
        return mint(gateway, strangersKey(key.keyId()), sandbox, clock.instant());
    }

    /** A good token of somebody else's gateway. */
    String ofAnotherIssuer(String sandbox) {
        return mint(new GatewayId("elsewhere"), strangersKey("key-of-elsewhere"), sandbox, clock.instant());
    }

    /** Made by our issuer's key, and over for an hour. */
    String expired(String sandbox) {
        return mint(gateway, key, sandbox, clock.instant().minus(Duration.ofHours(2)));
    }

    private String mint(GatewayId issuer, SigningKey signer, String sandbox, Instant issuedAt) {
        return new SandboxTokenMinter(issuer, signer, signatures)
                .mint(new SandboxClaims(
                        new SandboxId(sandbox),
                        Optional.of("walk-through"),
                        Optional.empty(),
                        issuedAt,
                        issuedAt.plus(Duration.ofHours(1)),
                        signer.keyId()));
    }

    private static SigningKey strangersKey(String keyId) {
        try {
            return new SigningKey(
                    keyId,
                    KeyPairGenerator.getInstance("Ed25519").generateKeyPair().getPrivate());
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java runtime has Ed25519", e);
        }
    }
}
