package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.RefreshRules.BootstrapReuse;
import io.sallyport.issuer.store.RefreshRules.OnReuse;
import io.sallyport.issuer.store.SandboxRecord.State;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The rules of lineages once more, in memory and without a thought for speed, disks or other processes. */
final class LineageModel {
    final Map<SandboxId, State> sandboxes = new HashMap<>();
    final Set<String> revoked = new HashSet<>();
    private final Map<SandboxId, Long> revokedUpTo = new HashMap<>();
    private final List<Chain> chains = new ArrayList<>();
    private final RefreshRules rules;

    LineageModel(RefreshRules rules) {
        this.rules = rules;
    }

    /** One lineage: the claims of its newest token, and of the one that was given for it. */
    private static final class Chain {
        final SandboxId sandbox;
        final String id;
        final @Nullable String origin;
        SandboxClaims newest;

        @Nullable SandboxClaims consumed;

        Instant moved;
        boolean closed;

        Chain(SandboxClaims first, @Nullable String origin, @Nullable SandboxClaims consumed, Instant at) {
            this.sandbox = first.sandbox();
            this.id = first.lineage().orElseThrow().id();
            this.origin = origin;
            this.newest = first;
            this.consumed = consumed;
            this.moved = at;
        }

        boolean gives(SandboxClaims token, RefreshRules rules, Instant at) {
            return token.equals(consumed) && !at.isAfter(moved.plus(rules.retryGrace()));
        }
    }

    /** What must come of a refresh: {@code same} is the token that must come again, where one must. */
    record Expected(String outcome, @Nullable SandboxClaims same) {}

    Expected refresh(SandboxClaims token, Instant at) {
        State state = sandboxes.get(token.sandbox());
        if (state != State.ACTIVE) {
            return new Expected(state == null ? "NoRecord" : "NotActive", null);
        }
        String lineage = token.lineage().orElseThrow().id();
        long generation = token.lineage().orElseThrow().generation();
        Optional<Chain> chain =
                chains.stream().filter(each -> each.id.equals(lineage)).findAny();
        boolean over = !token.expiresAt()
                .plus(rules.renewalWindow())
                .plus(rules.leeway())
                .isAfter(at);
        if (isRevoked(token)
                || chain.map(each -> each.origin).filter(revoked::contains).isPresent()) {
            // A revocation is not kept for longer than it matters.
            return new Expected(over ? "Revoked or TooOld" : "Revoked", null);
        }
        if (over) {
            return new Expected("TooOld", null);
        }
        boolean goesOn = chain.isPresent() && !chain.get().closed;
        if (goesOn && token.equals(chain.get().newest)) {
            return new Expected("ADVANCED", null);
        }
        List<Chain> repeating =
                new ArrayList<>(chain.filter(_ -> goesOn).stream().toList());
        chains.stream()
                .filter(each -> lineage.equals(each.origin) && !each.closed && generation == 0)
                .max(Comparator.comparing(each -> each.moved))
                .filter(each -> each.newest.lineage().orElseThrow().generation() == 1)
                .ifPresent(repeating::add);
        for (Chain each : repeating) {
            if (each.gives(token, rules, at)) {
                return isRevoked(each.newest) ? new Expected("Revoked", null) : new Expected("REPEATED", each.newest);
            }
        }
        if (generation == 0 && rules.bootstrapReuse() == BootstrapReuse.RENEWAL_WINDOW) {
            return new Expected("REOPENED", null);
        }
        if (!goesOn) {
            return new Expected("NoLineage", null);
        }
        if (rules.onReuse() == OnReuse.REVOKE_LINEAGE) {
            revokeLineage(lineage);
        }
        return new Expected("Reused", null);
    }

    void opened(SandboxClaims first, Instant at) {
        open(new Chain(first, null, null, at));
    }

    /** What was granted for a token. */
    void granted(String kind, SandboxClaims given, SandboxClaims token, Instant at) {
        String lineage = token.lineage().orElseThrow().id();
        if (kind.equals("REOPENED")) {
            open(new Chain(given, lineage, token, at));
        } else if (kind.equals("ADVANCED")) {
            Chain chain = chains.stream()
                    .filter(each -> each.id.equals(lineage))
                    .findAny()
                    .orElseThrow();
            chain.newest = given;
            chain.consumed = token;
            chain.moved = at;
        }
    }

    void revokeLineage(String id) {
        revoked.add(id);
        chains.stream().filter(each -> id.equals(each.origin)).forEach(each -> revoked.add(each.id));
    }

    void revokeSandbox(SandboxId id, long second) {
        revokedUpTo.put(id, second);
    }

    private boolean isRevoked(SandboxClaims token) {
        return revoked.contains(token.tokenId().orElseThrow())
                || revoked.contains(token.lineage().orElseThrow().id())
                || revoked.contains(token.keyId())
                || token.issuedAt().getEpochSecond() <= revokedUpTo.getOrDefault(token.sandbox(), Long.MIN_VALUE);
    }

    private void open(Chain chain) {
        List<Chain> others = chains.stream()
                .filter(each -> each.sandbox.equals(chain.sandbox) && !each.closed)
                .sorted(Comparator.comparing((Chain each) -> each.moved).reversed())
                .toList();
        others.stream().skip(rules.lineages() - 1L).forEach(each -> each.closed = true);
        chains.add(chain);
    }
}
