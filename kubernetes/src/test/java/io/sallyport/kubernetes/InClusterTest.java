package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Clock;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A real API server, reached with files laid out as the kubelet lays them out, which it replaces while we run. */
@ExtendWith(SharedApiServer.class)
class InClusterTest {
    private final ApiServer server;

    @TempDir
    Path volume;

    InClusterTest(ApiServer server) {
        this.server = server;
    }

    /** The kubelet puts a new folder in the place of the old one, whole, by one rename of a symbolic link. */
    private void project(String version, String token) throws Exception {
        Path folder = Files.createDirectory(volume.resolve(version));
        Files.writeString(folder.resolve("token"), token);
        Files.copy(server.certificate(), folder.resolve("ca.crt"));
        Files.createSymbolicLink(volume.resolve("..data_tmp"), Path.of(version));
        Files.move(volume.resolve("..data_tmp"), volume.resolve("..data"), StandardCopyOption.ATOMIC_MOVE);
        for (String file : new String[] {"token", "ca.crt"}) {
            if (!Files.exists(volume.resolve(file))) {
                Files.createSymbolicLink(volume.resolve(file), Path.of("..data", file));
            }
        }
    }

    @Test
    void aRotatedTokenIsUsedFromTheNextQuestionOn() throws Exception {
        TestSandboxes sandboxes = TestSandboxes.prepare(server, "sandboxes-of-a-cluster");
        String good = sandboxes.grantedToken("ext-authz");
        Credential credential = new Credential(
                "bearer", sandboxes.token(sandboxes.pod("pod", "box")), "/openshell.v1.OpenShell/IssueSandboxToken");
        project("..1", good);
        KubernetesSettings settings = sandboxes.settings(sandboxes.cluster(
                new ClusterAccess.InCluster(volume, "127.0.0.1", String.valueOf(server.port())),
                Duration.ofSeconds(30)));

        try (PodAuthenticator authenticator = PodAuthenticator.connect(settings, Clock.systemUTC(), System::nanoTime)) {
            assertThat(authenticator.authenticate(credential)).isInstanceOf(Outcome.Authenticated.class);

            project("..2", "not-a-token-any-more");
            assertThat(authenticator.authenticate(credential)).isInstanceOfSatisfying(Outcome.Rejected.class, no -> {
                assertThat(no.reason()).isEqualTo(Reason.CLUSTER_UNAVAILABLE);
                assertThat(no.detail()).contains("401").doesNotContain("not-a-token-any-more");
            });

            project("..3", sandboxes.grantedToken("ext-authz"));
            assertThat(authenticator.authenticate(credential)).isInstanceOf(Outcome.Authenticated.class);

            Files.delete(volume.resolve("..data"));
            assertThat(authenticator.authenticate(credential)).isInstanceOfSatisfying(Outcome.Rejected.class, no -> {
                assertThat(no.reason()).isEqualTo(Reason.CLUSTER_UNAVAILABLE);
                assertThat(no.detail()).contains("our ServiceAccount's token cannot be read");
            });

            project("..4", good);
            assertThat(authenticator.authenticate(credential)).isInstanceOf(Outcome.Authenticated.class);
        }
    }
}
