package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import io.sallyport.kubernetes.ApiServerProxy.Manner;
import io.sallyport.kubernetes.ApiServerProxy.Question;
import java.time.Clock;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A real API server falls ill in each of its answers: nobody is told no, nobody is let in, and it is asked again when it is well. */
@SharedApiServer
class SickApiServerTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(2);
    private static final AtomicInteger NUMBERS = new AtomicInteger();

    private final ApiServer server;
    private ApiServerProxy proxy;
    private PodAuthenticator authenticator;
    private String token;

    SickApiServerTest(ApiServer server) {
        this.server = server;
    }

    @BeforeEach
    void prepare() throws Exception {
        TestSandboxes sandboxes = TestSandboxes.prepare(server, "sandboxes-of-the-sick");
        String name = "pod-" + NUMBERS.incrementAndGet();
        token = sandboxes.token(sandboxes.pod(name, "box-" + name));
        proxy = ApiServerProxy.before(server);
        authenticator = PodAuthenticator.connect(
                sandboxes.settings(sandboxes.cluster(
                        new ClusterAccess.Kubeconfig(sandboxes.grant(server, "ext-authz", proxy.url())), TIMEOUT)),
                Clock.systemUTC(),
                System::nanoTime);
    }

    @AfterEach
    void stop() {
        authenticator.close();
        proxy.close();
    }

    private Outcome show() {
        return authenticator.authenticate(new Credential("bearer", token, "/openshell.v1.OpenShell/IssueSandboxToken"));
    }

    @SuppressWarnings("ImmutableEnumChecker") // they hold nothing
    enum Illness {
        LATE(Manner.late(TIMEOUT.plusSeconds(1))),
        TOO_MANY_REQUESTS(Manner.code(429)),
        INTERNAL_ERROR(Manner.code(500)),
        UNAVAILABLE(Manner.code(503)),
        NOT_KNOWING_US(Manner.code(401)),
        ANOTHER_NOT_FOUND(Manner.code(404)),
        NONSENSE(Manner.saying(_ -> "{\"kind\":\"Lease\"}"));

        private final Manner manner;

        Illness(Manner manner) {
            this.manner = manner;
        }
    }

    static Stream<Arguments> everyAnswerInEveryWay() {
        return Arrays.stream(Question.values())
                .flatMap(question -> Arrays.stream(Illness.values()).map(illness -> Arguments.of(question, illness)));
    }

    @ParameterizedTest
    @MethodSource
    void everyAnswerInEveryWay(Question question, Illness illness) {
        proxy.answer(question, illness.manner);
        Outcome sick = show();
        int asked = proxy.asked(question);

        proxy.recover();
        Outcome well = show();

        if (question == Question.KEYS) {
            // They only say who need not be asked about.
            assertThat(sick).isInstanceOf(Outcome.Authenticated.class);
        } else {
            assertThat(sick)
                    .isInstanceOfSatisfying(
                            Outcome.Rejected.class,
                            no -> assertThat(no.reason()).isEqualTo(Reason.CLUSTER_UNAVAILABLE));
        }
        // A Sandbox may be there in the other version, and our token may have been replaced.
        boolean again = illness == Illness.NOT_KNOWING_US
                || (illness == Illness.ANOTHER_NOT_FOUND && question == Question.SANDBOX);
        assertThat(asked).as("a sick server is not asked over and over").isEqualTo(again ? 2 : 1);
        assertThat(well).isInstanceOf(Outcome.Authenticated.class);
    }
}
