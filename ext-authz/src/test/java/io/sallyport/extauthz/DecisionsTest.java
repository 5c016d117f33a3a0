package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.MessageLite;
import io.sallyport.api.openshell00.DenialSummary;
import io.sallyport.api.openshell00.GetDraftPolicyRequest;
import io.sallyport.api.openshell00.RefreshSandboxTokenRequest;
import io.sallyport.api.openshell00.SubmitPolicyAnalysisRequest;
import io.sallyport.api.openshell00.inference.GetInferenceBundleRequest;
import io.sallyport.api.openshell00.sandbox.GetSandboxConfigRequest;
import io.sallyport.base.Reason;
import io.sallyport.extauthz.Decision.Allow;
import io.sallyport.extauthz.Decision.Deny;
import io.sallyport.extauthz.Decision.Traveller;
import io.sallyport.extauthz.Decision.Undecided;
import io.sallyport.extauthz.Decisions.UserMethods;
import io.sallyport.extauthz.SandboxRecord.State;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(30)
class DecisionsTest {
    @TempDir
    Path directory;

    private Stage stage;
    private Decisions closed;
    private int connections;

    @BeforeEach
    void build() throws IOException {
        stage = new Stage(directory, "openshell-0.0");
        closed = stage.decisions(UserMethods.CLOSED, false);
    }

    /** Who may call what. Bodies are the caller's own, so that nothing else is in the way. */
    @ParameterizedTest(name = "{0}")
    @CsvSource(useHeadersInDisplayName = true, delimiter = '|', textBlock = """
            caller       | sandbox methods    | ServiceAccount's         | unguarded     | health    | closed        | user's, closed         | user's, gateway        | user's, developer
            none         | no-credential      | no-credential            | method-closed | anonymous | method-closed | no-credential          | no-credential          | developer
            empty        | credential-scheme  | credential-scheme        | method-closed | anonymous | method-closed | credential-scheme      | credential-scheme      | credential-scheme
            basic        | credential-scheme  | credential-scheme        | method-closed | anonymous | method-closed | credential-scheme      | credential-scheme      | credential-scheme
            two          | several-credentials| several-credentials      | method-closed | anonymous | method-closed | several-credentials    | several-credentials    | several-credentials
            opaque       | credential-unknown | credential-unknown       | method-closed | anonymous | method-closed | credential-unknown     | unnamed                | credential-unknown
            foreign-jwt  | credential-unknown | credential-unknown       | method-closed | anonymous | method-closed | credential-unknown     | unnamed                | credential-unknown
            damaged      | token-signature    | token-signature          | method-closed | anonymous | method-closed | token-signature        | token-signature        | token-signature
            expired      | token-expired      | token-expired            | method-closed | anonymous | method-closed | token-expired          | token-expired          | token-expired
            alpha        | sandbox            | service-account-required | method-closed | anonymous | method-closed | sandbox-on-user-method | sandbox-on-user-method | sandbox-on-user-method
            stopped      | sandbox-stopped    | service-account-required | method-closed | anonymous | method-closed | sandbox-on-user-method | sandbox-on-user-method | sandbox-on-user-method
            deleted      | sandbox-deleted    | service-account-required | method-closed | anonymous | method-closed | sandbox-on-user-method | sandbox-on-user-method | sandbox-on-user-method
            nobody       | sandbox-unknown    | service-account-required | method-closed | anonymous | method-closed | sandbox-on-user-method | sandbox-on-user-method | sandbox-on-user-method
            unsure       | issuer-unavailable | service-account-required | method-closed | anonymous | method-closed | sandbox-on-user-method | sandbox-on-user-method | sandbox-on-user-method
            """)
    void callers(
            String caller,
            String sandboxMethods,
            String serviceAccounts,
            String stream,
            String health,
            String closedMethod,
            String usersClosed,
            String usersGateway,
            String usersDeveloper)
            throws IOException {
        Decisions gateway = stage.decisions(UserMethods.GATEWAY, false);
        Decisions developer = stage.decisions(UserMethods.CLOSED, true);
        for (Decisions decisions : new Decisions[] {closed, gateway, developer}) {
            assertDecides(decisions, as(caller, Requests.CONFIG).message(config(caller + "-id")), sandboxMethods);
            assertDecides(decisions, as(caller, Requests.DRAFT).message(draft(caller, "")), sandboxMethods);
            assertDecides(decisions, as(caller, Requests.BUNDLE).message(bundle()), sandboxMethods);
            // A token that has only just ended is for the issuer to judge, on this one method.
            assertDecides(
                    decisions,
                    as(caller, Requests.REFRESH).message(refresh()),
                    caller.equals("expired") ? "sandbox" : sandboxMethods);
            assertDecides(decisions, as(caller, Requests.ISSUE).message(refresh()), serviceAccounts);
            assertDecides(decisions, as(caller, Requests.LOGS).size(-1), sandboxMethods);
            assertDecides(decisions, as(caller, Stage.UNGUARDED_STREAM).size(-1), stream);
            assertDecides(decisions, as(caller, Requests.HEALTH).size(-1), health);
            assertDecides(decisions, as(caller, Stage.CLOSED).size(-1), closedMethod);
        }
        for (String path : new String[] {Requests.USER, Stage.USER_STREAM}) {
            assertDecides(closed, as(caller, path).size(-1), usersClosed);
            assertDecides(gateway, as(caller, path).size(-1), usersGateway);
            assertDecides(developer, as(caller, path).size(-1), usersDeveloper);
        }
    }

