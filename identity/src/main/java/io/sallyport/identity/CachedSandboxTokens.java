package io.sallyport.identity;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import com.github.benmanes.caffeine.cache.Expiry;
import com.github.benmanes.caffeine.cache.Ticker;
import io.sallyport.base.Reason;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.jspecify.annotations.Nullable;

/**
 * Remembers what {@link SandboxTokenAuthenticator} found about a token, by the token's SHA-256: tokens themselves are
 * not kept.
 *
 * <p>Good tokens stay until they expire, and their time is checked again at every hit. Whatever else was found stays for
 * a few seconds, in a space of its own: a flood of bad tokens cannot push out good ones. What can still come true (a
 * token of the near future) is not remembered. Several callers with the same new token wait for one verification.
 *
 * <p>What was found with one set of keys counts for another only if it is a good token whose very key is also in that one:
 * a token whose key has left is forgotten at its next use, and one that was refused for want of a key is looked at again.
 *
 * <p>{@link #peek} never blocks and is for an event loop; {@link #authenticate} may verify a signature and is for a
 * thread of its own.
 */
public final class CachedSandboxTokens implements Authenticator {
    private static final Outcome EXPIRED = new Outcome.Rejected(Reason.TOKEN_EXPIRED, "exp has passed");

    /**
     * How much is remembered.
     *
     * @param good how many good tokens
     * @param bad how many others
     * @param badFor how long others are remembered
     */
    public record Size(long good, long bad, Duration badFor) {
        /** 50,000 good tokens (about 30 MiB when full), 10,000 others for five seconds. */
        public static final Size DEFAULT = new Size(50_000, 10_000, Duration.ofSeconds(5));

        public Size {
            if (good < 1 || bad < 1 || !badFor.isPositive()) {
                throw new IllegalArgumentException("every size is positive");
            }
        }
    }

    /** A good token, and the keys among which its own is known to be. */
    private record Good(Outcome.Authenticated outcome, PublicKeys keys) {}

    /** Anything else, and the keys it was held against. */
    private record Bad(Outcome outcome, PublicKeys keys) {}

    private final SandboxTokenAuthenticator authenticator;
    private final SandboxTokenVerifier verifier;
    private final Cache<Digest, Good> good;
    private final Cache<Digest, Bad> bad;
    private final ConcurrentMap<Digest, CompletableFuture<Outcome>> running = new ConcurrentHashMap<>();
    private final ThreadLocal<MessageDigest> sha256 = ThreadLocal.withInitial(CachedSandboxTokens::newSha256);

    public CachedSandboxTokens(SandboxTokenAuthenticator authenticator, Size size) {
        this(authenticator, size, Ticker.systemTicker());
    }

    CachedSandboxTokens(SandboxTokenAuthenticator authenticator, Size size, Ticker ticker) {
        this.authenticator = authenticator;
        this.verifier = authenticator.verifier();
        this.good = Caffeine.newBuilder()
                .maximumSize(size.good())
                .ticker(ticker)
                .executor(Runnable::run)
                .expireAfter(Expiry.creating((Digest digest, Good found) -> remaining(found.outcome())))
                .build();
        this.bad = Caffeine.newBuilder()
                .maximumSize(size.bad())
                .ticker(ticker)
                .executor(Runnable::run)
                .expireAfterWrite(size.badFor())
                .build();
    }

    /** What is known about a token (its ASCII bytes); null when it has to be looked at. Never blocks. */
    public @Nullable Outcome peek(byte[] token) {
        return find(digest(token));
    }

    /** What is known about a token (the buffer's remaining bytes); null when it has to be looked at. Never blocks. */
    public @Nullable Outcome peek(ByteBuffer token) {
        MessageDigest sha = sha256.get();
        sha.update(token);
        return find(Digest.of(sha.digest()));
    }

    /** What is known about a token; null when it has to be looked at. Never blocks. */
    public @Nullable Outcome peek(String token) {
        return find(digest(bytes(token)));
    }

    @Override
    public Outcome authenticate(Credential credential) {
        if (!credential.scheme().equals("bearer")) {
            return authenticator.authenticate(credential);
        }
        Digest digest = digest(bytes(credential.value()));
        Outcome known = find(digest);
        if (known != null) {
            return known;
        }
        CompletableFuture<Outcome> mine = new CompletableFuture<>();
        CompletableFuture<Outcome> other = running.putIfAbsent(digest, mine);
        if (other != null) {
            return other.join();
        }
        try {
            // Asked for first: what changes meanwhile is then found changed.
            PublicKeys keys = verifier.publicKeys();
            Outcome outcome = authenticator.authenticate(credential);
            remember(digest, outcome, keys);
            mine.complete(outcome);
            return outcome;
        } catch (RuntimeException | Error e) {
            mine.completeExceptionally(e);
            throw e;
        } finally {
            running.remove(digest, mine);
        }
    }

    /** How many tokens are remembered, good and others. */
    long size() {
        good.cleanUp();
        bad.cleanUp();
        return good.estimatedSize() + bad.estimatedSize();
    }

    @SuppressWarnings("ReferenceEquality") // the very snapshot, not one like it
    private @Nullable Outcome find(Digest digest) {
        PublicKeys now = verifier.publicKeys();
        Good known = good.getIfPresent(digest);
        if (known == null) {
            Bad other = bad.getIfPresent(digest);
            return other != null && other.keys() == now ? other.outcome() : null;
        }
        if (!(known.outcome().principal() instanceof Principal.Sandbox sandbox)) {
            return null;
        }
        if (known.keys() != now) {
            if (!known.keys().sharesKey(sandbox.token().keyId(), now)) {
                good.invalidate(digest);
                return null;
            }
            good.put(digest, new Good(known.outcome(), now));
        }
        return verifier.isExpired(sandbox.token()) ? EXPIRED : known.outcome();
    }

    private void remember(Digest digest, Outcome outcome, PublicKeys keys) {
        switch (outcome) {
            case Outcome.Authenticated authenticated -> good.put(digest, new Good(authenticated, keys));
            case Outcome.Rejected rejected when rejected.reason() == Reason.TOKEN_NOT_YET_VALID -> {}
            case Outcome.Rejected _, Outcome.Declined _ -> bad.put(digest, new Bad(outcome, keys));
        }
    }

    private Duration remaining(Outcome.Authenticated outcome) {
        return outcome.principal() instanceof Principal.Sandbox sandbox
                ? verifier.remaining(sandbox.token())
                : Duration.ZERO;
    }

    private Digest digest(byte[] token) {
        return Digest.of(sha256.get().digest(token));
    }

    /** UTF-8 keeps different texts different; a good token is ASCII anyway. */
    private static byte[] bytes(String token) {
        return token.getBytes(StandardCharsets.UTF_8);
    }

    private static MessageDigest newSha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** 256 bits as a key that compares without following a pointer. */
    private record Digest(long a, long b, long c, long d) {
        private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

        static Digest of(byte[] sha256) {
            return new Digest(
                    (long) LONG.get(sha256, 0), (long) LONG.get(sha256, 8), (long) LONG.get(sha256, 16), (long)
                            LONG.get(sha256, 24));
        }

        @Override
        public int hashCode() {
            return (int) a;
        }
    }
}
