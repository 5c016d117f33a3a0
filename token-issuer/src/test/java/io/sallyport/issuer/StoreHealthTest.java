package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.SandboxName;
import io.sallyport.issuer.store.SandboxRecord;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.issuer.store.StoreBusyException;
import io.sallyport.issuer.store.StoreUnavailableException;
import io.sallyport.issuer.store.TokenFile;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
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
    private static final class Probed implements SandboxStore {
        @Nullable StoreUnavailableException failure;

        @Override
        public void probe(Instant at) throws StoreUnavailableException {
            if (failure != null) {
                throw failure;
            }
        }

        @Override
        public Registration register(SandboxId id, SandboxName name, SandboxRecord.Source source, Instant at) {
            throw new AssertionError();
        }

        @Override
        public Optional<SandboxRecord> find(SandboxId id) {
            throw new AssertionError();
        }

        @Override
        public Optional<SandboxRecord> delete(SandboxId id, Instant at) {
            throw new AssertionError();
        }

        @Override
        public List<SandboxRecord> list(Optional<SandboxId> after, int limit, boolean includeDeleted) {
            throw new AssertionError();
        }

        @Override
        public Succession openLineage(SandboxId id, String lineage, Optional<String> tokenFile, Instant at) {
            throw new AssertionError();
        }

        @Override
        public Succession advanceLineage(SandboxId id, String lineage, Instant at) {
            throw new AssertionError();
        }

        @Override
        public List<TokenFile> tokenFiles(SandboxId id) {
            throw new AssertionError();
        }

        @Override
        public void close() {}
    }
}
