package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A real API server, reached with files laid out as the kubelet lays them out, which it replaces while we run. */
@SharedApiServer
class InClusterTest {
    private final ApiServer server;

    @TempDir
    Path directory;

    InClusterTest(ApiServer server) {
        this.server = server;
    }

    @Test
    void aRotatedTokenIsUsedFromTheNextQuestionOn() throws Exception {
        TestSandboxes sandboxes = TestSandboxes.prepare(server, "sandboxes-of-a-cluster");
        ProjectedVolume volume = new ProjectedVolume(directory, server);
        String good = sandboxes.grantedToken("ext-authz");
        Credential credential = new Credential(
                "bearer", sandboxes.token(sandboxes.pod("pod", "box")), "/openshell.v1.OpenShell/IssueSandboxToken");
        volume.put(good);
        KubernetesSettings settings = sandboxes.settings(sandboxes.cluster(
                new ClusterAccess.InCluster(directory, "127.0.0.1", String.valueOf(server.port())),
                Duration.ofSeconds(30)));

        try (PodAuthenticator authenticator = PodAuthenticator.connect(settings, Clock.systemUTC(), System::nanoTime)) {
            assertThat(authenticator.authenticate(credential)).isInstanceOf(Outcome.Authenticated.class);

            volume.put("not-a-token-any-more");
            assertThat(authenticator.authenticate(credential)).isInstanceOfSatisfying(Outcome.Rejected.class, no -> {
                assertThat(no.reason()).isEqualTo(Reason.CLUSTER_UNAVAILABLE);
                assertThat(no.detail()).contains("401").doesNotContain("not-a-token-any-more");
            });

            volume.put(sandboxes.grantedToken("ext-authz"));
            assertThat(authenticator.authenticate(credential)).isInstanceOf(Outcome.Authenticated.class);

            volume.takeAway();
            assertThat(authenticator.authenticate(credential)).isInstanceOfSatisfying(Outcome.Rejected.class, no -> {
                assertThat(no.reason()).isEqualTo(Reason.CLUSTER_UNAVAILABLE);
                assertThat(no.detail()).contains("our ServiceAccount's token cannot be read");
            });

            volume.put(good);
            assertThat(authenticator.authenticate(credential)).isInstanceOf(Outcome.Authenticated.class);
        }
    }
}
