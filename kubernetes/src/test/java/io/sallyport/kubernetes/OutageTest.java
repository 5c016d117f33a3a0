package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import java.time.Clock;
import org.junit.jupiter.api.Test;

/** The API server dies and comes back; who asks does not have to. */
class OutageTest {
    @Test
    void anApiServerThatIsAwayIsNoNoAndItIsAskedAgainWhenItIsBack() throws Exception {
        try (ApiServer server = ApiServer.start()) {
            TestSandboxes sandboxes = TestSandboxes.prepare(server);
            try (PodAuthenticator authenticator = PodAuthenticator.connect(
                    sandboxes.settings(sandboxes.grant(server, "ext-authz")), Clock.systemUTC(), System::nanoTime)) {
                Credential credential = new Credential(
                        "bearer",
                        sandboxes.token(sandboxes.pod("pod", "box")),
                        "/openshell.v1.OpenShell/IssueSandboxToken");
                assertThat(authenticator.authenticate(credential)).isInstanceOf(Outcome.Authenticated.class);

                server.kill();
                assertThat(authenticator.authenticate(credential))
                        .isInstanceOfSatisfying(
                                Outcome.Rejected.class,
                                no -> assertThat(no.reason()).isEqualTo(Reason.CLUSTER_UNAVAILABLE));

                server.startAgain();
                assertThat(authenticator.authenticate(credential)).isInstanceOf(Outcome.Authenticated.class);
            }
        }
    }
}
