package io.sallyport.issuer;

import static io.sallyport.issuer.RunningIssuer.GET_LINEAGE;
import static io.sallyport.issuer.RunningIssuer.GET_RECORD;
import static io.sallyport.issuer.RunningIssuer.REFRESH;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.google.protobuf.Timestamp;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.sallyport.api.feed.v1.AdoptSandboxRequest;
import io.sallyport.api.feed.v1.GetLineageRequest;
import io.sallyport.api.feed.v1.GetRecordRequest;
import io.sallyport.api.openshell01.IssueSandboxTokenRequest;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.openshell01.RefreshSandboxTokenResponse;
import io.sallyport.api.openshell01.sandbox.GetSandboxConfigRequest;
import io.sallyport.api.registry.v1.DeleteSandboxRequest;
import io.sallyport.api.registry.v1.GetSandboxRequest;
import io.sallyport.api.registry.v1.ListSandboxesRequest;
import io.sallyport.api.registry.v1.ListSandboxesResponse;
import io.sallyport.api.registry.v1.ListTokenFilesRequest;
import io.sallyport.api.registry.v1.MintBootstrapTokenRequest;
import io.sallyport.api.registry.v1.MintBootstrapTokenResponse;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.service.Calls;
import io.sallyport.issuer.service.TokenService;
import io.sallyport.issuer.store.SandboxStore;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.api.SoftAssertions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The issuer as its callers see it: over its sockets. */
class IssuerTest {
    private static final String TRY_AGAIN = "authorization is unavailable, try again";

    @TempDir
    private Path directory;

    private RunningIssuer issuer;

    @BeforeEach
    void start() throws Exception {
        issuer = RunningIssuer.in(directory);
    }

    @AfterEach
    void stop() {
        issuer.close();
    }

    // The registry.

    @Test
    void registeringAnswersTheRecordAndDefaultsNameAndWorkspace() {
        Sandbox sandbox = issuer.registry()
                .registerSandbox(
                        RegisterSandboxRequest.newBuilder().setId("alpha").build());

        assertThat(sandbox)
                .isEqualTo(Sandbox.newBuilder()
                        .setId("alpha")
                        .setWorkspace("default")
                        .setName("alpha")
                        .setState(SandboxState.SANDBOX_STATE_ACTIVE)
                        .setCreated(Timestamp.newBuilder()
                                .setSeconds(
                                        Instant.parse("2026-11-24T10:00:00Z").getEpochSecond())
                                .setNanos(500_000_000))
                        .setVersion(1)
                        .build());
        assertThat(issuer.registry()
                        .getSandbox(
                                GetSandboxRequest.newBuilder().setId("alpha").build()))
                .isEqualTo(sandbox);
    }

    /** What the registry refuses, once alpha lives and gone is deleted. */
    private record Refused(String what, Function<RunningIssuer, Object> call, Status.Code code, String text) {}

    private static List<Refused> refusedByTheRegistry() {
        return List.of(
                new Refused(
                        "id under another name", register("alpha", "", "other"), Status.Code.ALREADY_EXISTS, "alpha"),
                new Refused("id in another workspace", register("alpha", "w", ""), Status.Code.ALREADY_EXISTS, "alpha"),
                new Refused("taken name", register("beta", "", "alpha"), Status.Code.ALREADY_EXISTS, "default/alpha"),
                new Refused(
                        "deleted id", register("gone", "", ""), Status.Code.FAILED_PRECONDITION, "never comes back"),
                new Refused("empty id", register("", "", "x"), Status.Code.INVALID_ARGUMENT, "1 to 128"),
                new Refused("long id", register("a".repeat(129), "", "x"), Status.Code.INVALID_ARGUMENT, "1 to 128"),
                new Refused("slash in id", register("a/b", "", "x"), Status.Code.INVALID_ARGUMENT, "1 to 128"),
                new Refused("newline in id", register("a\n", "", "x"), Status.Code.INVALID_ARGUMENT, "1 to 128"),
                new Refused("not ASCII", register("ä", "", "x"), Status.Code.INVALID_ARGUMENT, "1 to 128"),
                new Refused("space in name", register("x", "", "a b"), Status.Code.INVALID_ARGUMENT, "1 to 253"),
                new Refused("long name", register("x", "", "n".repeat(254)), Status.Code.INVALID_ARGUMENT, "1 to 253"),
                new Refused(
                        "long workspace",
                        register("x", "w".repeat(254), "n"),
                        Status.Code.INVALID_ARGUMENT,
                        "1 to 253"),
                new Refused("get unknown", get("nobody"), Status.Code.NOT_FOUND, "nobody"),
                new Refused("get invalid", get("no body"), Status.Code.INVALID_ARGUMENT, "1 to 128"),
                new Refused("delete unknown", delete("nobody"), Status.Code.NOT_FOUND, "nobody"),
                new Refused("delete invalid", delete("../x"), Status.Code.INVALID_ARGUMENT, "1 to 128"),
                new Refused("mint for unknown", mint("nobody", ""), Status.Code.NOT_FOUND, "nobody"),
                new Refused("mint for deleted", mint("gone", ""), Status.Code.FAILED_PRECONDITION, "deleted"),
                new Refused("mint for stopped", mint("halted", ""), Status.Code.FAILED_PRECONDITION, "stopped"),
                new Refused("relative file", mint("alpha", "a/b"), Status.Code.INVALID_ARGUMENT, "absolute"),
                new Refused("newline in file", mint("alpha", "/a\nb"), Status.Code.INVALID_ARGUMENT, "control"),
                new Refused("files of unknown", files("nobody"), Status.Code.NOT_FOUND, "nobody"),
                new Refused("negative page", list(-1, ""), Status.Code.INVALID_ARGUMENT, "page_size"),
                new Refused("odd page token", list(1, "a b"), Status.Code.INVALID_ARGUMENT, "1 to 128"));
    }

