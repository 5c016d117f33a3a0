package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.api.model.Namespace;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.api.model.rbac.ClusterRole;
import io.fabric8.kubernetes.api.model.rbac.ClusterRoleBinding;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** A cluster that somebody lends to the tests gets back what it was. */
class GivenClusterTest {
    private static ApiServer server;
    private static Path kubeconfig;

    @BeforeAll
    static void start() throws Exception {
        server = ApiServer.start();
        kubeconfig = server.kubeconfig(server.adminToken());
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private static List<String> inventory() {
        KubernetesClient admin = server.admin();
        return Stream.of(Namespace.class, ClusterRole.class, ClusterRoleBinding.class, CustomResourceDefinition.class)
                .flatMap(kind -> admin.resources(kind).list().getItems().stream())
                // Nobody empties namespaces here: one that is told to go stays so.
                .filter(object -> object.getMetadata().getDeletionTimestamp() == null)
                .map(object -> object.getKind() + " " + object.getMetadata().getName())
                .sorted()
                .toList();
    }

    @Test
    void whatIsMadeThereIsTakenAwayAndWhatIsThereIsLeftAlone() throws Exception {
        List<String> before = inventory();
        try (GivenCluster given = GivenCluster.open(kubeconfig)) {
            TestSandboxes sandboxes = TestSandboxes.prepare(given, "sandboxes-of-somebody");
            String token = sandboxes.token(sandboxes.pod("pod", "box"));
            try (PodAuthenticator authenticator = PodAuthenticator.connect(
                    sandboxes.settings(sandboxes.grant(given, "ext-authz")), Clock.systemUTC(), System::nanoTime)) {
                assertThat(authenticator.authenticate(
                                new Credential("bearer", token, "/openshell.v1.OpenShell/IssueSandboxToken")))
                        .isInstanceOf(Outcome.Authenticated.class);
            }
            assertThat(inventory()).hasSizeGreaterThan(before.size() + 4);
            server.admin()
                    .pods()
                    .inNamespace(sandboxes.namespace())
                    .withName("pod")
                    .edit(pod -> {
                        pod.getMetadata().setFinalizers(List.of("example.com/wait"));
                        return pod;
                    });
        }
        assertThat(inventory()).isEqualTo(before);

        TestSandboxes.defineSandboxes(server.admin());
        assertThatThrownBy(() -> GivenCluster.open(kubeconfig))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("defines Sandboxes already");
    }
}
