package io.sallyport.issuer.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.base.audit.AuditEvent;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.JdbcStore;
import io.sallyport.issuer.store.MirroredSandbox;
import io.sallyport.issuer.store.MirroredSandbox.Resource;
import io.sallyport.issuer.store.SandboxRecord;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.issuer.store.StoreUnavailableException;
import io.sallyport.kubernetes.ClusterSandboxes;
import io.sallyport.kubernetes.ClusterUnavailableException;
import io.sallyport.kubernetes.ResourceName;
import io.sallyport.kubernetes.SandboxResource;
import io.sallyport.kubernetes.SandboxResource.Stated;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the mirror does when what it heard, what it is told and what it can write do not go together. */
class MirrorRepairsTest {
    private static final Instant NOW = Instant.ofEpochSecond(1_800_000_000);
    private static final ResourceName BOX = new ResourceName("sandboxes", "box");
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    /** What an informer knows, and what the API server would say. */
    private static final class Heard implements ClusterSandboxes {
        final Map<ResourceName, SandboxResource> known = new ConcurrentHashMap<>();
        final Map<ResourceName, SandboxResource> there = new ConcurrentHashMap<>();
        final AtomicInteger asked = new AtomicInteger();
        final AtomicInteger unanswered = new AtomicInteger();

        void both(SandboxResource resource) {
            known.put(resource.at(), resource);
            there.put(resource.at(), resource);
        }

        @Override
        public boolean listens(String namespace) {
            return includes(namespace);
        }

        @Override
        public boolean includes(String namespace) {
            return namespace.equals(BOX.namespace());
        }

        @Override
        public Optional<SandboxResource> known(ResourceName name) {
            return Optional.ofNullable(known.get(name));
        }

        @Override
        public Set<ResourceName> known() {
            return Set.copyOf(known.keySet());
        }

        @Override
        public Optional<SandboxResource> ask(ResourceName name) throws ClusterUnavailableException {
            asked.incrementAndGet();
            if (unanswered.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                throw new ClusterUnavailableException("HTTP 403");
            }
            return Optional.ofNullable(there.get(name));
        }

        @Override
        public Optional<String> trouble() {
            return Optional.empty();
        }
    }

    @TempDir
    private Path directory;

    private final Heard cluster = new Heard();
    private final List<AuditEvent> audited = new CopyOnWriteArrayList<>();
    private final AtomicInteger writesThatFail = new AtomicInteger();
    private final AtomicInteger troubles = new AtomicInteger();
    private SandboxStore store;
    private Mirror mirror;

    @BeforeEach
    void start() throws Exception {
        store = JdbcStore.sqlite(directory.resolve("issuer.db"));
        SandboxStore failing = (SandboxStore) Proxy.newProxyInstance(
                SandboxStore.class.getClassLoader(), new Class<?>[] {SandboxStore.class}, (_, method, arguments) -> {
                    if (Set.of("mirror", "unmirror").contains(method.getName())
                            && writesThatFail.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                        throw new StoreUnavailableException("the disk is full");
                    }
                    try {
                        return method.invoke(store, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
        mirror = new Mirror(
                cluster, failing, audited::add, InstantSource.fixed(NOW), () -> troubles.incrementAndGet(), 4);
    }

    @AfterEach
    void stop() {
        mirror.close();
        store.close();
    }

    private static SandboxResource resource(String uid, String id, String name) {
        return new SandboxResource(
                BOX, uid, false, id, new Stated("sandbox-name", name, true), new Stated("workspace", "", true));
    }

    private void record(String uid, String id) throws StoreUnavailableException {
        var _ = store.mirror(
                new MirroredSandbox(new SandboxId(id), Optional.empty(), new Resource("sandboxes", "box", uid)), NOW);
    }

    private SandboxRecord.State state(String id) throws StoreUnavailableException {
        return store.find(new SandboxId(id)).orElseThrow().state();
    }

    private void lookAtEverything() throws InterruptedException {
        mirror.listed();
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!mirror.isInStep()) {
            assertThat(System.nanoTime()).as("in step").isLessThan(end);
            Thread.sleep(5);
        }
    }

    @Test
    void aRefusalEndsWithItsResourceThoughNobodyToldOfThat() throws Exception {
        cluster.both(resource("u1", "no sandbox", ""));
        lookAtEverything();
        assertThat(mirror.refused()).isEqualTo(1);
        cluster.known.clear();
        cluster.there.clear();
        lookAtEverything();
        assertThat(mirror.refused()).isZero();
        assertThat(mirror.troubles()).isEmpty();
    }

    @Test
    void whatIsNotLabelledIsNobodysSandbox() throws Exception {
        cluster.both(resource("u1", "", "named"));
        lookAtEverything();
        assertThat(mirror.refused()).isZero();
        assertThat(store.list(Optional.empty(), 10, true)).isEmpty();
        assertThat(audited).isEmpty();
    }

    @Test
    void anEndIsTriedAgainUntilTheApiServerHasSaidSo() throws Exception {
        record("u1", "one");
        cluster.unanswered.set(1);
        lookAtEverything();
        assertThat(cluster.asked).hasValue(2);
        assertThat(state("one")).isEqualTo(SandboxRecord.State.DELETED);
        assertThat(mirror.troubles()).isEmpty();
    }

    @Test
    void aWriteThatFailedIsMadeUpFor() throws Exception {
        record("u1", "one");
        cluster.both(resource("u2", "two", ""));
        writesThatFail.set(2);
        lookAtEverything();
        assertThat(state("one")).isEqualTo(SandboxRecord.State.DELETED);
        assertThat(state("two")).isEqualTo(SandboxRecord.State.ACTIVE);
        assertThat(troubles).hasValue(2);
        assertThat(audited)
                .extracting(AuditEvent::reason)
                .containsExactly(Reason.SANDBOX_RESOURCE_GONE, Reason.SANDBOX_MIRRORED);
        assertThat(mirror.troubles()).isEmpty();
    }

    /** Another issuer has recorded what came later, and this one's informer has not heard of it. */
    @Test
    void whoHeardLessChangesNothing() throws Exception {
        record("u1", "one");
        var _ = store.unmirror(new SandboxId("one"), new Resource("sandboxes", "box", "u1"), NOW);
        record("u2", "two");
        cluster.there.put(BOX, resource("u2", "two", ""));
        for (SandboxResource stale : List.of(resource("u1", "one", "old"), resource("u2", "one", "old"))) {
            cluster.known.put(BOX, stale);
            lookAtEverything();
            assertThat(state("one")).isEqualTo(SandboxRecord.State.DELETED);
            assertThat(state("two")).isEqualTo(SandboxRecord.State.ACTIVE);
            assertThat(store.find(new SandboxId("two")).orElseThrow().name()).isEmpty();
        }
        assertThat(audited).isEmpty();

        // Where nothing is left, an id that was deleted stays so.
        var _ = store.unmirror(new SandboxId("two"), new Resource("sandboxes", "box", "u2"), NOW);
        cluster.there.clear();
        cluster.known.put(BOX, resource("u2", "two", ""));
        lookAtEverything();
        assertThat(state("two")).isEqualTo(SandboxRecord.State.DELETED);
        assertThat(mirror.refused()).isEqualTo(1);
    }
}