    /** Which sandbox a body means: alpha asks. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            config   | alpha-id |          |          | sandbox
            config   | beta-id  |          |          | cross-sandbox
            config   | no-such  |          |          | cross-sandbox
            config   | ALPHA-ID |          |          | cross-sandbox
            config   | ''       |          |          | cross-sandbox
            draft    |          | alpha    | ''       | sandbox
            draft    |          | alpha    | default  | sandbox
            draft    |          | alpha    | other    | name-not-owned
            draft    |          | beta     | ''       | name-not-owned
            draft    |          | no-such  | ''       | name-not-owned
            draft    |          | alpha-id | ''       | name-not-owned
            draft    |          | ''       | ''       | name-not-owned
            analysis | ''       | alpha    | ''       | sandbox
            analysis | alpha-id | alpha    | ''       | sandbox
            analysis | beta-id  | alpha    | ''       | cross-sandbox
            analysis | beta-id  | beta     | ''       | name-not-owned
            """)
    void references(String kind, String id, String name, String workspace, String expected) {
        MessageLite message = switch (kind) {
            case "config" -> config(id);
            case "draft" -> draft(name, workspace);
            default ->
                SubmitPolicyAnalysisRequest.newBuilder()
                        .setName(name)
                        .setWorkspace(workspace)
                        .addSummaries(DenialSummary.newBuilder().setSandboxId("alpha-id"))
                        .addSummaries(DenialSummary.newBuilder().setSandboxId(id))
                        .build();
        };
        String path = switch (kind) {
            case "config" -> Requests.CONFIG;
            case "draft" -> Requests.DRAFT;
            default -> Requests.ANALYSIS;
        };
        assertDecides(closed, as("alpha", path).message(message), expected);
        assertThat(stage.records.asked).as("nobody is looked up but the caller").containsOnly("alpha-id");
    }

    @Test
    void aNameInAnotherWorkspaceIsOwnedThere() {
        stage.records.with("alpha-id", "team", "alpha", State.ACTIVE);
        assertDecides(closed, as("alpha", Requests.DRAFT).message(draft("alpha", "team")), "sandbox");
        assertDecides(closed, as("alpha", Requests.DRAFT).message(draft("alpha", "")), "name-not-owned");
        assertDecides(closed, as("alpha", Requests.DRAFT).message(draft("alpha", "default")), "name-not-owned");
    }

    @Test
    void theSameFieldIsANameInTheNextGeneration(@TempDir Path other) throws IOException {
        Stage next = new Stage(other, "openshell-0.1");
        Decisions decisions = next.decisions(UserMethods.CLOSED, false);
        String token = next.identity.token("alpha-id");
        assertDecides(
                decisions,
                next.to(Requests.CONFIG)
                        .bearer(token)
                        .message(io.sallyport.api.openshell01.sandbox.GetSandboxConfigRequest.newBuilder()
                                .setName("alpha")
                                .build()),
                "sandbox");
        assertDecides(decisions, next.to(Requests.CONFIG).bearer(token).message(config("alpha-id")), "name-not-owned");
        assertDecides(decisions, next.to(Requests.CONFIG).bearer(token).message(config("beta")), "name-not-owned");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            /openshell.v1.OpenShell/GetSandboxConfig?x=1   | path-malformed
            /openshell.v1.OpenShell/GetSandboxConfig?      | path-malformed
            //openshell.v1.OpenShell/GetSandboxConfig      | path-malformed
            /openshell.v1.OpenShell//GetSandboxConfig      | path-malformed
            /openshell.v1.OpenShell/GetSandbox%43onfig     | path-malformed
            /openshell.v1.OpenShell/GetSandboxConfig/      | path-malformed
            /openshell.v1.OpenShell/./GetSandboxConfig     | path-malformed
            /openshell.v1.OpenShell/GetSandboxConfig#x     | path-malformed
            openshell.v1.OpenShell/GetSandboxConfig        | path-malformed
            http://gw/openshell.v1.OpenShell/GetSandboxConfig | path-malformed
            '/'                                            | path-malformed
            ''                                             | path-malformed
            *                                              | path-malformed
            /openshell.v1.OpenShell/getsandboxconfig       | method-unknown
            /openshell.v1.OpenShell/NoSuchMethod           | method-unknown
            /grpc.reflection.v1.ServerReflection/ServerReflectionInfo | method-unknown
            """)
    void paths(String path, String expected) {
        assertDecides(closed, as("alpha", path).message(config("alpha-id")), expected);
        assertDecides(closed, stage.to(path).size(-1), expected);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            application/grpc             | sandbox
            application/grpc+proto       | sandbox
            -                            | content-type
            ''                           | content-type
            application/grpc+json        | content-type
            application/grpc-web         | content-type
            application/grpc;x=y         | content-type
            application/grpc,application/grpc | content-type
            Application/gRPC             | content-type
            application/json             | content-type
            """)
    void contentTypes(String contentType, String expected) {
        assertDecides(
                closed,
                as("alpha", Requests.CONFIG).message(config("alpha-id")).header("content-type", contentType),
                expected);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            -                   | sandbox
            alpha-id            | sandbox
            beta-id             | sandbox-header
            ALPHA-ID            | sandbox-header
            ''                  | sandbox-header
            alpha-id,alpha-id   | sandbox-header
            'alpha-id, beta-id' | sandbox-header
            """)
    void theSandboxHeaderAgreesOrThereIsNone(String header, String expected) {
        for (String path : new String[] {Requests.BUNDLE, Requests.CONFIG, Requests.REFRESH}) {
            MessageLite message = path.equals(Requests.CONFIG) ? config("alpha-id") : bundle();
            assertDecides(closed, as("alpha", path).message(message).header("x-sandbox-id", header), expected);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            0  | false | sandbox
            0  | -     | sandbox
            0  | true  | body-partial
            0  | ''    | body-partial
            0  | False | body-partial
            1  | false | body-partial
            -1 | false | body-partial
            """)
    void bodiesAreWhole(int difference, String mark, String expected) {
        int whole = Requests.frame(config("alpha-id").toByteArray()).length;
        assertDecides(
                closed,
                as("alpha", Requests.CONFIG)
                        .message(config("alpha-id"))
                        .size(whole + difference)
                        .header("x-envoy-auth-partial-body", mark),
                expected);
    }

    /** What Envoy does with a body whose last frame crosses the limit: the part within it, and the size of the whole. */
    @ParameterizedTest
    @CsvSource({
        "65536, 65536, message-truncated",
        "65536, 65537, body-too-large",
        "65536, 10000000000, body-too-large",
        "65537, 65537, body-too-large",
        "65537, 65536, body-too-large",
        "65535, 65536, body-partial"
    })
    void aBodyOverTheLimitIsThatAndNotAPart(int came, long size, String expected) {
        byte[] body = Requests.frame(new byte[came - 5]);
        body[5] = 0x0a; // a reference, of which the length is missing
        body[6] = (byte) 0xff;
        body[7] = (byte) 0xff;
        body[8] = 0x7f;
        assertDecides(closed, as("alpha", Requests.CONFIG).body(body).size(size), expected);
    }