    /** All rows on one issuer: a call that is refused must change nothing for the next. */
    @Test
    void theRegistryRefuses() throws Exception {
        issuer.register("alpha");
        issuer.register("gone");
        issuer.register("halted");
        var _ = delete("gone").apply(issuer);
        sql("UPDATE sandboxes SET state = 'stopped' WHERE id = 'halted'");
        SoftAssertions softly = new SoftAssertions();
        for (Refused row : refusedByTheRegistry()) {
            StatusRuntimeException refused = refusal(() -> row.call().apply(issuer));
            softly.assertThat(refused.getStatus().getCode()).as(row.what()).isEqualTo(row.code());
            softly.assertThat(refused.getStatus().getDescription())
                    .as(row.what())
                    .contains(row.text());
        }
        softly.assertThat(allPages(0, true)).containsExactly("alpha", "gone", "halted");
        softly.assertAll();
    }

    @Test
    void theLongestIdAndNamesAreTaken() {
        String id = "i".repeat(128);
        var _ = register(id, "w".repeat(253), "n".repeat(253)).apply(issuer);

        assertThat(((Sandbox) get(id).apply(issuer)).getName()).hasSize(253);
    }

    @Test
    void aNameIsFreeOnceItsSandboxHasBeenDeletedForAWhile() {
        var _ = register("old", "w", "name").apply(issuer);
        Sandbox tombstone = (Sandbox) delete("old").apply(issuer);
        assertThat(tombstone.getState()).isEqualTo(SandboxState.SANDBOX_STATE_DELETED);
        assertThat(tombstone.hasDeleted()).isTrue();
        assertThat(delete("old").apply(issuer)).isEqualTo(tombstone);

        StatusRuntimeException early =
                refusal(() -> register("new", "w", "name").apply(issuer));
        assertThat(early.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(early.getStatus().getDescription()).contains("w/name was the name of old", "10:06:00.500Z");
        assertThat(Status.trailersFromThrowable(early).get(Calls.RETRY_AFTER)).isEqualTo("2000");
        issuer.clock().advance(SandboxStore.NAME_REST);

        Sandbox fresh = (Sandbox) register("new", "w", "name").apply(issuer);

        assertThat(fresh.getState()).isEqualTo(SandboxState.SANDBOX_STATE_ACTIVE);
    }

    @Test
    void pagesHoldEverySandboxOnce() {
        for (int i = 0; i < 7; i++) {
            issuer.register("s" + i);
        }
        var _ = delete("s3").apply(issuer);

        assertThat(allPages(3, false)).containsExactly("s0", "s1", "s2", "s4", "s5", "s6");
        assertThat(allPages(7, true)).containsExactly("s0", "s1", "s2", "s3", "s4", "s5", "s6");
        assertThat(allPages(0, true)).hasSize(7);
    }

    @Test
    void aBootstrapTokenIsGoodAndSaysWhoseItIs() throws Exception {
        issuer.register("alpha");

        MintBootstrapTokenResponse minted =
                (MintBootstrapTokenResponse) mint("alpha", "/run/token").apply(issuer);

        SandboxClaims claims = issuer.verify(minted.getToken());
        assertThat(claims.sandbox()).isEqualTo(new SandboxId("alpha"));
        assertThat(claims.lineage()).contains(new Lineage(minted.getLineage(), 0));
        assertThat(claims.tokenId()).isPresent();
        assertThat(claims.issuedAt()).isEqualTo(Instant.parse("2026-11-24T10:00:00Z"));
        assertThat(claims.expiresAt()).isEqualTo(Instant.parse("2026-11-24T11:00:00Z"));
        assertThat(minted.getExpires().getSeconds())
                .isEqualTo(claims.expiresAt().getEpochSecond());
        assertThat(issuer.registry()
                        .listTokenFiles(ListTokenFilesRequest.newBuilder()
                                .setId("alpha")
                                .build())
                        .getTokenFilesList())
                .singleElement()
                .satisfies(file -> {
                    assertThat(file.getPath()).isEqualTo("/run/token");
                    assertThat(file.getLineage()).isEqualTo(minted.getLineage());
                });
    }

    @Test
    void everyBootstrapOpensALineageOfItsOwn() throws Exception {
        issuer.register("alpha");

        SandboxClaims one = issuer.verify(issuer.mint("alpha"));
        SandboxClaims two = issuer.verify(issuer.mint("alpha"));

        assertThat(one.lineage().orElseThrow().id())
                .isNotEqualTo(two.lineage().orElseThrow().id());
        assertThat(one.tokenId()).isNotEqualTo(two.tokenId());
    }

    // Refresh.

    @Test
    void aRefreshGivesTheNextTokenOfTheLineage() throws Exception {
        issuer.register("alpha");
        SandboxClaims first = issuer.verify(issuer.mint("alpha"));
        issuer.clock().advance(Duration.ofMinutes(48));

        RefreshSandboxTokenResponse answer = refresh(first);

        SandboxClaims second = issuer.verify(answer.getToken());
        assertThat(second.sandbox()).isEqualTo(first.sandbox());
        assertThat(second.lineage())
                .contains(new Lineage(first.lineage().orElseThrow().id(), 1));
        assertThat(second.tokenId()).isNotEqualTo(first.tokenId());
        assertThat(second.expiresAt()).isEqualTo(Instant.parse("2026-11-24T11:48:00Z"));
        assertThat(answer.getExpiresAtMs()).isEqualTo(second.expiresAt().toEpochMilli());
        assertThat(answer.getExpirationTime())
                .isEqualTo(Timestamp.newBuilder()
                        .setSeconds(second.expiresAt().getEpochSecond())
                        .build());
        assertThat(issuer.verify(refresh(second).getToken())
                        .lineage()
                        .orElseThrow()
                        .generation())
                .isEqualTo(2);
    }

    @Test
    void theOlderGenerationOfTheApiReadsTheSameAnswer() throws Exception {
        issuer.register("alpha");
        RefreshSandboxTokenResponse answer = refresh(issuer.verify(issuer.mint("alpha")));

        var older = io.sallyport.api.openshell00.RefreshSandboxTokenResponse.parseFrom(answer.toByteString());

        assertThat(older.getToken()).isEqualTo(answer.getToken());
        assertThat(older.getExpiresAtMs()).isEqualTo(answer.getExpiresAtMs());
    }

    /** An assertion, or several, that must not get a token. */
    record BadAssertion(String what, Function<RunningIssuer, String[]> assertions) {
        @Override
        public String toString() {
            return what;
        }
    }

    static Stream<BadAssertion> badAssertions() {
        return Stream.of(
                new BadAssertion("none", issuer -> new String[0]),
                new BadAssertion("empty", issuer -> new String[] {""}),
                new BadAssertion("garbage", issuer -> new String[] {"a.b.c"}),
                new BadAssertion("the sandbox's own token", issuer -> new String[] {issuer.mint("alpha")}),
                new BadAssertion(
                        "for another method", issuer -> new String[] {
                            issuer.assertionFor(claims(issuer), "/openshell.v1.OpenShell/IssueSandboxToken")
                        }),
                new BadAssertion("of ext-authz itself", issuer -> new String[] {issuer.extAuthzAssertion(REFRESH)}),
                new BadAssertion("two of them", issuer -> new String[] {
                    issuer.assertionFor(claims(issuer), REFRESH), issuer.assertionFor(claims(issuer), REFRESH)
                }),
                new BadAssertion("two in one", issuer -> new String[] {
                    issuer.assertionFor(claims(issuer), REFRESH) + "," + issuer.assertionFor(claims(issuer), REFRESH)
                }),
                new BadAssertion("expired", issuer -> {
                    String old = issuer.assertionFor(claims(issuer), REFRESH);
                    issuer.clock().advance(Duration.ofSeconds(16));
                    return new String[] {old};
                }));
    }

    @ParameterizedTest
    @MethodSource("badAssertions")
    void withoutAGoodAssertionThereIsNoRefresh(BadAssertion row) throws Exception {
        issuer.register("alpha");
        String[] assertions = row.assertions().apply(issuer);

        StatusRuntimeException refused = refusal(
                () -> issuer.tokens(assertions).refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance()));

        assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
        assertThat(refused.getStatus().getDescription()).isEqualTo("missing or invalid assertion");
        assertThat(issuer.auditAfterClosing()).last().asString().contains("\"reason\":\"assertion\"");
    }

