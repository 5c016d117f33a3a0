package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.extauthz.Decision.Allow;
import io.sallyport.extauthz.Decision.Deny;
import io.sallyport.extauthz.Decision.Traveller;
import io.sallyport.extauthz.Decision.Undecided;
import io.sallyport.extauthz.Decisions.UserMethods;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Pods: one method is theirs, and only on it are they asked after. */
class PodDecisionsTest {
    @TempDir
    Path directory;

    private Stage stage;
    private Decisions decisions;

    @BeforeEach
    void prepare() throws IOException {
        stage = new Stage(directory, "openshell-0.0");
        decisions = stage.decisions(UserMethods.GATEWAY, true);
    }

    private Requests issue() {
        return stage.to(Requests.ISSUE).bearer(Stage.POD_TOKEN).body(Requests.frame(new byte[0]));
    }

    private Reason refusal(Requests request) {
        assertThat(decisions.decide(request.call())).isInstanceOf(Deny.class);
        return ((Deny) decisions.decide(request.call())).reason();
    }

    @Test
    void aPodMayAskForItsFirstToken() {
        assertThat(decisions.decide(issue().call()))
                .isInstanceOfSatisfying(
                        Allow.class, allow -> assertThat(allow.traveller()).isEqualTo(new Traveller.OfPod(Stage.POD)));
    }

    /** The API server takes its time; an event loop has none. */
    @Test
    void thatIsNeverDecidedOnAnEventLoop() {
        assertThat(decisions.decideAtOnce(issue().call())).isEqualTo(new Undecided());
        assertThat(stage.podsAsked).isEmpty();
    }

    @Test
    void aPodIsAskedAfterEachTime() {
        decisions.decide(issue().call());
        decisions.decide(issue().call());
        assertThat(stage.podsAsked).hasSize(2);
    }

    @ParameterizedTest
    @CsvSource({
        "of-a-pod-that-is-gone, POD_GONE",
        "of-a-pod-nobody-can-say, CLUSTER_UNAVAILABLE",
        "x, CREDENTIAL_UNKNOWN"
    })
    void otherPodsMayNot(String token, Reason reason) {
        assertThat(refusal(issue().bearer(token))).isEqualTo(reason);
    }

    @ParameterizedTest
    @ValueSource(strings = {Requests.CONFIG, Requests.DRAFT, Requests.REFRESH, Requests.BUNDLE, Requests.LOGS})
    void onNoMethodOfSandboxesAnybodyAsksAfterAPod(String method) {
        assertThat(refusal(stage.to(method).bearer(Stage.POD_TOKEN).body(Requests.frame(new byte[0]))))
                .isIn(Reason.CREDENTIAL_UNKNOWN, Reason.METHOD_CLOSED);
        assertThat(stage.podsAsked).isEmpty();
    }

    @Test
    void aSandboxTokenCostsTheApiServerNothing() {
        assertThat(refusal(issue().bearer(stage.identity.token("alpha-id"))))
                .isEqualTo(Reason.SERVICE_ACCOUNT_REQUIRED);
        assertThat(refusal(issue().bearer(stage.identity.token("alpha-id") + "A")))
                .isNotEqualTo(Reason.CREDENTIAL_UNKNOWN);
        assertThat(stage.podsAsked).isEmpty();
    }

    @Test
    void itSpeaksOfItselfAlone() {
        assertThat(refusal(issue().header("x-sandbox-id", "beta-id"))).isEqualTo(Reason.SANDBOX_HEADER);
        assertThat(decisions.decide(issue().header("x-sandbox-id", "alpha-id").call()))
                .isInstanceOf(Allow.class);
    }

    @Test
    void itsBodyIsReadLikeAnybodys() {
        assertThat(refusal(issue().body(new byte[] {1, 0, 0, 0, 0}))).isEqualTo(Reason.FRAME_COMPRESSED);
        assertThat(refusal(issue().size(6))).isEqualTo(Reason.BODY_PARTIAL);
        assertThat(refusal(issue().size(10_000_000))).isEqualTo(Reason.BODY_TOO_LARGE);
    }
}