    @Test
    void anUnknownSizeIsNotAWholeBody() {
        assertDecides(closed, as("alpha", Requests.BUNDLE).size(-1), "body-partial");
        assertDecides(
                closed, as("alpha", Requests.CONFIG).message(config("alpha-id")).size(-1), "body-partial");
    }

    @Test
    void bodiesThatReadInTwoWaysAreRefused() {
        byte[] own = config("alpha-id").toByteArray();
        byte[] twice = new byte[own.length * 2];
        System.arraycopy(own, 0, twice, 0, own.length);
        System.arraycopy(own, 0, twice, own.length, own.length);
        assertDecides(closed, as("alpha", Requests.CONFIG).body(Requests.frame(twice)), "message-field-repeated");
        byte[] compressed = Requests.frame(own);
        compressed[0] = 1;
        assertDecides(closed, as("alpha", Requests.CONFIG).body(compressed), "frame-compressed");
        assertDecides(closed, as("alpha", Requests.CONFIG).body(new byte[0]), "body-missing");
    }

    @Test
    void bodiesOverTheLimitOfTheirMethodAreRefused() {
        byte[] large = new byte[64 * 1024 + 1];
        assertDecides(closed, as("alpha", Requests.CONFIG).body(large), "body-too-large");
    }

    @Test
    void checksOfAnotherPolicyAreRefusedBeforeAnythingElse() {
        for (String digest :
                new String[] {null, "", "0".repeat(64), stage.policy.digest().toUpperCase(Locale.ROOT)}) {
            assertDecides(
                    closed,
                    as("alpha", Requests.CONFIG).message(config("alpha-id")).digest(digest),
                    "policy-mismatch");
            assertDecides(closed, stage.to(Requests.HEALTH).digest(digest), "policy-mismatch");
        }
        assertThat(stage.verified).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"Bearer", "bearer", "BEARER", "bEaReR"})
    void theSchemeIsReadInAnyCase(String scheme) {
        String header = scheme + " " + stage.identity.token("alpha-id");
        for (int i = 0; i < 2; i++) {
            assertDecides(
                    closed, stage.to(Requests.BUNDLE).message(bundle()).header("authorization", header), "sandbox");
        }
        assertThat(stage.verified).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"Bearer  %s", "Bearer %s ", " Bearer %s", "Bearer\t%s", "Bearer%s", "Bearer %s,", "%s", "Bearer "
            })
    void otherSpellingsAreRefusedAlsoWhenTheTokenIsKnown(String pattern) {
        String token = stage.identity.token("alpha-id");
        assertDecides(closed, stage.to(Requests.BUNDLE).message(bundle()).bearer(token), "sandbox");
        Decision decision = closed.decide(stage.to(Requests.BUNDLE)
                .message(bundle())
                .header("authorization", pattern.formatted(token))
                .call());
        assertThat(decision).isInstanceOf(Deny.class);
    }

    @Test
    void aKnownTokenIsLookedAtAgainForItsEndAndItsSandbox() {
        Requests request = as("alpha", Requests.BUNDLE).message(bundle());
        assertDecides(closed, request, "sandbox");
        stage.change("alpha-id", "alpha", State.STOPPED);
        assertDecides(closed, request, "sandbox-stopped");
        stage.change("alpha-id", "alpha", State.DELETED);
        assertDecides(closed, request, "sandbox-deleted");
        stage.change("alpha-id", "alpha", State.ACTIVE);
        assertDecides(closed, request, "sandbox");
        stage.time.advance(Duration.ofHours(1).plusSeconds(60));
        assertDecides(closed, request, "token-expired");
        assertThat(closed.decideAtOnce(request.call())).isInstanceOf(Deny.class);
    }

    /** What the identity of a test signs: jti-1 for the first token, lineage lin-alpha-id, and a key of its own. */
    @ParameterizedTest
    @CsvSource({"token, jti-1", "lineage, lin-alpha-id", "key, -", "sandbox, alpha-id"})
    void whatIsTakenBackIsRefusedAlsoWhenItIsKnown(String kind, String name) throws Exception {
        Requests request = as("alpha", Requests.BUNDLE).message(bundle());
        Requests renewal = as("alpha", Requests.REFRESH).message(refresh());
        assertDecides(closed, request, "sandbox");
        assertThat(closed.decideAtOnce(request.call())).isInstanceOf(Allow.class);
        String named = kind.equals("key") ? stage.identity.keyId() : name;
        stage.revocations.add(Revoked.of(kind, named, TestTime.START));
        assertThat(closed.decideAtOnce(request.call())).isInstanceOf(Deny.class);
        assertDecides(closed, request, "token-revoked");
        // jti-2 is another token of the same lineage, key and time.
        assertDecides(closed, renewal, kind.equals("token") ? "sandbox" : "token-revoked");
    }

    @Test
    void aSandboxsTokensAreTakenBackByTheSecondInWhichTheyWereIssued() throws Exception {
        stage.revocations.add(Revoked.of("sandbox", "alpha-id", TestTime.START.plusMillis(900)));
        Requests before = as("alpha", Requests.BUNDLE).message(bundle());
        stage.time.advance(Duration.ofSeconds(1));
        Requests after = as("alpha", Requests.BUNDLE).message(bundle());
        assertDecides(closed, before, "token-revoked");
        assertDecides(closed, after, "sandbox");
        // An older revocation that is told later takes nothing back from the newer one, nor the other way round.
        stage.revocations.add(Revoked.of("sandbox", "alpha-id", TestTime.START.minusSeconds(5)));
        assertDecides(closed, before, "token-revoked");
        assertDecides(closed, after, "sandbox");
    }

    /** The record is asked for while the token is being taken back: the answer must not let it pass. */
    @Test
    void aTokenTakenBackWhileItsRecordIsAskedForDoesNotPass() throws Exception {
        stage.records.hold();
        Requests request = as("alpha", Requests.BUNDLE).message(bundle());
        CompletableFuture<Decision> decision = CompletableFuture.supplyAsync(() -> closed.decide(request.call()));
        while (stage.records.asked.isEmpty()) {
            Thread.onSpinWait();
        }
        stage.revocations.add(Revoked.of("token", "jti-1", TestTime.START));
        stage.records.release();
        assertThat(decision.get())
                .isInstanceOfSatisfying(
                        Deny.class, deny -> assertThat(deny.reason()).isEqualTo(Reason.TOKEN_REVOKED));
    }

    @Test
    void whoHasNotHeardForTooLongLetsNoSandboxPassAndSaysWhy() {
        Requests request = as("alpha", Requests.BUNDLE).message(bundle());
        assertDecides(closed, request, "sandbox");
        stage.time.advance(Stage.MAX_STALENESS);
        Requests fresh = as("alpha", Requests.BUNDLE).message(bundle());
        assertDecides(closed, fresh, "sandbox");
        stage.time.advance(Duration.ofMillis(1));
        assertDecides(closed, fresh, "feed-stale");
        assertThat(deny(fresh).detail()).contains("10800 s").contains("see that it runs");
        assertThat(closed.decideAtOnce(fresh.call())).isInstanceOf(Deny.class);
        // What needs no record goes on.
        assertDecides(closed, as("none", Requests.HEALTH).size(-1), "anonymous");
        assertDecides(closed, as("damaged", Requests.BUNDLE).message(bundle()), "token-signature");

        stage.freshness.answered(stage.freshness.ask());
        assertDecides(closed, fresh, "sandbox");
    }

    /** Used on one method and then the other, in both orders, from the cache and beside it. */
    @ParameterizedTest
    @ValueSource(strings = {"refresh first", "config first", "known while it was good"})
    void aTokenThatHasEndedIsGoodForItsRenewalAlone(String order) {
        String token =
                order.startsWith("known") ? stage.identity.token("alpha-id") : stage.identity.expiredToken("alpha-id");
        Requests renewal = stage.to(Requests.REFRESH).message(refresh()).bearer(token);
        Requests config = stage.to(Requests.CONFIG).message(config("alpha-id")).bearer(token);
        if (order.startsWith("known")) {
            assertDecides(closed, config, "sandbox");
            stage.time.advance(Duration.ofHours(1).plusSeconds(60));
        }
        for (int i = 0; i < 3; i++) {
            if (order.startsWith("refresh")) {
                assertDecides(closed, renewal, "sandbox");
            }
            assertDecides(closed, config, "token-expired");
            assertThat(closed.decideAtOnce(config.call())).isInstanceOf(Deny.class);
            assertDecides(closed, renewal, "sandbox");
            assertThat(closed.decideAtOnce(renewal.call())).isInstanceOf(Undecided.class);
            stage.time.advance(Duration.ofSeconds(6)); // what is remembered of bad tokens is forgotten
        }
    }

    @Test
    void theWindowToRenewEnds() {
        String token = stage.identity.expiredToken("alpha-id"); // ended a second more than the leeway ago
        Requests renewal = stage.to(Requests.REFRESH).message(refresh()).bearer(token);
        stage.time.advance(Stage.RENEWAL.minusSeconds(2));
        stage.freshness.answered(stage.freshness.ask());
        assertDecides(closed, renewal, "sandbox");
        stage.time.advance(Duration.ofSeconds(1));
        assertDecides(closed, renewal, "token-expired");
    }

    /** Only the end may be wrong with it. */
    @ParameterizedTest
    @CsvSource({"damaged, token-signature", "stopped, sandbox-stopped", "deleted, sandbox-deleted"})
    void aTokenThatHasEndedAndIsBadOtherwiseIsNotRenewed(String what, String expected) {
        String token = stage.identity.expiredToken(what.equals("damaged") ? "alpha-id" : what + "-id");
        String shown = what.equals("damaged") ? token.substring(0, token.length() - 10) + "AAAAAAAAAA" : token;
        assertDecides(closed, stage.to(Requests.REFRESH).message(refresh()).bearer(shown), expected);
    }

    @Test
    void whatIsKnownIsDecidedAtOnce() {
        Requests request = as("alpha", Requests.CONFIG).message(config("alpha-id"));
        assertThat(closed.decideAtOnce(request.call())).isInstanceOf(Undecided.class);
        assertThat(stage.verified).isEmpty();
        assertThat(stage.records.asked).isEmpty();
        assertThat(closed.decide(request.call())).isInstanceOf(Allow.class);
        assertThat(closed.decideAtOnce(request.call())).isInstanceOf(Allow.class);
        assertThat(stage.records.asked).hasSize(1);
        assertThat(stage.verified).hasSize(1);
    }

    @Test
    void largeBodiesAndTheIssuersMethodsAreNotDecidedAtOnce() {
        String token = stage.identity.token("alpha-id");
        assertDecides(closed, stage.to(Requests.BUNDLE).message(bundle()).bearer(token), "sandbox");
        assertThat(closed.decideAtOnce(stage.to(Requests.REFRESH)
                        .message(refresh())
                        .bearer(token)
                        .call()))
                .isInstanceOf(Undecided.class);
        assertThat(closed.decideAtOnce(stage.to(Requests.CONFIG)
                        .body(new byte[Decisions.SMALL_BODY + 1])
                        .bearer(token)
                        .call()))
                .isInstanceOf(Undecided.class);
    }

    @Test
    void aConnectionWithTooManyBadCredentialsIsNotVerifiedFor() {
        for (int i = 0; i < 5; i++) {
            assertDecides(closed, fromOne(as("damaged", Requests.BUNDLE).message(bundle())), "token-signature");
        }
        int before = stage.verified.size();
        assertDecides(closed, fromOne(as("damaged", Requests.BUNDLE).message(bundle())), "too-many-failures");
        assertDecides(closed, fromOne(as("alpha", Requests.BUNDLE).message(bundle())), "too-many-failures");
        assertThat(stage.verified).hasSize(before);
        Requests elsewhere = as("alpha", Requests.BUNDLE).message(bundle());
        assertDecides(closed, elsewhere, "sandbox");
        assertDecides(closed, fromOne(elsewhere), "sandbox");
    }

    @Test
    void refusalsSayWhoAndWhomButNoSecret() {
        String token = stage.identity.token("alpha-id");
        Deny cross = deny(stage.to(Requests.CONFIG).bearer(token).message(config("beta-id")));
        assertThat(cross.principal()).isEqualTo("sandbox;id=\"alpha-id\";source=\"gateway-jwt\"");
        assertThat(cross.sandboxAsked()).isEqualTo("beta-id");
        assertThat(deny(stage.to(Requests.DRAFT).bearer(token).message(draft("beta", "")))
                        .sandboxAsked())
                .isEqualTo("default/beta");
        assertThat(deny(stage.to(Requests.CONFIG).bearer(token).message(config(token))))
                .satisfies(deny -> assertThat(deny.toString()).doesNotContain(token));
        assertThat(deny(stage.to(Requests.CONFIG)
                                .bearer(token)
                                .message(config("alpha-id"))
                                .header("x-sandbox-id", token))
                        .toString())
                .doesNotContain(token);
        assertThat(Decisions.loggable("/a.B/C?" + token)).doesNotContain(token);
        assertThat(Decisions.loggable(Requests.CONFIG)).isEqualTo(Requests.CONFIG);
    }

    private static Requests fromOne(Requests request) {
        return request.from("10.0.0.7", 40_000);
    }

    private Deny deny(Requests request) {
        Decision decision = closed.decide(request.call());
        assertThat(decision).isInstanceOf(Deny.class);
        return (Deny) decision;
    }

    /** An issuer minted the first token, so there was a record: one that is gone is a loss, and not to be papered over. */
    @Test
    void onlyATokenWithoutALineageMakesItsSandboxKnown() {
        stage.records.adopt();
        Requests minted = stage.to(Requests.CONFIG).bearer(stage.identity.token("newcomer-id"));
        assertDecides(closed, minted.message(config("newcomer-id")), "sandbox-unknown");
        assertThat(stage.records.adoptions).isEmpty();

        Requests gateways = stage.to(Requests.CONFIG).bearer(stage.identity.gatewaysToken("newcomer-id"));
        assertThat(closed.decideAtOnce(gateways.message(config("newcomer-id")).call()))
                .as("that takes a question")
                .isInstanceOf(Undecided.class);
        assertThat(closed.decide(gateways.message(config("newcomer-id")).call()))
                .isInstanceOf(Allow.class);
        assertThat(stage.records.adoptions).containsExactly("newcomer-id");
    }

    private Requests as(String caller, String path) {
        // A connection of its own each time, so that only one test meets the limit of failures.
        Requests request = stage.to(path).from("10.0.0.8", ++connections);
        return switch (caller) {
            case "none" -> request;
            case "empty" -> request.header("authorization", "");
            case "basic" -> request.header("authorization", "Basic YWxwaGE6cHc=");
            case "two" ->
                request.header(
                        "authorization",
                        "Bearer " + stage.identity.token("alpha-id") + ",Bearer " + stage.identity.token("alpha-id"));
            case "opaque" -> request.bearer("opaque-token-of-a-user");
            case "foreign-jwt" -> request.bearer(foreignJwt());
            case "damaged" -> {
                String token = stage.identity.token("alpha-id");
                int at = token.lastIndexOf('.') + 10;
                yield request.bearer(
                        token.substring(0, at) + (token.charAt(at) == 'A' ? 'B' : 'A') + token.substring(at + 1));
            }
            case "expired" -> request.bearer(stage.identity.expiredToken("alpha-id"));
            default -> request.bearer(stage.identity.token(caller + "-id"));
        };
    }

    private static String foreignJwt() {
        Base64.Encoder base64 = Base64.getUrlEncoder().withoutPadding();
        return base64.encodeToString("{\"alg\":\"RS256\",\"kid\":\"other\"}".getBytes(StandardCharsets.UTF_8))
                + "."
                + base64.encodeToString("{\"iss\":\"https://idp.example\"}".getBytes(StandardCharsets.UTF_8))
                + "."
                + base64.encodeToString(new byte[256]);
    }

    private static void assertDecides(Decisions decisions, Requests request, String expected) {
        Decision decision = decisions.decide(request.call());
        switch (decision) {
            case Deny(Reason reason, String _, String _, String _) ->
                assertThat(reason.code()).isEqualTo(expected);
            case Allow(OpenMethod _, Traveller traveller) ->
                assertThat(
                                switch (traveller) {
                                    case Traveller.OfSandbox(var principal) -> {
                                        assertThat(principal.id().value()).isEqualTo("alpha-id");
                                        yield "sandbox";
                                    }
                                    case Traveller.OfPod _ -> "pod";
                                    case Traveller.Developer() -> "developer";
                                    case Traveller.Anonymous() -> "anonymous";
                                    case Traveller.Unnamed() -> "unnamed";
                                })
                        .isEqualTo(expected);
            case Undecided() -> throw new AssertionError("undecided");
        }
        // What is told from memory is the same, or is left undecided.
        Decision atOnce = decisions.decideAtOnce(request.call());
        if (!(atOnce instanceof Undecided)) {
            assertThat(atOnce.getClass()).isEqualTo(decision.getClass());
        }
    }

    private static GetSandboxConfigRequest config(String id) {
        return GetSandboxConfigRequest.newBuilder().setSandboxId(id).build();
    }

    private static GetDraftPolicyRequest draft(String name, String workspace) {
        return GetDraftPolicyRequest.newBuilder()
                .setName(name)
                .setWorkspace(workspace)
                .build();
    }

    private static GetInferenceBundleRequest bundle() {
        return GetInferenceBundleRequest.getDefaultInstance();
    }

    private static RefreshSandboxTokenRequest refresh() {
        return RefreshSandboxTokenRequest.getDefaultInstance();
    }
}
