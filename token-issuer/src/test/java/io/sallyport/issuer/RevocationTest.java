package io.sallyport.issuer;

import static io.sallyport.issuer.RunningIssuer.REFRESH;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.registry.v1.ListRevocationsRequest;
import io.sallyport.api.registry.v1.ListRevocationsResponse;
import io.sallyport.api.registry.v1.Revocation;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.api.registry.v1.RevokeRequest;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.api.registry.v1.SetSandboxStateRequest;
import io.sallyport.identity.SandboxClaims;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Taking passes back, as operators do it and as sandboxes see it. */
class RevocationTest {
    @TempDir
    private Path directory;

    private RunningIssuer issuer;
    private SandboxClaims token;

    @BeforeEach
    void start() throws Exception {
        issuer = RunningIssuer.in(directory);
        issuer.register("alpha");
        token = issuer.verify(issuer.mint("alpha"));
    }

    @AfterEach
    void stop() {
        issuer.close();
    }

    /** One way to take the token back, and what the command prints of it. */
    record Way(String what, Function<RevocationTest, String[]> command, String printed) {
        @Override
        public String toString() {
            return what;
        }
    }

    private static List<Way> ways() {
        return List.of(
                new Way("by id", test -> words("token", "revoke", "--id", test.jti()), "token="),
                new Way("by lineage", test -> words("token", "revoke", "--lineage", test.lineage()), "lineage="),
                new Way("by file", test -> words("token", "revoke", "--file", test.file()), "token="),
                new Way("by sandbox", _ -> words("sandbox", "revoke", "alpha"), "sandbox=alpha"),
                new Way("by key", test -> words("keys", "taint", test.token.keyId()), "key="));
    }

    private static String[] words(String... words) {
        return words;
    }

    private String jti() {
        return token.tokenId().orElseThrow();
    }

    private String lineage() {
        return token.lineage().orElseThrow().id();
    }

