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
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The roles under {@code helm/}, before a real authoriser: each right is needed, and there is no other. */
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

    @Test
    void withAllOfThemAPodIsKnown() {
        assertThat(show()).isInstanceOf(Outcome.Authenticated.class);
    }

    /** And the operator is told which. */
    @ParameterizedTest
    @EnumSource
    void eachOfThemIsNeeded(Right right) throws Exception {
        for (HasMetadata object : sandboxes.manifest("ext-authz.yaml")) {
            switch (object) {
                case ClusterRole role -> right.remove(role.getRules());
                case Role role -> right.remove(role.getRules());
                default -> {}
            }
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

    @Test
    void noneMoreIsGranted() throws Exception {
        List<String> granted = new ArrayList<>();
        for (HasMetadata object : sandboxes.manifest("ext-authz.yaml")) {
            List<PolicyRule> rules = switch (object) {
                case ClusterRole role -> role.getRules();
                case Role role -> role.getRules();
                default -> List.of();
            };
            for (PolicyRule rule : rules) {
                rule.getResources()
                        .forEach(resource -> rule.getVerbs()
                                .forEach(verb -> granted.add(object.getKind() + " " + verb + " " + resource)));
            }
        }
        assertThat(granted)
                .containsExactlyInAnyOrder("ClusterRole create tokenreviews", "Role get pods", "Role get sandboxes");
    }
}
