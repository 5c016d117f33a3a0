package io.sallyport.extauthz;

import io.sallyport.api.registry.v1.Revocation;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import java.time.Instant;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.jspecify.annotations.Nullable;

/**
 * Everything that has been taken back and could still be shown: asked about every token at every use, whatever a cache
 * says about it.
 *
 * <p>Asking takes no lock and allocates nothing. A revocation is forgotten once its time is over: no token that it names
 * could be accepted or renewed after that.
 */
final class Revocations {
    private volatile Set live = new Set();

    /** What a token was taken back by, for the audit log; null when it was not. */
    @Nullable String find(SandboxClaims token) {
        return live.find(token);
    }

    void add(Revocation revocation) throws FeedBrokenException {
        live.add(revocation);
    }

    /** Another set instead of all that was known, at one stroke. */
    void replaceBy(Set other) {
        live = other;
    }

    /** Forgets what is over. */
    void expire(Instant now) {
        live.expire(now.getEpochSecond());
    }

    int size() {
        return live.size();
    }

    /** One set of revocations. Safe for one writer and any number of readers. */
    static final class Set {
        private static final Long FOR_EVER = Long.MAX_VALUE;

        /** To the second of the epoch when each is over. */
        private final ConcurrentMap<String, Long> tokens = new ConcurrentHashMap<>();

        private final ConcurrentMap<String, Long> lineages = new ConcurrentHashMap<>();
        private final ConcurrentMap<String, Long> keys = new ConcurrentHashMap<>();
        private final ConcurrentMap<String, OfSandbox> sandboxes = new ConcurrentHashMap<>();

        /** @param lastSecond tokens issued in it or before it are taken back */
        private record OfSandbox(long lastSecond, long until) {}

        @Nullable String find(SandboxClaims token) {
            if (token.tokenId().isPresent()
                    && tokens.containsKey(token.tokenId().get())) {
                return "the token is revoked";
            }
            if (token.lineage().isPresent()) {
                Lineage lineage = token.lineage().get();
                if (lineages.containsKey(lineage.id())) {
                    return "its lineage is revoked";
                }
            }
            if (keys.containsKey(token.keyId())) {
                return "its key is tainted";
            }
            OfSandbox sandbox = sandboxes.get(token.sandbox().value());
            return sandbox != null && token.issuedAt().getEpochSecond() <= sandbox.lastSecond
                    ? "the sandbox's tokens of that time are revoked"
                    : null;
        }

        void add(Revocation revocation) throws FeedBrokenException {
            Long until = revocation.hasUntil() ? (Long) revocation.getUntil().getSeconds() : FOR_EVER;
            RevocationSubject subject = revocation.getSubject();
            switch (subject.getSubjectCase()) {
                case TOKEN_ID -> tokens.merge(named(subject.getTokenId()), until, Math::max);
                case LINEAGE -> lineages.merge(named(subject.getLineage()), until, Math::max);
                case KEY_ID -> keys.merge(named(subject.getKeyId()), until, Math::max);
                case SANDBOX_ID -> {
                    if (!revocation.hasRevoked()) {
                        throw new FeedBrokenException("a sandbox is revoked, and not said since when");
                    }
                    sandboxes.merge(
                            named(subject.getSandboxId()),
                            new OfSandbox(revocation.getRevoked().getSeconds(), until),
                            (one, other) -> new OfSandbox(
                                    Math.max(one.lastSecond, other.lastSecond), Math.max(one.until, other.until)));
                }
                // Something that this version does not know how to refuse: better to know nothing than to let it pass.
                case SUBJECT_NOT_SET -> throw new FeedBrokenException("a revocation names nothing that is known here");
            }
        }

        private static String named(String name) throws FeedBrokenException {
            if (name.isEmpty()) {
                throw new FeedBrokenException("a revocation's subject has no name");
            }
            return name;
        }

        private void expire(long now) {
            tokens.values().removeIf(until -> until < now);
            lineages.values().removeIf(until -> until < now);
            keys.values().removeIf(until -> until < now);
            sandboxes.values().removeIf(sandbox -> sandbox.until < now);
        }

        private int size() {
            return tokens.size() + lineages.size() + keys.size() + sandboxes.size();
        }
    }
}
