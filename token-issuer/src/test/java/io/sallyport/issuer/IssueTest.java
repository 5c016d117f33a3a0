package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.sallyport.api.openshell01.IssueSandboxTokenRequest;
import io.sallyport.api.openshell01.IssueSandboxTokenResponse;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.registry.v1.DeleteSandboxRequest;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.api.registry.v1.SetSandboxStateRequest;
import io.sallyport.identity.SandboxClaims;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Function;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The first token of a pod: by ext-authz's word alone, and for a living sandbox alone. */
class IssueTest {
    private static final String ISSUE = "/openshell.v1.OpenShell/IssueSandboxToken";
    private static final String REFRESH = "/openshell.v1.OpenShell/RefreshSandboxToken";

    @TempDir
    Path directory;

    private RunningIssuer issuer;

    @BeforeEach
    void start() throws Exception {
        issuer = RunningIssuer.in(directory);
    }

    @AfterEach
    void stop() {
        issuer.close();
    }

    private IssueSandboxTokenResponse issue(String... assertions) {
        return issuer.tokens(assertions).issueSandboxToken(IssueSandboxTokenRequest.getDefaultInstance());
    }

    @Test
    void aPodGetsTheFirstTokenOfALineageOfItsOwn() throws Exception {
        issuer.register("alpha");
        IssueSandboxTokenResponse first = issue(issuer.podAssertion("alpha", ISSUE));
        IssueSandboxTokenResponse second = issue(issuer.podAssertion("alpha", ISSUE));

        SandboxClaims token = issuer.verify(first.getToken());
        assertThat(token.sandbox().value()).isEqualTo("alpha");
        assertThat(token.lineage().orElseThrow().generation()).isZero();
        assertThat(issuer.verify(second.getToken()).lineage()).isNotEqualTo(token.lineage());
        assertThat(first.getExpiresAtMs()).isEqualTo(token.expiresAt().toEpochMilli());
        assertThat(first.getExpirationTime().getSeconds())
                .isEqualTo(token.expiresAt().getEpochSecond());
        assertThat(issuer.tokens(issuer.assertionFor(token, REFRESH))
                        .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance())
                        .getToken())
                .isNotEmpty();
        assertThat(issuer.auditAfterClosing())
                .first()
                .asString()
                .contains("\"reason\":\"bootstrap-minted\"", "service-account;", "pod-1")
                .doesNotContain(first.getToken());
    }

    /** What must not get a token, though the sandbox is alive. */
    @SuppressWarnings("ImmutableEnumChecker") // a lambda over nothing
    enum Row {
        NOTHING(Status.Code.PERMISSION_DENIED, _ -> new String[0]),
        A_SANDBOXS_TOKEN(
                Status.Code.PERMISSION_DENIED, issuer -> new String[] {issuer.assertionFor(unchecked(issuer), ISSUE)}),
        EXT_AUTHZ_ITSELF(Status.Code.UNAUTHENTICATED, issuer -> new String[] {issuer.extAuthzAssertion(ISSUE)}),
        FOR_ANOTHER_METHOD(Status.Code.UNAUTHENTICATED, issuer -> new String[] {issuer.podAssertion("alpha", REFRESH)}),
        TWO(Status.Code.UNAUTHENTICATED, issuer ->
                new String[] {issuer.podAssertion("alpha", ISSUE), issuer.podAssertion("alpha", ISSUE)}),
        GARBAGE(Status.Code.UNAUTHENTICATED, _ -> new String[] {"a.b.c"});

        private final Status.Code code;
        private final Function<RunningIssuer, String[]> assertions;

        Row(Status.Code code, Function<RunningIssuer, String[]> assertions) {
            this.code = code;
            this.assertions = assertions;
        }

        private static SandboxClaims unchecked(RunningIssuer issuer) {
            try {
                return issuer.verify(issuer.mint("alpha"));
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void nothingElseWillDo(Row row) {
        issuer.register("alpha");
        assertRefused(() -> issue(row.assertions.apply(issuer)), row.code);
    }

    @Test
    void aPodsWordRenewsNothing() {
        issuer.register("alpha");
        assertRefused(
                () -> issuer.tokens(issuer.podAssertion("alpha", REFRESH))
                        .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance()),
                Status.Code.UNAUTHENTICATED);
    }

    @Test
    void noRecordNoToken() throws Exception {
        assertRefused(() -> issue(issuer.podAssertion("nobody", ISSUE)), Status.Code.UNAUTHENTICATED);
        assertThat(issuer.auditAfterClosing()).last().asString().contains("\"reason\":\"sandbox-unknown\"");
    }

    @Test
    void noTokenForADeletedSandbox() throws Exception {
        issuer.register("alpha");
        issuer.registry()
                .deleteSandbox(DeleteSandboxRequest.newBuilder().setId("alpha").build());
        assertRefused(() -> issue(issuer.podAssertion("alpha", ISSUE)), Status.Code.UNAUTHENTICATED);
        assertThat(issuer.auditAfterClosing()).last().asString().contains("\"reason\":\"sandbox-deleted\"");
    }

    @Test
    void noTokenForAStoppedSandbox() {
        issuer.register("alpha");
        issuer.registry()
                .setSandboxState(SetSandboxStateRequest.newBuilder()
                        .setId("alpha")
                        .setState(SandboxState.SANDBOX_STATE_STOPPED)
                        .build());
        assertRefused(() -> issue(issuer.podAssertion("alpha", ISSUE)), Status.Code.PERMISSION_DENIED);
    }

    @Test
    void aSandboxThatAsksWithoutEndIsSlowedDown() throws Exception {
        issuer.close();
        Path settings = RunningIssuer.writeSettings(directory, directory.resolve("issuer.db"));
        Files.writeString(
                settings,
                Files.readString(settings)
                        .replaceFirst("limits: .*", "limits: {requests-per-minute: 1, burst: 10, concurrent: 8}"));
        issuer = RunningIssuer.over(directory, settings);
        issuer.register("alpha");
        issuer.register("beta");
        for (int i = 0; i < 10; i++) {
            issue(issuer.podAssertion("alpha", ISSUE));
        }
        assertRefused(() -> issue(issuer.podAssertion("alpha", ISSUE)), Status.Code.RESOURCE_EXHAUSTED);
        assertThat(issue(issuer.podAssertion("beta", ISSUE)).getToken()).isNotEmpty();
    }

    private static void assertRefused(ThrowingCallable call, Status.Code code) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        StatusRuntimeException.class,
                        refused -> assertThat(refused.getStatus().getCode()).isEqualTo(code));
    }
}
