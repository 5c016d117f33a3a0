package io.sallyport.issuer.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.RefreshRules.BootstrapReuse;
import io.sallyport.issuer.store.RefreshRules.OnReuse;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.SandboxRecord.Source;
import io.sallyport.issuer.store.SandboxRecord.State;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.Predicate;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Random lives of sandboxes, each step of which must end as {@link LineageModel} says. A failure names its seed and its
 * step; {@code -Dsallyport.model.steps} makes the lives longer.
 */
abstract class LineageModelContract extends LineageContract {
    private static final int STEPS = Integer.getInteger("sallyport.model.steps", 200);
    private static final List<Duration> PAUSES = List.of(
            Duration.ofMillis(1),
            Duration.ofMillis(400),
            Duration.ofSeconds(20),
            Duration.ofSeconds(120),
            Duration.ofMinutes(3),
            Duration.ofMinutes(50),
            Duration.ofHours(9));

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void aRandomLifeGoesAsTheModelSays(long seed) throws Exception {
        new Life(seed).live();
    }

    private final class Life {
        private final Random random;
        private final long seed;
        private final RefreshRules rules;
        private final LineageModel model;
        private final TestDrafts drafts = new TestDrafts();
        private final List<SandboxClaims> issued = new ArrayList<>();
        private final List<SandboxId> ids = List.of(new SandboxId("a"), new SandboxId("b"), new SandboxId("c"));
        private Instant now = START;
        private int keys = 1;

        Life(long seed) {
            this.seed = seed;
            random = new Random(seed);
            rules = new RefreshRules(
                    RULES.renewalWindow(),
                    RULES.retryGrace(),
                    seed % 2 == 0 ? BootstrapReuse.NEVER : BootstrapReuse.RENEWAL_WINDOW,
                    seed % 3 == 0 ? OnReuse.REVOKE_LINEAGE : OnReuse.REFUSE,
                    RULES.lineages(),
                    RULES.maxLifetime(),
                    RULES.leeway(),
                    false);
            model = new LineageModel(rules);
        }

        void live() throws Exception {
            SandboxStore store = open();
            try {
                for (int step = 0; step < STEPS; step++) {
                    // Nothing happens twice in one millisecond: the store would not know which was first.
                    now = now.plusMillis(1);
                    String where = "seed " + seed + ", step " + step;
                    switch (random.nextInt(40)) {
                        case 0, 1 -> register(store, any(ids));
                        case 2, 3, 4, 5 -> bootstrap(store, any(ids), where);
                        case 6, 7 -> now = now.plus(any(PAUSES));
                        case 8 -> {
                            store.close();
                            store = open();
                        }
                        case 9 -> setStopped(store, any(ids), random.nextBoolean());
                        case 10 -> revoke(store);
                        case 11 -> {
                            while (store.prune(rules, 2, Duration.ZERO, now)) {
                                now = now.plusMillis(1);
                            }
                        }
                        case 12 -> {
                            if (random.nextInt(12) == 0) {
                                delete(store, any(ids));
                            }
                        }
                        // Mostly what owners do, with their newest token or the one before; sometimes a thief.
                        default -> refresh(store, where);
                    }
                }
            } finally {
                store.close();
            }
        }

        private <T> T any(List<T> all) {
            return all.get(random.nextInt(all.size()));
        }

        private void register(SandboxStore store, SandboxId id) throws Exception {
            if (store.register(id, SandboxName.of("", id.value()), Source.REGISTRY, now)
                    instanceof SandboxStore.Registration.Registered) {
                model.sandboxes.putIfAbsent(id, State.ACTIVE);
            }
        }

        private void setStopped(SandboxStore store, SandboxId id, boolean stopped) throws Exception {
            var _ = store.setStopped(id, stopped, now);
            model.sandboxes.computeIfPresent(
                    id, (_, state) -> state == State.DELETED ? state : stopped ? State.STOPPED : State.ACTIVE);
        }

        private void delete(SandboxStore store, SandboxId id) throws Exception {
            var _ = store.delete(id, now);
            model.sandboxes.computeIfPresent(id, (_, _) -> State.DELETED);
        }

        private void revoke(SandboxStore store) throws Exception {
            if (issued.isEmpty()) {
                return;
            }
            SandboxClaims token = recent();
            Subject subject = switch (random.nextInt(8)) {
                case 0, 1, 2 -> new Subject.Token(token.tokenId().orElseThrow());
                case 3, 4, 5 ->
                    new Subject.Lineage(token.lineage().orElseThrow().id());
                case 6 -> new Subject.Sandbox(token.sandbox());
                default -> {
                    drafts.activate("k" + ++keys);
                    yield new Subject.Key(token.keyId());
                }
            };
            if (subject.name().equals("k" + keys)) {
                return;
            }
            Optional<Instant> until = subject instanceof Subject.Key ? Optional.empty() : rules.keptUntil(now);
            Optional<Revocation> revocation = store.revoke(new Revocation(subject, "r", now, until));
            switch (subject) {
                case Subject.Lineage(String id) -> model.revokeLineage(id);
                case Subject.Sandbox(SandboxId id) ->
                    revocation.ifPresent(it -> model.revokeSandbox(id, it.at().getEpochSecond()));
                case Subject.Token _, Subject.Key _ -> model.revoked.add(subject.name());
            }
        }

        private void bootstrap(SandboxStore store, SandboxId id, String where) throws Exception {
            Succession outcome = store.openLineage(id, Optional.empty(), rules, drafts, now);
            State state = model.sandboxes.get(id);
            assertThat(outcome.getClass().getSimpleName())
                    .as(where)
                    .isEqualTo(state == null ? "NoRecord" : state == State.ACTIVE ? "Granted" : "NotActive");
            if (outcome instanceof Succession.Granted granted) {
                SandboxClaims token = drafts.of(granted.token());
                issued.add(token);
                model.opened(token, now);
            }
        }

        private SandboxClaims recent() {
            int back = Math.min(issued.size(), random.nextInt(4) == 0 ? issued.size() : 6);
            return issued.get(issued.size() - 1 - random.nextInt(back));
        }

        private void refresh(SandboxStore store, String where) throws Exception {
            if (issued.isEmpty()) {
                return;
            }
            SandboxClaims token = recent();
            LineageModel.Expected expected = model.refresh(token, now);
            Succession outcome = store.refresh(token, rules, drafts, now);
            String name = outcome instanceof Succession.Granted granted
                    ? granted.kind().name()
                    : outcome.getClass().getSimpleName();
            Predicate<String> asExpected =
                    each -> List.of(expected.outcome().split(" or ")).contains(each);
            assertThat(name).as("%s: %s, expected %s", where, token, expected).matches(asExpected);
            if (outcome instanceof Succession.Granted granted) {
                SandboxClaims given = drafts.of(granted.token());
                if (expected.same() != null) {
                    assertThat(given).as(where).isEqualTo(expected.same());
                } else {
                    issued.add(given);
                }
                model.granted(name, given, token, now);
            }
        }
    }
}