    @Test
    void aBearerAloneIsNeverEnough() throws Exception {
        issuer.register("alpha");
        Metadata metadata = new Metadata();
        metadata.put(
                Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + issuer.mint("alpha"));
        metadata.put(
                Metadata.Key.of("x-sandbox-principal", Metadata.ASCII_STRING_MARSHALLER),
                "sandbox;id=\"alpha\";source=\"gateway-jwt\"");

        StatusRuntimeException refused = refusal(() -> issuer.tokens()
                .withInterceptors(io.grpc.stub.MetadataUtils.newAttachHeadersInterceptor(metadata))
                .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance()));

        assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
    }

    /** A sandbox that may not renew its token, by what has happened to it since. */
    record NoRenewal(String what, Happening since, Status.Code code, String reason) {
        interface Happening {
            void to(IssuerTest test) throws Exception;
        }

        @Override
        public String toString() {
            return what;
        }
    }

    static Stream<NoRenewal> noRenewals() {
        return Stream.of(
                new NoRenewal(
                        "deleted",
                        test -> assertThat(delete("alpha").apply(test.issuer)).isNotNull(),
                        Status.Code.UNAUTHENTICATED,
                        "sandbox-deleted"),
                new NoRenewal(
                        "stopped",
                        test -> test.issuer.command("sandbox", "stop", "alpha"),
                        Status.Code.PERMISSION_DENIED,
                        "sandbox-stopped"),
                new NoRenewal(
                        "expired beyond its window and leeway",
                        test -> test.issuer.clock().advance(Duration.ofHours(25).plusMinutes(1)),
                        Status.Code.UNAUTHENTICATED,
                        "token-expired"),
                new NoRenewal(
                        "its lineage is unknown",
                        test -> test.sql("UPDATE lineages SET token = 'another'"),
                        Status.Code.UNAUTHENTICATED,
                        "lineage-unknown"),
                new NoRenewal(
                        "revoked",
                        test -> test.issuer.command("sandbox", "revoke", "alpha", "--reason", "lost"),
                        Status.Code.UNAUTHENTICATED,
                        "token-revoked"));
    }

    @ParameterizedTest
    @MethodSource("noRenewals")
    void aRefreshNeedsALivingSandboxAndAValidToken(NoRenewal row) throws Exception {
        issuer.register("alpha");
        SandboxClaims token = issuer.verify(issuer.mint("alpha"));
        row.since().to(this);

        StatusRuntimeException refused = refusal(() -> refresh(token));

        assertThat(refused.getStatus().getCode()).isEqualTo(row.code());
        assertThat(issuer.auditAfterClosing())
                .last()
                .asString()
                .contains("\"reason\":\"" + row.reason() + "\"", "sandbox;id=\\\"alpha\\\"");
    }

    @Test
    void aGoodTokenOfASandboxThatWasNeverRegisteredGetsNothing() throws Exception {
        SandboxClaims stranger = new SandboxClaims(
                new SandboxId("stranger"),
                Optional.of("j"),
                Optional.of(new Lineage("l", 1)),
                issuer.clock().instant(),
                issuer.clock().instant().plusSeconds(600),
                "kid");
        assertThat(refusal(() -> refresh(stranger)).getStatus().getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);

        issuer.register("stranger");
        assertThat(refusal(() -> refresh(stranger)).getStatus().getCode())
                .as("not even once its id is registered: the lineage is not the issuer's")
                .isEqualTo(Status.Code.UNAUTHENTICATED);
        SandboxClaims withoutLineage = new SandboxClaims(
                stranger.sandbox(),
                Optional.empty(),
                Optional.empty(),
                stranger.issuedAt(),
                stranger.expiresAt(),
                "kid");
        assertThat(refusal(() -> refresh(withoutLineage)).getStatus().getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
    }

    /** {@code records: registry}: whose sandbox is not known stays unknown, and whose is known comes with a token of ours. */
    @Test
    void withoutTheSettingAGatewaysTokenMakesNothingKnownAndOpensNothing() throws Exception {
        SandboxClaims gateways = new SandboxClaims(
                new SandboxId("alpha"),
                Optional.of("sha256-1"),
                Optional.of(new Lineage(Lineage.ADOPTED + "1", 0)),
                issuer.clock().instant(),
                issuer.clock().instant().plusSeconds(600),
                "kid");
        String adopting = issuer.assertionFor(gateways, "/sallyport.feed.v1.IdentityFeed/AdoptSandbox");
        assertThat(refusal(() -> issuer.feed(adopting).adoptSandbox(AdoptSandboxRequest.getDefaultInstance()))
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.NOT_FOUND);

        issuer.register("alpha");
        assertThat(refusal(() -> refresh(gateways)).getStatus().getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
    }

    @Test
    void aTokenIsRenewedUntilItsWindowAndTheLeewayAreOver() throws Exception {
        issuer.register("alpha");
        SandboxClaims token = issuer.verify(issuer.mint("alpha"));
        issuer.clock().advance(Duration.ofHours(25).plusSeconds(59));

        assertThat(refresh(token).getToken()).isNotEmpty();

        issuer.clock().advance(Duration.ofSeconds(1));
        assertThat(refusal(() -> refresh(token)).getStatus().getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
    }

    static Stream<List<String>> badExtensions() {
        return Stream.of(
                List.of(""),
                List.of("a", "b", "a"),
                IntStream.range(0, 65).mapToObj(i -> "s" + i).toList());
    }

    @ParameterizedTest
    @MethodSource("badExtensions")
    void extensionNamesAreUniqueNotEmptyAndFew(List<String> names) throws Exception {
        issuer.register("alpha");
        SandboxClaims token = issuer.verify(issuer.mint("alpha"));

        StatusRuntimeException refused = refusal(() -> refresh(token, names));

        assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(issuer.verify(refresh(token).getToken())
                        .lineage()
                        .orElseThrow()
                        .generation())
                .as("the lineage has not moved")
                .isEqualTo(1);
    }

    /** Over a real socket, with limits of its own: the wire says when to come back, and others are not in the way. */
    @Test
    void oneSandboxThatAsksWithoutEndIsToldWhenToComeBack(@TempDir Path other) throws Exception {
        RunningIssuer.generateKeys(other);
        Path settings = RunningIssuer.writeSettings(other, other.resolve("issuer.db"));
        Files.writeString(
                settings,
                Files.readString(settings)
                        .replaceFirst("limits: .*", "limits: {requests-per-minute: 6, burst: 3, concurrent: 8}"));
        try (RunningIssuer limited = RunningIssuer.over(other, settings)) {
            limited.register("alpha");
            limited.register("beta");
            SandboxClaims alpha = limited.verify(limited.mint("alpha"));
            SandboxClaims beta = limited.verify(limited.mint("beta"));
            RefreshSandboxTokenRequest wrong = RefreshSandboxTokenRequest.newBuilder()
                    .addExtensionServiceNames("")
                    .build();
            for (RefreshSandboxTokenRequest request :
                    List.of(RefreshSandboxTokenRequest.getDefaultInstance(), wrong, wrong)) {
                try {
                    var _ = limited.tokens(limited.assertionFor(alpha, REFRESH)).refreshSandboxToken(request);
                } catch (StatusRuntimeException e) {
                    assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
                }
            }

            StatusRuntimeException refused = catchThrowableOfType(
                    StatusRuntimeException.class,
                    () -> limited.tokens(limited.assertionFor(alpha, REFRESH)).refreshSandboxToken(wrong));

            assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
            assertThat(Long.parseLong(Objects.requireNonNull(
                            Status.trailersFromThrowable(refused).get(Calls.RETRY_AFTER))))
                    .isBetween(1L, 10_000L);
            assertThat(limited.tokens(limited.assertionFor(beta, REFRESH))
                            .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance())
                            .getToken())
                    .isNotEmpty();
        }
    }

    /** What a class writes to the program log, with the level before it. */
    private static final class Said extends Handler implements AutoCloseable {
        final List<String> lines = new CopyOnWriteArrayList<>();
        private final Logger logger;

        Said(Class<?> by) {
            logger = Logger.getLogger(by.getName());
            logger.addHandler(this);
        }

        @Override
        public void publish(LogRecord line) {
            lines.add(line.getLevel() + " " + line.getMessage());
        }

        @Override
        public void flush() {}

        @Override
        public void close() {
            logger.removeHandler(this);
        }
    }

    @Test
    void thatThereAreNoExtensionsIsSaidOnce() throws Exception {
        try (Said said = new Said(TokenService.class)) {
            issuer.register("alpha");
            SandboxClaims token = issuer.verify(issuer.mint("alpha"));
            var _ = refresh(token, List.of());
            assertThat(said.lines).isEmpty();
            for (int i = 0; i < 3; i++) {
                assertThat(refresh(token, List.of("github")).getToken()).isNotEmpty();
            }
            assertThat(said.lines).singleElement().asString().contains("said once");
        }
    }

    @Test
    void withoutSyncItSaysWhatThatMeans(@TempDir Path other) throws Exception {
        RunningIssuer.generateKeys(other);
        Path settings = RunningIssuer.writeSettings(other, other.resolve("issuer.db"));
        Files.writeString(
                settings, Files.readString(settings).replace("issuer.db}", "issuer.db, unsafe-no-sync: true}"));
        try (Said said = new Said(Issuer.class);
                RunningIssuer _ = RunningIssuer.over(other, settings)) {
            assertThat(said.lines)
                    .filteredOn(line -> line.contains("no-sync"))
                    .singleElement()
                    .asString()
                    .startsWith("WARNING store.unsafe-no-sync is on: a power cut takes back what was acknowledged");
        }
    }

    @Test
    void sixtyFourExtensionNamesAreFine() throws Exception {
        issuer.register("alpha");

        assertThat(refresh(
                                issuer.verify(issuer.mint("alpha")),
                                IntStream.range(0, 64).mapToObj(i -> "s" + i).toList())
                        .getToken())
                .isNotEmpty();
    }

    @Test
    void issueIsForServiceAccountsOnly() throws Exception {
        issuer.register("alpha");
        String assertion = issuer.assertionFor(claims(issuer), "/openshell.v1.OpenShell/IssueSandboxToken");
        for (String[] assertions : new String[][] {{}, {assertion}}) {
            StatusRuntimeException refused = refusal(
                    () -> issuer.tokens(assertions).issueSandboxToken(IssueSandboxTokenRequest.getDefaultInstance()));
            assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.PERMISSION_DENIED);
        }
    }

    @Test
    void theOtherMethodsOfTheGatewayAreNotHere() throws Exception {
        issuer.register("alpha");
        String assertion = issuer.assertionFor(claims(issuer), "/openshell.v1.OpenShell/GetSandboxConfig");

        assertThat(refusal(() ->
                                issuer.tokens(assertion).getSandboxConfig(GetSandboxConfigRequest.getDefaultInstance()))
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.UNIMPLEMENTED);
    }

    @Test
    void eachListenerServesItsOwnAndNothingElse() {
        assertThat(refusal(() -> io.sallyport.api.registry.v1.SandboxRegistryGrpc.newBlockingStub(
                                        issuer.tokens().getChannel())
                                .getSandbox(GetSandboxRequest.getDefaultInstance()))
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.UNIMPLEMENTED);
        assertThat(refusal(() -> io.sallyport.api.registry.v1.SandboxRegistryGrpc.newBlockingStub(
                                        issuer.feed().getChannel())
                                .getSandbox(GetSandboxRequest.getDefaultInstance()))
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.UNIMPLEMENTED);
    }

    // The feed.

    @Test
    void extAuthzGetsRecordsAndTombstones() {
        issuer.register("alpha");
        GetRecordRequest request =
                GetRecordRequest.newBuilder().setSandboxId("alpha").build();

        assertThat(issuer.feed(issuer.extAuthzAssertion(GET_RECORD))
                        .getRecord(request)
                        .getState())
                .isEqualTo(SandboxState.SANDBOX_STATE_ACTIVE);
        var _ = delete("alpha").apply(issuer);
        assertThat(issuer.feed(issuer.extAuthzAssertion(GET_RECORD))
                        .getRecord(request)
                        .getState())
                .isEqualTo(SandboxState.SANDBOX_STATE_DELETED);
        assertThat(refusal(() -> issuer.feed(issuer.extAuthzAssertion(GET_RECORD))
                                .getRecord(GetRecordRequest.newBuilder()
                                        .setSandboxId("nobody")
                                        .build()))
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void nobodyElseGetsARecord() throws Exception {
        issuer.register("alpha");
        SandboxClaims token = issuer.verify(issuer.mint("alpha"));
        GetRecordRequest request =
                GetRecordRequest.newBuilder().setSandboxId("alpha").build();
        List<String[]> attempts = List.of(
                new String[0],
                new String[] {issuer.assertionFor(token, GET_RECORD)},
                new String[] {issuer.extAuthzAssertion(REFRESH)},
                new String[] {issuer.mint("alpha")});
        for (String[] assertions : attempts) {
            assertThat(refusal(() -> issuer.feed(assertions).getRecord(request))
                            .getStatus()
                            .getCode())
                    .isEqualTo(Status.Code.UNAUTHENTICATED);
        }
    }

    private io.sallyport.api.feed.v1.Lineage lineage(String sandbox, Lineage place) {
        return issuer.feed(issuer.extAuthzAssertion(GET_LINEAGE))
                .getLineage(GetLineageRequest.newBuilder()
                        .setSandboxId(sandbox)
                        .setLineage(place.id())
                        .setGeneration(place.generation())
                        .build());
    }

    @Test
    void extAuthzLearnsWhetherALineageGoesOn() throws Exception {
        issuer.register("alpha");
        issuer.register("beta");
        SandboxClaims token = issuer.verify(issuer.mint("alpha"));
        Lineage place = token.lineage().orElseThrow();
        issuer.clock().advance(Duration.ofMinutes(30));
        SandboxClaims next = issuer.verify(refresh(token).getToken());

        assertThat(lineage("alpha", place))
                .isEqualTo(io.sallyport.api.feed.v1.Lineage.newBuilder()
                        .setEnds(Timestamp.newBuilder()
                                .setSeconds(next.expiresAt().getEpochSecond()))
                        .setLineage(place.id())
                        .setTokenId(next.tokenId().orElseThrow())
                        .setKeyId(next.keyId())
                        .build());
        var _ = delete("alpha").apply(issuer);
        assertThat(lineage("alpha", place))
                .isEqualTo(io.sallyport.api.feed.v1.Lineage.newBuilder()
                        .setRevoked(true)
                        .build());
        for (String other : List.of("beta", "nobody")) {
            assertThat(refusal(() -> lineage(other, place)).getStatus().getCode())
                    .isEqualTo(Status.Code.NOT_FOUND);
        }
        assertThat(refusal(() -> lineage("alpha", new Lineage("not a name", 0)))
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal(() -> lineage("", place)).getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    }

    @Test
    void nobodyElseLearnsOfALineage() throws Exception {
        issuer.register("alpha");
        SandboxClaims token = issuer.verify(issuer.mint("alpha"));
        GetLineageRequest request = GetLineageRequest.newBuilder()
                .setSandboxId("alpha")
                .setLineage(token.lineage().orElseThrow().id())
                .build();
        List<String[]> attempts =
                List.of(new String[0], new String[] {issuer.assertionFor(token, GET_LINEAGE)}, new String[] {
                    issuer.extAuthzAssertion(GET_RECORD)
                });
        for (String[] assertions : attempts) {
            assertThat(refusal(() -> issuer.feed(assertions).getLineage(request))
                            .getStatus()
                            .getCode())
                    .isEqualTo(Status.Code.UNAUTHENTICATED);
        }
    }

    // Many at once, and a restart.

    @Test
    void manyCallersAtOnce() throws Exception {
        issuer.register("alpha");
        SandboxClaims token = issuer.verify(issuer.mint("alpha"));
        List<Callable<String>> calls = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            String id = "s" + i;
            calls.add(() -> refresh(token).getToken());
            calls.add(() -> {
                issuer.register(id);
                return issuer.mint(id);
            });
        }
        List<Long> generations = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(16)) {
            for (Future<String> result : threads.invokeAll(calls)) {
                SandboxClaims claims = issuer.verify(result.get());
                if (claims.sandbox().equals(token.sandbox())) {
                    generations.add(claims.lineage().orElseThrow().generation());
                }
            }
        }
        assertThat(generations).as("one successor, forty times").hasSize(40).containsOnly(1L);
    }

    @Test
    void aRestartForgetsNothing() throws Exception {
        issuer.register("alpha");
        SandboxClaims token =
                issuer.verify(refresh(issuer.verify(issuer.mint("alpha"))).getToken());

        issuer.restart();

        assertThat(issuer.verify(refresh(token).getToken())
                        .lineage()
                        .orElseThrow()
                        .generation())
                .isEqualTo(2);
    }

    // Health, keys, audit.

    @Test
    void everyListenerTellsItsHealth() {
        Issuer running = issuer.issuer();
        assertThat(issuer.health(running.envoy(), "")).isEqualTo(ServingStatus.SERVING);
        assertThat(issuer.health(running.envoy(), "openshell.v1.OpenShell")).isEqualTo(ServingStatus.SERVING);
        assertThat(issuer.health(running.feed(), "sallyport.feed.v1.IdentityFeed"))
                .isEqualTo(ServingStatus.SERVING);
        assertThat(issuer.health(running.registry(), "sallyport.registry.v1.SandboxRegistry"))
                .isEqualTo(ServingStatus.SERVING);
        assertThat(refusal(() -> issuer.health(running.envoy(), "other"))
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void whenTheStoreIsAwayEveryWriteSaysSoAndEverythingElseGoesOn() throws Exception {
        issuer.register("alpha");
        SandboxClaims token = issuer.verify(issuer.mint("alpha"));
        // Another process that holds the write lock for longer than the issuer's patience.
        try (Connection other = DriverManager.getConnection("jdbc:sqlite:" + directory.resolve("issuer.db"));
                Statement statement = other.createStatement()) {
            statement.execute("BEGIN IMMEDIATE");

            StatusRuntimeException refused = refusal(() -> refresh(token));

            assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
            assertThat(refused.getStatus().getDescription()).isEqualTo(TRY_AGAIN);
            assertThat(Status.trailersFromThrowable(refused).get(Calls.RETRY_AFTER))
                    .isEqualTo("1000");
            RunningIssuer.await(() -> issuer.health(issuer.issuer().envoy(), "") == ServingStatus.NOT_SERVING);
            assertThat(issuer.health(issuer.issuer().registry(), "sallyport.registry.v1.SandboxRegistry"))
                    .isEqualTo(ServingStatus.NOT_SERVING);
            assertThat(issuer.http("GET", "/healthz").statusCode()).isEqualTo(503);
            assertThat(get("alpha").apply(issuer)).isNotNull();
            assertThat(issuer.http("GET", KeyPublisher.JWKS_PATH).statusCode()).isEqualTo(200);
            statement.execute("ROLLBACK");
        }
        RunningIssuer.await(() -> issuer.health(issuer.issuer().envoy(), "") == ServingStatus.SERVING);
        assertThat(issuer.http("GET", "/healthz").statusCode()).isEqualTo(200);
        assertThat(refresh(token).getToken()).isNotEmpty();
    }

    /** Without its records ext-authz lets nobody pass: who may refresh must not be able to hold them up. */
    @Test
    void refreshesThatWaitForTheDiskHoldUpNoRecords() throws Exception {
        issuer.register("alpha");
        SandboxClaims token = issuer.verify(issuer.mint("alpha"));
        AtomicBoolean enough = new AtomicBoolean();
        try (ExecutorService flood = Executors.newVirtualThreadPerTaskExecutor();
                Connection other = DriverManager.getConnection("jdbc:sqlite:" + directory.resolve("issuer.db"));
                Statement statement = other.createStatement()) {
            statement.execute("BEGIN IMMEDIATE");
            for (int i = 0; i < 60; i++) {
                flood.execute(() -> {
                    while (!enough.get()) {
                        try {
                            refresh(token);
                        } catch (StatusRuntimeException e) {
                            // it has waited for as long as a refresh waits, and tries again
                        }
                    }
                });
            }
            // Behind refreshes, every one would wait for two seconds; a busy machine does not hold up all of them.
            assertThat(IntStream.range(0, 30).anyMatch(_ -> isRecordReadWithin(Duration.ofSeconds(1))))
                    .isTrue();
            enough.set(true);
            statement.execute("ROLLBACK");
        } finally {
            enough.set(true);
        }
    }

    private boolean isRecordReadWithin(Duration time) {
        try {
            return issuer.feed(issuer.extAuthzAssertion(RunningIssuer.GET_RECORD))
                    .withDeadlineAfter(time.toMillis(), TimeUnit.MILLISECONDS)
                    .getRecord(
                            GetRecordRequest.newBuilder().setSandboxId("alpha").build())
                    .getId()
                    .equals("alpha");
        } catch (StatusRuntimeException e) {
            assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
            return false;
        }
    }

    @Test
    void theKeysArePublished() throws Exception {
        HttpResponse<String> keys = issuer.http("GET", "/.well-known/jwks.json");

        assertThat(keys.statusCode()).isEqualTo(200);
        assertThat(keys.headers().firstValue("Content-Type")).contains("application/json");
        assertThat(keys.headers().firstValue("Cache-Control").orElseThrow()).contains("max-age=");
        assertThat(keys.body())
                .contains("\"kty\":\"OKP\"", "\"crv\":\"Ed25519\"")
                .doesNotContain("\"d\":");
        issuer.register("alpha");
        assertThat(keys.body()).contains(claims(issuer).keyId());

        String etag = keys.headers().firstValue("ETag").orElseThrow();
        HttpResponse<String> again = issuer.http("GET", "/.well-known/jwks.json", "If-None-Match", "\"x\", W/" + etag);
        assertThat(again.statusCode()).isEqualTo(304);
        assertThat(again.body()).isEmpty();
        assertThat(issuer.http("GET", "/.well-known/jwks.json", "If-None-Match", "\"x\"")
                        .statusCode())
                .isEqualTo(200);

        HttpResponse<String> discovery = issuer.http("GET", "/.well-known/openid-configuration");
        assertThat(discovery.body())
                .contains(
                        "\"issuer\":\"openshell-gateway:local\"",
                        "\"jwks_uri\":\"http://" + issuer.issuer().http() + "/.well-known/jwks.json\"");
    }

    @Test
    void httpAnswersThreePathsAndTwoMethods() throws Exception {
        assertThat(issuer.http("HEAD", "/.well-known/jwks.json").statusCode()).isEqualTo(200);
        assertThat(issuer.http("HEAD", "/.well-known/jwks.json").body()).isEmpty();
        assertThat(issuer.http("POST", "/.well-known/jwks.json").statusCode()).isEqualTo(405);
        assertThat(issuer.http("POST", "/healthz").headers().firstValue("Allow"))
                .contains("GET, HEAD");
        for (String path : List.of("/", "/.well-known/", "/.well-known/jwks.json/x", "/.well-known/jwks.jsonx")) {
            assertThat(issuer.http("GET", path).statusCode()).as(path).isEqualTo(404);
        }
    }

    @Test
    void theAuditLogHasALineForEachMintAndRefusalAndNeverAToken() throws Exception {
        issuer.register("alpha");
        String bootstrap = issuer.mint("alpha");
        SandboxClaims claims = issuer.verify(bootstrap);
        String assertion = issuer.assertionFor(claims, REFRESH);
        Metadata metadata = new Metadata();
        metadata.put(Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER), "req-1");
        String refreshed = issuer.tokens(assertion)
                .withInterceptors(io.grpc.stub.MetadataUtils.newAttachHeadersInterceptor(metadata))
                .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance())
                .getToken();
        var _ = delete("alpha").apply(issuer);
        refusal(() -> refresh(claims));

        List<String> lines = issuer.auditAfterClosing();

        assertThat(lines).hasSize(3);
        assertThat(lines.get(0))
                .contains("\"event\":\"minted\"", "\"reason\":\"bootstrap-minted\"", "\"principal\":\"registry\"");
        assertThat(lines.get(1))
                .contains(
                        "\"reason\":\"token-refreshed\"",
                        "\"request_id\":\"req-1\"",
                        "\"method\":\"" + REFRESH + "\"",
                        "gen=1");
        assertThat(lines.get(2)).contains("\"event\":\"refused\"", "\"reason\":\"sandbox-deleted\"");
        for (String secret : List.of(bootstrap, refreshed, assertion)) {
            String signature = secret.substring(secret.lastIndexOf('.') + 1);
            assertThat(String.join("\n", lines)).doesNotContain(secret).doesNotContain(signature);
        }
    }

    private RefreshSandboxTokenResponse refresh(SandboxClaims token) {
        return refresh(token, List.of());
    }

    private RefreshSandboxTokenResponse refresh(SandboxClaims token, List<String> extensions) {
        return issuer.tokens(issuer.assertionFor(token, REFRESH))
                .refreshSandboxToken(RefreshSandboxTokenRequest.newBuilder()
                        .addAllExtensionServiceNames(extensions)
                        .build());
    }

    private List<String> allPages(int size, boolean deleted) {
        List<String> ids = new ArrayList<>();
        String next = "";
        do {
            ListSandboxesResponse page = issuer.registry()
                    .listSandboxes(ListSandboxesRequest.newBuilder()
                            .setPageSize(size)
                            .setPageToken(next)
                            .setIncludeDeleted(deleted)
                            .build());
            page.getSandboxesList().forEach(sandbox -> ids.add(sandbox.getId()));
            next = page.getNextPageToken();
        } while (!next.isEmpty());
        return ids;
    }

    private void sql(String text) throws Exception {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + directory.resolve("issuer.db"));
                Statement statement = connection.createStatement()) {
            statement.execute(text);
        }
    }

    private static SandboxClaims claims(RunningIssuer issuer) {
        try {
            return issuer.verify(issuer.mint("alpha"));
        } catch (io.sallyport.base.RejectedException e) {
            throw new AssertionError(e);
        }
    }

    private static Function<RunningIssuer, Object> register(String id, String workspace, String name) {
        return issuer -> issuer.registry()
                .registerSandbox(RegisterSandboxRequest.newBuilder()
                        .setId(id)
                        .setWorkspace(workspace)
                        .setName(name)
                        .build());
    }

    private static Function<RunningIssuer, Object> get(String id) {
        return issuer -> issuer.registry()
                .getSandbox(GetSandboxRequest.newBuilder().setId(id).build());
    }

    private static Function<RunningIssuer, Object> delete(String id) {
        return issuer -> issuer.registry()
                .deleteSandbox(DeleteSandboxRequest.newBuilder().setId(id).build());
    }

    private static Function<RunningIssuer, Object> mint(String id, String file) {
        return issuer -> issuer.registry()
                .mintBootstrapToken(MintBootstrapTokenRequest.newBuilder()
                        .setId(id)
                        .setTokenFile(file)
                        .build());
    }

    private static Function<RunningIssuer, Object> files(String id) {
        return issuer -> issuer.registry()
                .listTokenFiles(ListTokenFilesRequest.newBuilder().setId(id).build());
    }

    private static Function<RunningIssuer, Object> list(int size, String token) {
        return issuer -> issuer.registry()
                .listSandboxes(ListSandboxesRequest.newBuilder()
                        .setPageSize(size)
                        .setPageToken(token)
                        .build());
    }

    private static StatusRuntimeException refusal(org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        return org.assertj.core.api.Assertions.catchThrowableOfType(StatusRuntimeException.class, call);
    }
}