    private String file() {
        Path file = directory.resolve("found.token");
        assertThat(issuer.command("token", "mint", "alpha", "--token-file", file.toString())
                        .exitCode())
                .isZero();
        try {
            token = issuer.verify(Files.readString(file));
            return file.toString();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private RunningIssuer.Printed revoke(String... command) {
        String[] whole = java.util.Arrays.copyOf(command, command.length + 2);
        whole[command.length] = "--reason";
        whole[command.length + 1] = "found in a bug report";
        return issuer.command(whole);
    }

    private Status refusal(SandboxClaims refreshed) {
        return catchThrowableOfType(StatusRuntimeException.class, () -> refresh(refreshed))
                .getStatus();
    }

    private String refresh(SandboxClaims presented) {
        return issuer.tokens(issuer.assertionFor(presented, REFRESH))
                .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance())
                .getToken();
    }

    /** A token without an end outlives every time that could be set. */
    @Test
    void whereTokensNeedNotEndWhatIsTakenBackIsKeptForEver() throws Exception {
        issuer.close();
        Path settings = directory.resolve("issuer.yaml");
        Files.writeString(
                settings,
                Files.readString(settings).replaceFirst("(?m)^tokens: *\\{", "tokens: {allow-no-expiry: true, "));
        issuer = RunningIssuer.over(directory, settings);

        assertThat(revoke("token", "revoke", "--id", jti()).exitCode()).isZero();

        assertThat(issuer.registry()
                        .listRevocations(ListRevocationsRequest.getDefaultInstance())
                        .getRevocationsList())
                .hasSize(1)
                .noneMatch(Revocation::hasUntil);
    }

    @ParameterizedTest
    @MethodSource("ways")
    void whatWasTakenBackIsNotRenewedNotEvenAfterARestart(Way way) throws Exception {
        RunningIssuer.Printed printed = revoke(way.command().apply(this));

        assertThat(printed.exitCode()).as(printed.err()).isZero();
        assertThat(printed.out()).startsWith(way.printed()).contains("reason=found in a bug report");
        assertThat(issuer.command("token", "revocations").out()).isEqualTo(printed.out());
        issuer.restart();
        Status status = refusal(token);
        assertThat(status.getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
        assertThat(status.getDescription()).as("as for any bad token").isEqualTo("invalid credential");
        assertThat(issuer.auditAfterClosing())
                .anySatisfy(line -> assertThat(line)
                        .contains("\"event\":\"revoked\"", "\"reason\":\"revoked\"", "because: found in a bug report"))
                .last()
                .asString()
                .contains("\"reason\":\"token-revoked\"");
    }

    @Test
    void aRevocationIsKeptUntilNothingItNamesCouldBeRenewedAndATaintForEver() {
        Revocation revoked = issuer.registry().revoke(request(subject().setTokenId(jti())));

        assertThat(revoked.getUntil().getSeconds() - revoked.getRevoked().getSeconds())
                .isEqualTo(Duration.ofDays(2).plusMinutes(2).toSeconds());
        assertThat(issuer.registry().revoke(request(subject().setKeyId("k"))).hasUntil())
                .isFalse();
    }

    private static RevocationSubject.Builder subject() {
        return RevocationSubject.newBuilder();
    }

    private static RevokeRequest request(RevocationSubject.Builder subject) {
        return RevokeRequest.newBuilder().setSubject(subject).setReason("r").build();
    }

    record Refused(String what, RevokeRequest request, Status.Code code) {
        @Override
        public String toString() {
            return what;
        }
    }

    private static List<Refused> refused() {
        RevocationSubject.Builder some = subject().setTokenId("t");
        return List.of(
                new Refused("nothing named", request(subject()), Status.Code.INVALID_ARGUMENT),
                new Refused("empty name", request(subject().setTokenId("")), Status.Code.INVALID_ARGUMENT),
                new Refused("a token as an id", request(subject().setTokenId("a b")), Status.Code.INVALID_ARGUMENT),
                new Refused("long name", request(subject().setLineage("l".repeat(129))), Status.Code.INVALID_ARGUMENT),
                new Refused("unknown sandbox", request(subject().setSandboxId("nobody")), Status.Code.NOT_FOUND),
                new Refused("no reason", because(some, ""), Status.Code.INVALID_ARGUMENT),
                new Refused("blank reason", because(some, " "), Status.Code.INVALID_ARGUMENT),
                new Refused("long reason", because(some, "r".repeat(201)), Status.Code.INVALID_ARGUMENT),
                new Refused("two lines", because(some, "a\nb"), Status.Code.INVALID_ARGUMENT));
    }

    private static RevokeRequest because(RevocationSubject.Builder subject, String reason) {
        return RevokeRequest.newBuilder().setSubject(subject).setReason(reason).build();
    }

    @ParameterizedTest
    @MethodSource("refused")
    void whatCannotBeRevokedIsRefusedAndNothingIsKept(Refused row) {
        StatusRuntimeException refusal = catchThrowableOfType(
                StatusRuntimeException.class, () -> issuer.registry().revoke(row.request()));

        assertThat(refusal.getStatus().getCode()).isEqualTo(row.code());
        assertThat(issuer.registry()
                        .listRevocations(ListRevocationsRequest.getDefaultInstance())
                        .getRevocationsCount())
                .isZero();
    }

    @Test
    void revocationsAreListedPageByPage() {
        for (int i = 0; i < 5; i++) {
            var _ = issuer.registry().revoke(request(subject().setTokenId("t" + i)));
        }
        String next = "";
        StringBuilder seen = new StringBuilder();
        do {
            ListRevocationsResponse page = issuer.registry()
                    .listRevocations(ListRevocationsRequest.newBuilder()
                            .setPageSize(2)
                            .setPageToken(next)
                            .build());
            assertThat(page.getRevocationsCount()).isBetween(1, 2);
            page.getRevocationsList()
                    .forEach(each -> seen.append(each.getSubject().getTokenId()));
            next = page.getNextPageToken();
        } while (!next.isEmpty());
        assertThat(seen.toString()).isEqualTo("t0t1t2t3t4");
        for (String bad : List.of("x", "token:", "other:t")) {
            assertThat(catchThrowableOfType(
                                    StatusRuntimeException.class,
                                    () -> issuer.registry()
                                            .listRevocations(ListRevocationsRequest.newBuilder()
                                                    .setPageToken(bad)
                                                    .build()))
                            .getStatus()
                            .getCode())
                    .isEqualTo(Status.Code.INVALID_ARGUMENT);
        }
    }

    @Test
    void aRevokedSandboxLivesAndBeginsAnew() throws Exception {
        assertThat(revoke("sandbox", "revoke", "alpha").exitCode()).isZero();

        SandboxClaims anew = issuer.verify(issuer.mint("alpha"));
        assertThat(issuer.verify(refresh(anew)).sandbox()).isEqualTo(token.sandbox());
        assertThat(refusal(token).getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
    }

    @Test
    void aStoppedSandboxRestsAndADeletedOneCannotBeStarted() throws Exception {
        assertThat(issuer.command("sandbox", "stop", "alpha").out()).contains("state=stopped");
        assertThat(refusal(token).getCode()).isEqualTo(Status.Code.PERMISSION_DENIED);
        assertThat(issuer.command("sandbox", "start", "alpha").out()).contains("state=active");
        assertThat(issuer.verify(refresh(token)).sandbox()).isEqualTo(token.sandbox());

        assertThat(issuer.command("sandbox", "delete", "alpha").exitCode()).isZero();
        assertThat(issuer.command("sandbox", "start", "alpha"))
                .satisfies(printed -> assertThat(printed.exitCode()).isEqualTo(1))
                .satisfies(printed -> assertThat(printed.err()).contains("deleted"));
        assertThat(issuer.command("sandbox", "stop", "nobody").exitCode()).isEqualTo(1);
        for (SandboxState state : List.of(SandboxState.SANDBOX_STATE_UNSPECIFIED, SandboxState.SANDBOX_STATE_DELETED)) {
            assertThat(catchThrowableOfType(
                                    StatusRuntimeException.class,
                                    () -> issuer.registry()
                                            .setSandboxState(SetSandboxStateRequest.newBuilder()
                                                    .setId("alpha")
                                                    .setState(state)
                                                    .build()))
                            .getStatus()
                            .getCode())
                    .isEqualTo(Status.Code.INVALID_ARGUMENT);
        }
    }

    @Test
    void reuseIsRefusedAndAuditedWithItsPlace() throws Exception {
        SandboxClaims second = issuer.verify(refresh(token));
        SandboxClaims third = issuer.verify(refresh(second));
        var _ = refresh(third);

        assertThat(refusal(second).getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
        assertThat(issuer.auditAfterClosing())
                .last()
                .asString()
                .contains("\"reason\":\"token-reused\"", "lin=" + lineage() + " gen=1 newest=3");
    }

    @Test
    void aRetryAndABootstrapTokenThatComesAgainAreToldApartInTheAuditLog() throws Exception {
        String first = refresh(token);
        assertThat(refresh(token)).as("to the byte").isEqualTo(first);
        issuer.clock().advance(Duration.ofMinutes(3));
        assertThat(issuer.verify(refresh(token)).lineage().orElseThrow().id()).isNotEqualTo(lineage());

        assertThat(issuer.auditAfterClosing())
                .extracting(line -> line.replaceAll(".*\"reason\":\"([^\"]*)\".*", "$1"))
                .containsExactly("bootstrap-minted", "token-refreshed", "token-repeated", "bootstrap-reused");
    }

    @Test
    void aRevocationNeedsAReasonAndOneSubject() {
        for (String[] command : new String[][] {
            {"sandbox", "revoke", "alpha"},
            {"keys", "taint", "k"},
            {"token", "revoke", "--reason", "r"},
            {"token", "revoke", "--id", "a", "--lineage", "b", "--reason", "r"}
        }) {
            assertThat(issuer.command(command).exitCode()).isEqualTo(2);
        }
        assertThat(revoke("token", "revoke", "--file", directory.resolve("none").toString())
                        .exitCode())
                .isEqualTo(1);
    }
}
