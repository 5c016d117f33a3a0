package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.Pod;
import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import io.sallyport.kubernetes.ApiServerProxy.Manner;
import io.sallyport.kubernetes.ApiServerProxy.Question;
import java.time.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What an API server has to be killed for, or to be set up for as others are not. */
class OwnApiServerTest {
    private static ApiServer server;
    private TestSandboxes sandboxes;
    private PodAuthenticator authenticator;

    @BeforeAll
    static void start() throws Exception {
        // So that what the server itself believes may be for our audience too.
        server = ApiServer.start("--api-audiences=https://kubernetes.default.svc," + TestSandboxes.AUDIENCE);
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    @BeforeEach
    void prepare() throws Exception {
        sandboxes = TestSandboxes.prepare(server);
        authenticator = PodAuthenticator.connect(
                sandboxes.settings(sandboxes.grant(server, "ext-authz")), Clock.systemUTC(), System::nanoTime);
    }

    @AfterEach
    void disconnect() {
        authenticator.close();
        TestSandboxes.defineSandboxes(server.admin());
    }

    private Outcome show(String token) {
        return show(authenticator, token);
    }

    private static Outcome show(PodAuthenticator to, String token) {
        return to.authenticate(new Credential("bearer", token, "/openshell.v1.OpenShell/IssueSandboxToken"));
    }

    private static Reason reason(Outcome outcome) {
        assertThat(outcome).isInstanceOf(Outcome.Rejected.class);
        return ((Outcome.Rejected) outcome).reason();
    }

    /** It dies and comes back; who asks does not have to. */
    @Test
    void anApiServerThatIsAwayIsNoNoAndItIsAskedAgainWhenItIsBack() throws Exception {
        String token = sandboxes.token(sandboxes.pod("pod", "box"));
        assertThat(show(token)).isInstanceOf(Outcome.Authenticated.class);

        server.kill();
        assertThat(reason(show(token))).isEqualTo(Reason.CLUSTER_UNAVAILABLE);

        server.startAgain();
        assertThat(show(token)).isInstanceOf(Outcome.Authenticated.class);
    }

    /**
     * A server may know people in other ways than we do, and take a token that looks like a pod's for somebody else's. What
     * it says then counts, and not what the token says.
     */
    @Test
    void theServersWordCountsAndNotTheTokens() throws Exception {
        String real = sandboxes.token(sandboxes.pod("pod", "box"));
        ResignedTokens cluster = ResignedTokens.asTheCluster(server);
        String namespace = sandboxes.namespace();
        Map<String, Reason> rows = Map.of(
                "alice",
                Reason.REVIEW_USERNAME,
                "system:node:" + namespace + ":openshell-sandbox",
                Reason.REVIEW_USERNAME,
                "system:serviceaccount:" + namespace,
                Reason.REVIEW_USERNAME,
                "system:serviceaccount:" + namespace + ":openshell-sandbox:x",
                Reason.REVIEW_USERNAME,
                "system:serviceaccount:others:openshell-sandbox",
                Reason.REVIEW_NAMESPACE,
                "system:serviceaccount:" + namespace + ":default",
                Reason.REVIEW_ACCOUNT,
                "system:serviceaccount:" + namespace + ":openshell-sandbox",
                Reason.REVIEW_POD);
        Map<String, Reason> expected = new HashMap<>();
        for (Map.Entry<String, Reason> row : rows.entrySet()) {
            String token = cluster.change(
                    real, claims -> claims.jwtID(UUID.randomUUID().toString()));
            server.believe(token, row.getKey());
            expected.put(token, row.getValue());
        }
        server.kill();
        server.startAgain();

        expected.forEach((token, reason) -> assertThat(reason(show(token))).isEqualTo(reason));
        assertThat(show(real)).isInstanceOf(Outcome.Authenticated.class);
    }

    /** No server of today leaves the audience out of its yes; one that knew none would. */
    @Test
    void aYesThatConfirmsNoAudienceIsNoYes() throws Exception {
        String token = sandboxes.token(sandboxes.pod("pod", "box"));
        try (ApiServerProxy proxy = ApiServerProxy.before(server);
                PodAuthenticator asking = PodAuthenticator.connect(
                        sandboxes.settings(sandboxes.grant(server, "ext-authz", proxy.url())),
                        Clock.systemUTC(),
                        System::nanoTime)) {
            proxy.answer(Question.REVIEW, Manner.saying(answer -> {
                assertThat(answer)
                        .contains("\"authenticated\":true,", "\"audiences\":[\"" + TestSandboxes.AUDIENCE + "\"]");
                // In its question it stands first.
                int at = answer.lastIndexOf("\"audiences\":[");
                return answer.substring(0, at) + "\"audiences\":[\"another\""
                        + answer.substring(answer.indexOf(']', at));
            }));
            assertThat(reason(show(asking, token))).isEqualTo(Reason.REVIEW_AUDIENCE);
        }
    }

    /** The same object in another version has the same name and uid: which one its pod names makes no difference. */
    @ParameterizedTest
    @CsvSource({"v1beta1, v1beta1", "v1beta1, v1alpha1", "v1alpha1, v1beta1", "v1alpha1, v1alpha1"})
    void aClusterMayServeEitherVersionAlone(String served, String named) {
        TestSandboxes.defineSandboxes(server.admin(), served.equals("v1beta1"), served.equals("v1alpha1"));
        GenericKubernetesResource resource = sandboxes.unsaved("pod", Map.of("openshell.ai/sandbox-id", "box"));
        resource.setApiVersion("agents.x-k8s.io/" + served);
        GenericKubernetesResource sandbox = sandboxes
                .resources(served)
                .inNamespace(sandboxes.namespace())
                .resource(resource)
                .create();
        OwnerReference owner = TestSandboxes.owner(sandbox, true);
        owner.setApiVersion("agents.x-k8s.io/" + named);
        Pod pod = sandboxes.pod("pod", TestSandboxes.ACCOUNT, Map.of("openshell.io/sandbox-id", "box"), List.of(owner));
        String token = sandboxes.token(pod);

        assertThat(show(token)).isInstanceOf(Outcome.Authenticated.class);

        sandboxes
                .resources(served)
                .inNamespace(sandboxes.namespace())
                .withName("pod")
                .delete();
        assertThat(reason(show(token))).isEqualTo(Reason.OWNER_GONE);
    }

    /** Each of the two may come and go while we run, as during an upgrade. */
    @Test
    void aVersionMayComeAndGo() {
        String token = sandboxes.token(sandboxes.pod("pod", "box"));
        assertThat(show(token)).isInstanceOf(Outcome.Authenticated.class);
        TestSandboxes.defineSandboxes(server.admin(), false, true);
        assertThat(show(token)).isInstanceOf(Outcome.Authenticated.class);
        TestSandboxes.defineSandboxes(server.admin(), false, false);
        assertThat(reason(show(token))).as("not served is not gone").isEqualTo(Reason.CLUSTER_UNAVAILABLE);
        TestSandboxes.defineSandboxes(server.admin(), true, false);
        assertThat(show(token)).isInstanceOf(Outcome.Authenticated.class);
    }
}
