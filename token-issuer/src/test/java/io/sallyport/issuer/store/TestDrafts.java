package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** Drafts tokens with names that tell them apart, and knows what each of them says. Many threads may share it. */
final class TestDrafts implements TokenDrafts {
    static final Duration LIFETIME = Duration.ofHours(1);

    private final AtomicLong numbers = new AtomicLong();
    private final Map<String, SandboxClaims> claims = new ConcurrentHashMap<>();
    private volatile String keyId = "k1";

    /** What signs from now on. */
    void activate(String key) {
        keyId = key;
    }

    @Override
    public String newLineage() {
        return "lin" + numbers.incrementAndGet();
    }

    @Override
    public TokenDraft draft(SandboxId sandbox, Lineage place, Instant issuedAt) {
        String tokenId = "jti" + numbers.incrementAndGet();
        Instant second = issuedAt.truncatedTo(ChronoUnit.SECONDS);
        SandboxClaims says = new SandboxClaims(
                sandbox, Optional.of(tokenId), Optional.of(place), second, second.plus(LIFETIME), keyId);
        claims.put(tokenId, says);
        return new TokenDraft(tokenId, place, says.expiresAt(), says.keyId(), "signing input of " + tokenId);
    }

    /** What the token of a draft says. */
    SandboxClaims of(TokenDraft draft) {
        return Objects.requireNonNull(claims.get(draft.tokenId()), "not one of these drafts");
    }
}
