package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.issuer.store.JdbcStore;
import io.sallyport.issuer.store.RefreshRules;
import io.sallyport.issuer.store.Revocation;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.StoreUnavailableException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is over goes by itself, more than one piece of it at a time, and a store that is away for a while ends nothing. */
class PruningTest {
    private static final RefreshRules RULES = new RefreshRules(
            Duration.ofHours(24),
            Duration.ofMinutes(2),
            RefreshRules.BootstrapReuse.RENEWAL_WINDOW,
            RefreshRules.OnReuse.REFUSE,
            8,
            Duration.ofHours(24),
            Duration.ofSeconds(60),
            false);

    @TempDir
    private Path directory;

    private final RunningIssuer.MutableClock clock = new RunningIssuer.MutableClock();

    @Test
    void whatIsOverGoesAgainAndAgain() throws Exception {
        try (JdbcStore store = JdbcStore.sqlite(directory.resolve("issuer.db"))) {
            Instant now = clock.instant();
            for (int i = 0; i < 600; i++) {
                revoke(store, "short-" + i, Optional.of(now.plusSeconds(60)));
            }
            revoke(store, "long", Optional.of(now.plusSeconds(3600)));
            revoke(store, "for-ever", Optional.empty());
            try (Pruning _ = Pruning.start(store, RULES, clock, Duration.ofMillis(5))) {
                clock.advance(Duration.ofSeconds(61));
                RunningIssuer.await(() -> count(store) == 2);

                Path file = directory.resolve("issuer.db");
                Files.move(file, directory.resolve("away.db"));
                RunningIssuer.await(() -> isAway(store));
                Files.move(directory.resolve("away.db"), file);

                clock.advance(Duration.ofHours(1));
                RunningIssuer.await(() -> count(store) == 1);
            }
        }
    }

    private static void revoke(JdbcStore store, String id, Optional<Instant> until) throws StoreUnavailableException {
        assertThat(store.revoke(new Revocation(new Subject.Token(id), "r", Instant.EPOCH, until)))
                .isPresent();
    }

    private boolean isAway(JdbcStore store) {
        try {
            store.probe(clock.instant());
            return false;
        } catch (StoreUnavailableException e) {
            return true;
        }
    }

    private static int count(JdbcStore store) {
        try {
            return store.revocations(Optional.empty(), 1_000).size();
        } catch (StoreUnavailableException e) {
            return -1;
        }
    }
}
