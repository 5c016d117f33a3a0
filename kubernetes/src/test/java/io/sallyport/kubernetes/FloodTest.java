package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import io.sallyport.kubernetes.ApiServerProxy.Question;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

/** Many bad tokens that look good, and pods that begin meanwhile, before a real API server. */
@SharedApiServer
class FloodTest {
    private static final int FORGED = 500;
    private static final int PODS = 20;
    private static final int EACH = FORGED / PODS;

    private final ApiServer server;

    FloodTest(ApiServer server) {
        this.server = server;
    }

    @Test
    void theApiServerSeesNothingOfItAndEveryPodPasses() throws Exception {
        TestSandboxes sandboxes = TestSandboxes.prepare(server, "sandboxes-of-floods");
        List<String> honest = new ArrayList<>();
        for (int i = 0; i < PODS; i++) {
            honest.add(sandboxes.token(sandboxes.pod("pod-" + i, "box-" + i)));
        }
        ResignedTokens forger = ResignedTokens.asAForger();
        ResignedTokens cluster = ResignedTokens.asTheCluster(server);
        Date longAgo = Date.from(Instant.now().minus(Duration.ofMinutes(10)));

        try (ApiServerProxy proxy = ApiServerProxy.before(server);
                PodAuthenticator authenticator = PodAuthenticator.connect(
                        sandboxes.settings(sandboxes.grant(server, "ext-authz", proxy.url())),
                        Clock.systemUTC(),
                        System::nanoTime);
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Outcome>> forged = new ArrayList<>();
            List<Future<Outcome>> expired = new ArrayList<>();
            List<Future<Outcome>> pods = new ArrayList<>();
            for (int i = 0; i < FORGED; i++) {
                String id = "flood-" + i;
                String good = honest.get(i / EACH);
                forged.add(threads.submit(() -> show(authenticator, forger.change(good, claims -> claims.jwtID(id)))));
                expired.add(threads.submit(() -> show(
                        authenticator,
                        cluster.change(good, claims -> claims.jwtID(id).expirationTime(longAgo)))));
                if (i % EACH == 0) {
                    pods.add(threads.submit(() -> show(authenticator, good)));
                }
            }

            assertThat(pods).hasSize(PODS);
            for (Future<Outcome> pod : pods) {
                assertThat(pod.get()).isInstanceOf(Outcome.Authenticated.class);
            }
            for (Future<Outcome> call : forged) {
                assertThat(reason(call.get())).isEqualTo(Reason.POD_TOKEN_FORGED);
            }
            for (Future<Outcome> call : expired) {
                assertThat(reason(call.get())).isEqualTo(Reason.POD_TOKEN_EXPIRED);
            }
            assertThat(proxy.asked(Question.KEYS)).isEqualTo(1);
            assertThat(proxy.asked(Question.REVIEW)).isEqualTo(PODS);
            assertThat(proxy.asked(Question.POD)).isEqualTo(PODS);
            assertThat(proxy.asked(Question.SANDBOX)).isEqualTo(PODS);
        }
    }

    private static Outcome show(PodAuthenticator authenticator, String token) {
        return authenticator.authenticate(new Credential("bearer", token, "/openshell.v1.OpenShell/IssueSandboxToken"));
    }

    private static Reason reason(Outcome outcome) {
        assertThat(outcome).isInstanceOf(Outcome.Rejected.class);
        return ((Outcome.Rejected) outcome).reason();
    }
}
