package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What is heard of a real API server, through connections that break in every way. */
class SandboxWatchTest {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static ApiServer server;

    private final Set<ResourceName> changed = ConcurrentHashMap.newKeySet();
    private final AtomicInteger lists = new AtomicInteger();
    private TestSandboxes sandboxes;
    private TcpProxy proxy;
    private @Nullable SandboxWatch begun;

    @BeforeAll
    static void startServer() throws Exception {
        server = ApiServer.start();
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @BeforeEach
    void prepare() throws Exception {
        sandboxes = TestSandboxes.prepare(server);
        proxy = TcpProxy.to(server.port());
    }

    @AfterEach
    void stop() throws Exception {
        if (begun != null) {
            begun.close();
        }
        proxy.close();
    }

    private SandboxWatch begin(Duration silence) throws Exception {
        return begin(Namespaces.exactly(sandboxes.namespace()), silence);
    }

    private SandboxWatch begin(Namespaces namespaces, Duration silence) throws Exception {
        SandboxWatch watch = SandboxWatch.of(
                new ClusterSettings(
                        new ClusterAccess.Kubeconfig(server.kubeconfig(server.adminToken(), proxy.port())),
                        namespaces,
                        Duration.ofSeconds(3)),
                System::nanoTime,
                silence);
        begun = watch;
        watch.start(new ClusterSandboxes.Listener() {
            @Override
            public void changed(ResourceName name) {
                changed.add(name);
            }

            @Override
            public void listed() {
                lists.incrementAndGet();
            }
        });
        return watch;
    }

    private static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as(what).isLessThan(end);
            Thread.sleep(10);
        }
    }

    private void awaitListening(SandboxWatch watch) throws InterruptedException {
        await("it listens", () -> lists.get() > 0 && watch.trouble().isEmpty());
    }

    private ResourceName name(String name) {
        return new ResourceName(sandboxes.namespace(), name);
    }

    private boolean isKnownAs(SandboxWatch watch, String name, String id) {
        return watch.known(name(name)).filter(known -> known.id().equals(id)).isPresent();
    }

    @Test
    void whatIsThereAndWhatHappensIsHeard() throws Exception {
        sandboxes.sandbox("one", "id-1");
        SandboxWatch watch = begin(PATIENCE);
        assertThat(watch.listens(sandboxes.namespace())).isFalse();
        assertThat(watch.trouble()).isPresent();
        awaitListening(watch);
        assertThat(watch.listens(sandboxes.namespace())).isTrue();
        assertThat(watch.listens("default")).isFalse();
        assertThat(watch.known()).containsExactly(name("one"));

        var labels = Map.of(
                "openshell.ai/sandbox-id", "id-2",
                "openshell.ai/sandbox-name", "second",
                "openshell.ai/sandbox-workspace", "team");
        var made = sandboxes.sandbox("two", labels);
        await("the second", () -> isKnownAs(watch, "two", "id-2"));
        SandboxResource two = watch.known(name("two")).orElseThrow();
        assertThat(two.uid()).isEqualTo(made.getMetadata().getUid());
        assertThat(two.name().text()).isEqualTo("second");
        assertThat(two.workspace().text()).isEqualTo("team");
        assertThat(watch.ask(name("two"))).contains(two);

        sandboxes.relabel("two", "openshell.ai/sandbox-id", "id-3");
        await("another label", () -> isKnownAs(watch, "two", "id-3"));
        changed.clear();
        sandboxes.deleteSandbox("one");
        await("the end of the first", () -> changed.contains(name("one")));
        assertThat(watch.known()).containsExactly(name("two"));
        assertThat(watch.ask(name("one"))).isEmpty();
    }

    @Test
    void whatHappenedWhileTheConnectionWasCutIsHeardAfterwards() throws Exception {
        sandboxes.sandbox("one", "id-1");
        sandboxes.sandbox("two", "id-2");
        SandboxWatch watch = begin(PATIENCE);
        awaitListening(watch);
        proxy.refuse(true);
        await("the outage", () -> watch.trouble().isPresent());
        sandboxes.deleteSandbox("one");
        sandboxes.sandbox("three", "id-3");
        assertThat(watch.known()).as("stays known").contains(name("one"));
        assertThatThrownBy(() -> watch.ask(name("one"))).isInstanceOf(ClusterUnavailableException.class);
        proxy.refuse(false);
        await("both", () -> watch.known().equals(Set.of(name("two"), name("three"))));
        await("its end", () -> watch.trouble().isEmpty());
    }

    /** Nobody says that the connection is dead. */
    @Test
    void aWatchThatIsSilentForTooLongIsReplaced() throws Exception {
        SandboxWatch watch = begin(Duration.ofSeconds(2));
        awaitListening(watch);
        proxy.swallow(true);
        sandboxes.sandbox("one", "id-1");
        Thread.sleep(500);
        assertThat(watch.known()).isEmpty();
        proxy.swallow(false);
        // The old connection's TLS has a hole now. Only another one can bring this.
        await("the missed one", () -> isKnownAs(watch, "one", "id-1"));
    }

    @Test
    void aVersionThatIsNoLongerServedIsLeftForTheOther() throws Exception {
        TestSandboxes.defineSandboxes(server.admin(), true, true);
        sandboxes.sandbox("one", "id-1");
        SandboxWatch watch = begin(PATIENCE);
        awaitListening(watch);
        try {
            TestSandboxes.defineSandboxes(server.admin(), false, true);
            proxy.cut();
            await("it listens again", () -> lists.get() > 1 && watch.trouble().isEmpty());
            assertThat(watch.known()).containsExactly(name("one"));
            sandboxes.relabel("v1alpha1", "one", "openshell.ai/sandbox-id", "id-2");
            await("what happens there", () -> isKnownAs(watch, "one", "id-2"));
        } finally {
            TestSandboxes.defineSandboxes(server.admin(), true, true);
        }
    }

    @Test
    void allNamespacesWithThePrefixAreListenedToAndNoOthers() throws Exception {
        TestSandboxes team = TestSandboxes.prepare(server, "mirrored-team");
        TestSandboxes other = TestSandboxes.prepare(server, "mirrored-b-team");
        team.sandbox("one", "id-1");
        other.sandbox("one", "id-2");
        SandboxWatch watch = begin(new Namespaces.Prefix("mirrored-"), PATIENCE);
        awaitListening(watch);
        assertThat(watch.known()).containsExactly(new ResourceName("mirrored-team", "one"));
        assertThat(watch.known(new ResourceName("mirrored-b-team", "one"))).isEmpty();
        team.sandbox("two", "id-3");
        other.sandbox("two", "id-4");
        await("the new one", () -> watch.known().size() == 2);
        assertThat(changed).containsExactly(new ResourceName("mirrored-team", "two"));
    }
}
