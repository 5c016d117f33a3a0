package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.issuer.store.StoreBusyException;
import io.sallyport.issuer.store.StoreUnavailableException;
import java.time.Instant;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Errors of the disk make the store ill, and nothing but a probe that was written makes it well. */
class StoreHealthTest {
    private final Probed store = new Probed();
    private final StoreHealth health = new StoreHealth(store, () -> Instant.EPOCH, StoreHealth.Intervals.DEFAULT);

    @BeforeEach
    void well() {
        health.probe();
        assertThat(health.writable()).isTrue();
    }

    @AfterEach
    void close() {
        health.close();
    }

    @Test
    void aFailedProbeMakesItIllAndAWrittenOneWell() {
        store.failure = new StoreUnavailableException("disk full");
        health.probe();
        assertThat(health.writable()).isFalse();

        store.failure = null;
        health.probe();
        assertThat(health.writable()).isTrue();
    }

    @Test
    void aProbeThatWaitedForOthersInVainChangesNothing() {
        store.failure = new StoreBusyException("other writes took longer");
        health.probe();
        assertThat(health.writable()).as("well before").isTrue();

        health.suspect();
        health.probe();
        assertThat(health.writable()).as("ill before").isFalse();
    }

    /** A store of which only the probe is asked. */
    private static final class Probed implements StoreHealth.Probe {
        @Nullable StoreUnavailableException failure;

        @Override
        public void write(Instant at) throws StoreUnavailableException {
            if (failure != null) {
                throw failure;
            }
        }
    }
}
