package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.rbac.ClusterRole;
import io.fabric8.kubernetes.api.model.rbac.PolicyRule;
import io.fabric8.kubernetes.api.model.rbac.Role;
import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The roles under {@code helm/}, before a real authoriser: each right is needed. That there is no other, ChartTest shows. */
class RightsTest {
    private static ApiServer server;
    private TestSandboxes sandboxes;

    @BeforeAll
    static void start() throws Exception {
        server = ApiServer.start();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private final AtomicInteger probes = new AtomicInteger();
    private PodAuthenticator authenticator;
    private String token;

    @BeforeEach
    void prepare() throws Exception {
        sandboxes = TestSandboxes.prepare(server);
        Path kubeconfig = sandboxes.grant(server, "ext-authz");
        authenticator = PodAuthenticator.connect(sandboxes.settings(kubeconfig), Clock.systemUTC(), System::nanoTime);
        token = sandboxes.token(sandboxes.pod("pod", "box"));
    }

    @AfterEach
    void disconnect() {
        authenticator.close();
    }

    private Outcome show() {
        return authenticator.authenticate(new Credential("bearer", token, "/openshell.v1.OpenShell/IssueSandboxToken"));
    }

    enum Right {
        TOKENREVIEWS_CREATE("ask for a TokenReview"),
        PODS_GET("get pods"),
        SANDBOXES_GET("get sandboxes.agents.x-k8s.io");

        private final String what;

        Right(String what) {
            this.what = what;
        }

        void remove(List<PolicyRule> rules) {
            String resource = name().substring(0, name().indexOf('_')).toLowerCase(Locale.ROOT);
            rules.removeIf(rule -> rule.getResources().contains(resource));
        }
    }

    /** Of whoever mirrors. */
    enum MirrorsRight {
        GET,
        LIST,
        WATCH;

        String verb() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Test
    void withAllOfThemAPodIsKnown() {
        assertThat(show()).isInstanceOf(Outcome.Authenticated.class);
    }

    /** And the operator is told which. */
    @ParameterizedTest
    @EnumSource
    void eachOfThemIsNeeded(Right right) throws Exception {
        for (HasMetadata object : sandboxes.manifest("ext-authz.yaml")) {
            right.remove(rules(object));
            sandboxes.apply(object);
        }
        // The authoriser hears of it by a watch of its own.
        awaitUnavailable();
        assertThat(show()).isInstanceOfSatisfying(Outcome.Rejected.class, no -> {
            assertThat(no.reason()).isEqualTo(Reason.CLUSTER_UNAVAILABLE);
            assertThat(no.detail()).contains(right.what, "403");
        });
    }

    private void awaitUnavailable() throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (show() instanceof Outcome.Authenticated) {
            assertThat(System.nanoTime()).as("the authoriser follows").isLessThan(end);
            Thread.sleep(20);
        }
    }

    private static List<PolicyRule> rules(HasMetadata object) {
        return switch (object) {
            case ClusterRole role -> role.getRules();
            case Role role -> role.getRules();
            default -> new ArrayList<>();
        };
    }

    /** Empty when everything that a mirror does works; otherwise what an operator is told. */
    private Optional<String> mirrorsTrouble(Path kubeconfig) throws InterruptedException {
        ResourceName probe = new ResourceName(sandboxes.namespace(), "probe-" + probes.incrementAndGet());
        CountDownLatch listed = new CountDownLatch(1);
        CountDownLatch heard = new CountDownLatch(1);
        try (SandboxWatch watch = SandboxWatch.of(sandboxes.cluster(kubeconfig), System::nanoTime)) {
            watch.start(new ClusterSandboxes.Listener() {
                @Override
                public void changed(ResourceName name) {
                    if (name.equals(probe)) {
                        heard.countDown();
                    }
                }

                @Override
                public void listed() {
                    listed.countDown();
                }
            });
            boolean hears = listed.await(3, TimeUnit.SECONDS);
            sandboxes.sandbox(probe.name(), "probe");
            hears &= heard.await(hears ? 3 : 0, TimeUnit.SECONDS);
            assertThat(watch.ask(probe)).isPresent();
            return hears ? watch.trouble() : Optional.of(watch.trouble().orElse("nothing is heard"));
        } catch (ClusterUnavailableException e) {
            return Optional.ofNullable(e.getMessage());
        }
    }

    @Test
    void withAllOfThemSandboxesAreMirrored() throws Exception {
        Path kubeconfig = sandboxes.grant(server, "token-issuer");
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (mirrorsTrouble(kubeconfig).isPresent()) {
            assertThat(System.nanoTime()).as("the authoriser follows").isLessThan(end);
        }
    }

    @ParameterizedTest
    @EnumSource
    void eachOfTheMirrorsIsNeeded(MirrorsRight right) throws Exception {
        Path kubeconfig = sandboxes.grant(server, "token-issuer");
        for (HasMetadata object : sandboxes.manifest("token-issuer.yaml")) {
            rules(object).forEach(rule -> rule.getVerbs().remove(right.verb()));
            sandboxes.apply(object);
        }
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        Optional<String> trouble = mirrorsTrouble(kubeconfig);
        while (trouble.isEmpty()) {
            assertThat(System.nanoTime()).as("the authoriser follows").isLessThan(end);
            trouble = mirrorsTrouble(kubeconfig);
        }
        assertThat(trouble.get()).contains(right.verb(), "403");
    }
}
