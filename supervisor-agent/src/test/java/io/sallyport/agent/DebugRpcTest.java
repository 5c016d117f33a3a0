package io.sallyport.agent;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Timestamp;
import io.grpc.BindableService;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.TlsServerCredentials;
import io.grpc.stub.StreamObserver;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyStore;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code debug-rpc} against a real gRPC server on loopback. */
class DebugRpcTest {
    private static final String TOKEN = jwt("{\"sub\":\"spiffe://openshell/sandbox/sb-1\",\"sandbox_id\":\"sb-1\","
            + "\"exp\":1800000000,\"aud\":[\"x\",{\"exp\":1}]}");
    private static final String NEXT_TOKEN = jwt("{\"sandbox_id\":\"sb-1\",\"exp\":1800003600}");

    @TempDir
    Path temp;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private final List<Metadata> calls = new ArrayList<>();
    private final List<String> asked = new ArrayList<>();
    private Status answer = Status.OK;
    private @Nullable Server server;

    @AfterEach
    void stop() {
        if (server != null) {
            server.shutdownNow();
        }
    }

    private static String jwt(String payload) {
        Base64.Encoder encoder = Base64.getUrlEncoder().withoutPadding();
        return encoder.encodeToString("{\"alg\":\"EdDSA\"}".getBytes(StandardCharsets.UTF_8)) + "."
                + encoder.encodeToString(payload.getBytes(StandardCharsets.UTF_8)) + "."
                + encoder.encodeToString("not-a-signature".getBytes(StandardCharsets.UTF_8));
    }

    private Map<String, String> start(BindableService gateway) throws Exception {
        return Map.of(
                "OPENSHELL_ENDPOINT",
                "http://127.0.0.1:" + listen(gateway, InsecureServerCredentials.create()),
                "OPENSHELL_SANDBOX_TOKEN",
                TOKEN,
                "OPENSHELL_SANDBOX_ID",
                "sb-1",
                "OPENSHELL_SANDBOX",
                "alpha");
    }

    private int listen(BindableService gateway, ServerCredentials credentials) throws Exception {
        server = Grpc.newServerBuilderForPort(0, credentials)
                .addService(gateway)
                .intercept(new Recorder())
                .build()
                .start();
        return server.getPort();
    }

    private int run(Map<String, String> environment, String... arguments) {
        DebugRpc debugRpc = new DebugRpc(
                environment, InstantSource.system(), new PrintWriter(out, true), new PrintWriter(err, true));
        int code = debugRpc.run(arguments);
        assertNoTokenIn(out.toString());
        assertNoTokenIn(err.toString());
        return code;
    }

    private static void assertNoTokenIn(String text) {
        for (String token : List.of(TOKEN, NEXT_TOKEN)) {
            for (int i = 0; i + 16 <= token.length(); i++) {
                assertThat(text).doesNotContain(token.substring(i, i + 16));
            }
        }
    }

    private final class Recorder implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            calls.add(headers);
            return next.startCall(call, headers);
        }
    }

    private <T> void reply(StreamObserver<T> observer, T response) {
        if (answer.isOk()) {
            observer.onNext(response);
            observer.onCompleted();
        } else {
            observer.onError(answer.asRuntimeException());
        }
    }

    /** A gateway of generation 0.0. */
    private final class Gateway00 extends io.sallyport.api.openshell00.OpenShellGrpc.OpenShellImplBase {
        @Override
        public void getSandboxConfig(
                io.sallyport.api.openshell00.sandbox.GetSandboxConfigRequest request,
                StreamObserver<io.sallyport.api.openshell00.sandbox.GetSandboxConfigResponse> observer) {
            asked.add("id " + request.getSandboxId());
            reply(
                    observer,
                    io.sallyport.api.openshell00.sandbox.GetSandboxConfigResponse.newBuilder()
                            .setVersion(7)
                            .setPolicyHash("abc\u001b[31m")
                            .setConfigRevision(9)
                            .setWorkspace("default")
                            .build());
        }

        @Override
        public void issueSandboxToken(
                io.sallyport.api.openshell00.IssueSandboxTokenRequest request,
                StreamObserver<io.sallyport.api.openshell00.IssueSandboxTokenResponse> observer) {
            asked.add("issue");
            reply(
                    observer,
                    io.sallyport.api.openshell00.IssueSandboxTokenResponse.newBuilder()
                            .setToken(TOKEN)
                            .build());
        }

        @Override
        public void refreshSandboxToken(
                io.sallyport.api.openshell00.RefreshSandboxTokenRequest request,
                StreamObserver<io.sallyport.api.openshell00.RefreshSandboxTokenResponse> observer) {
            reply(
                    observer,
                    io.sallyport.api.openshell00.RefreshSandboxTokenResponse.newBuilder()
                            .setToken(NEXT_TOKEN)
                            .setExpiresAtMs(1_800_003_600_000L)
                            .build());
        }
    }

    /** A gateway of generation 0.1. */
    private final class Gateway01 extends io.sallyport.api.openshell01.OpenShellGrpc.OpenShellImplBase {
        @Override
        public void getSandboxConfig(
                io.sallyport.api.openshell01.sandbox.GetSandboxConfigRequest request,
                StreamObserver<io.sallyport.api.openshell01.sandbox.GetSandboxConfigResponse> observer) {
            asked.add("name " + request.getName() + " in "
                    + (request.hasWorkspaceScope() ? request.getWorkspaceScope().getWorkspace() : "-"));
            reply(
                    observer,
                    io.sallyport.api.openshell01.sandbox.GetSandboxConfigResponse.newBuilder()
                            .setVersion(7)
                            .build());
        }

        @Override
        public void refreshSandboxToken(
                io.sallyport.api.openshell01.RefreshSandboxTokenRequest request,
                StreamObserver<io.sallyport.api.openshell01.RefreshSandboxTokenResponse> observer) {
            reply(
                    observer,
                    io.sallyport.api.openshell01.RefreshSandboxTokenResponse.newBuilder()
                            .setToken(NEXT_TOKEN)
                            .setExpirationTime(Timestamp.newBuilder().setSeconds(1_800_003_600L))
                            .build());
        }
    }

    @Test
    void getSandboxConfigByIdShowsTheConfigAndCarriesTheCredential() throws Exception {
        int code = run(start(new Gateway00()), "get-sandbox-config", "--sandbox-id", "sb-9");

        assertThat(err.toString()).isEmpty();
        assertThat(code).isZero();
        assertThat(asked).containsExactly("id sb-9");
        assertThat(out.toString().lines())
                .containsExactly("version: 7", "policy_hash: abc?[31m", "config_revision: 9", "workspace: default");
        assertThat(calls).hasSize(1);
        assertThat(calls.getFirst().get(SandboxCallCredentials.AUTHORIZATION)).isEqualTo("Bearer " + TOKEN);
        assertThat(calls.getFirst().get(SandboxCallCredentials.SANDBOX_ID)).isEqualTo("sb-1");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "get-sandbox-config --name beta                    | name beta in -",
                "get-sandbox-config --name beta --workspace w      | name beta in w",
                "get-sandbox-config --api 0.1                      | name alpha in -",
                "get-sandbox-config --api 0.1 --workspace w        | name alpha in w",
                "get-sandbox-config --api 0.1 --name beta          | name beta in -",
            })
    void getSandboxConfigByName(String arguments, String expected) throws Exception {
        assertThat(run(start(new Gateway01()), arguments.split(" ", -1))).isZero();

        assertThat(asked).containsExactly(expected);
    }

    /** The environment of a pod: a ServiceAccount token and nothing else to call with. */
    private Map<String, String> pod() throws Exception {
        Map<String, String> environment = new HashMap<>(start(new Gateway00()));
        environment.remove("OPENSHELL_SANDBOX_TOKEN");
        Path file = Files.writeString(temp.resolve("service-account"), "the-service-account-token");
        environment.put("OPENSHELL_K8S_SA_TOKEN_FILE", file.toString());
        return environment;
    }

    @ParameterizedTest
    @ValueSource(strings = {"get-sandbox-config", "refresh"})
    void inAPodOneExchangeComesFirstAndTheCallGoesOutWithWhatCameOfIt(String command) throws Exception {
        assertThat(run(pod(), command)).isZero();

        assertThat(calls)
                .extracting(call -> call.get(SandboxCallCredentials.AUTHORIZATION))
                .containsExactly("Bearer the-service-account-token", "Bearer " + TOKEN);
        assertThat(asked).startsWith("issue");
    }

    @ParameterizedTest
    @ValueSource(strings = {"show-token", "show-principal"})
    void inAPodShowingExchangesNothing(String command) throws Exception {
        assertThat(run(pod(), command)).isEqualTo(DebugRpc.OTHERWISE);

        assertThat(calls).isEmpty();
        assertThat(out.toString()).isEmpty();
        assertThat(err.toString()).contains("is exchanged at a call").doesNotContain("the-service-account-token");
    }

    @ParameterizedTest
    @CsvSource({"UNAUTHENTICATED,16", "PERMISSION_DENIED,7", "UNAVAILABLE,1"})
    void aRefusedExchangeEndsAsItsStatus(Status.Code status, int code) throws Exception {
        answer = status.toStatus().withDescription("words");

        assertThat(run(pod(), "get-sandbox-config")).isEqualTo(code);

        assertThat(err.toString()).contains(status + ": words").doesNotContain("the-service-account-token");
        assertThat(calls).hasSize(1);
    }

    @Test
    void ownIdIsTheDefault() throws Exception {
        assertThat(run(start(new Gateway00()), "get-sandbox-config")).isZero();

        assertThat(asked).containsExactly("id sb-1");
    }

    @ParameterizedTest
    @EnumSource(Status.Code.class)
    void exitCodes(Status.Code code) throws Exception {
        answer = code.toStatus().withDescription("in words\u0007");
        int expected = switch (code) {
            case OK -> 0;
            case NOT_FOUND -> 5;
            case PERMISSION_DENIED -> 7;
            case UNAUTHENTICATED -> 16;
            default -> 1;
        };
        Map<String, String> environment = start(new Gateway00());

        assertThat(run(environment, "get-sandbox-config", "--sandbox-id", "sb-1"))
                .isEqualTo(expected);
        assertThat(run(environment, "refresh")).isEqualTo(expected);
        if (code != Status.Code.OK) {
            assertThat(out.toString()).isEmpty();
            assertThat(err.toString().lines()).containsExactly(code + ": in words?", code + ": in words?");
        }
    }

    @Test
    void aGatewayThatIsAwayIsAnyOtherError() throws Exception {
        Map<String, String> environment = start(new Gateway00());
        stop();

        assertThat(run(environment, "refresh", "--timeout", "5")).isEqualTo(1);
        assertThat(err.toString()).startsWith("UNAVAILABLE").contains("Connection refused");
    }

    private Map<String, String> withTokenIn(Path file) throws Exception {
        Map<String, String> environment = new HashMap<>(start(new Gateway00()));
        environment.remove("OPENSHELL_SANDBOX_TOKEN");
        environment.put("OPENSHELL_SANDBOX_TOKEN_FILE", file.toString());
        return environment;
    }

    @Test
    void refreshGivesTheFileTheNewTokenAndShowsItsFingerprintAndExpiry() throws Exception {
        Path file = Files.writeString(temp.resolve("token"), TOKEN);

        assertThat(run(withTokenIn(file), "refresh")).isZero();

        assertThat(out.toString().lines())
                .containsExactly(
                        "fingerprint: " + UnverifiedToken.fingerprint(NEXT_TOKEN),
                        "expires_at: 2027-01-15T09:00:00Z",
                        "written: " + file);
        assertThat(file).content().isEqualTo(NEXT_TOKEN + "\n");
    }

    @Test
    void aCertificateThatCannotBeUsedIsNoTroubleOfTheTokenFiles() throws Exception {
        Path file = Files.writeString(temp.resolve("token"), TOKEN);
        Map<String, String> environment = new HashMap<>(withTokenIn(file));
        environment.put("OPENSHELL_ENDPOINT", "https://127.0.0.1:1");
        environment.put("OPENSHELL_TLS_CA", temp.resolve("missing.pem").toString());

        assertThat(run(environment, "refresh")).isEqualTo(1);

        assertThat(err.toString()).contains("missing.pem").doesNotContain("refreshed in place");
        assertThat(file).content().isEqualTo(TOKEN);
    }

    @Test
    void aRefusedRefreshLeavesTheFileAsItWas() throws Exception {
        Path file = Files.writeString(temp.resolve("token"), TOKEN);
        Map<String, String> environment = withTokenIn(file);
        answer = Status.UNAUTHENTICATED;

        assertThat(run(environment, "refresh")).isEqualTo(16);

        assertThat(file).content().isEqualTo(TOKEN);
        assertThat(temp).isDirectoryNotContaining("glob:**/.token.*-*");
    }

    @Test
    void aTokenWhoseSuccessorCouldNotBeKeptIsNotConsumed() throws Exception {
        String renewed = jwt("{\"sandbox_id\":\"sb-1\",\"gen\":3}");
        Path target = Files.writeString(temp.resolve("projected"), renewed);
        Path link = Files.createSymbolicLink(temp.resolve("token"), target);

        assertThat(run(withTokenIn(link), "refresh")).isEqualTo(1);

        assertThat(calls).isEmpty();
        assertThat(err.toString()).contains(link.toString(), "would take this token away from the supervisor");
    }

    @Test
    void aBootstrapTokenOnAReadOnlyMountIsRefreshedAndNothingWritten() throws Exception {
        Path target = Files.writeString(temp.resolve("projected"), TOKEN);
        Path link = Files.createSymbolicLink(temp.resolve("token"), target);

        assertThat(run(withTokenIn(link), "refresh")).isZero();

        assertThat(calls).hasSize(1);
        assertThat(out.toString()).doesNotContain("written");
        assertThat(link).isSymbolicLink();
        assertThat(target).content().isEqualTo(TOKEN);
    }

    @Test
    void refreshReadsTheOtherGenerationsAnswerToo() throws Exception {
        assertThat(run(start(new Gateway01()), "refresh")).isZero();
        assertThat(out.toString().lines())
                .containsExactly(
                        "fingerprint: " + UnverifiedToken.fingerprint(NEXT_TOKEN), "expires_at: 2027-01-15T09:00:00Z");
    }

    @Test
    void showTokenShowsAFingerprintAndNothingElseAndCallsNobody() throws Exception {
        assertThat(run(start(new Gateway00()), "show-token")).isZero();

        assertThat(out.toString().lines())
                .containsExactly(
                        "fingerprint: " + UnverifiedToken.fingerprint(TOKEN), "source: OPENSHELL_SANDBOX_TOKEN");
        assertThat(UnverifiedToken.fingerprint("abc"))
                .isEqualTo("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assertThat(calls).isEmpty();
    }

    @Test
    void showPrincipalShowsWhatTheTokenSaysAndCallsNobody() throws Exception {
        assertThat(run(start(new Gateway00()), "show-principal")).isZero();

        assertThat(out.toString().lines())
                .containsExactly(
                        "subject: spiffe://openshell/sandbox/sb-1",
                        "sandbox_id: sb-1",
                        "expires_at: 2027-01-15T08:00:00Z",
                        "verified: no");
        assertThat(calls).isEmpty();
    }

    @Test
    void theShowCommandsNeedNoEndpoint() {
        Map<String, String> environment = Map.of("OPENSHELL_SANDBOX_TOKEN", TOKEN);

        assertThat(run(environment, "show-token")).isZero();
        assertThat(run(environment, "show-principal")).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"opaque", "a.b.c", "e30.W10.x", "a.e30"})
    void aTokenThatIsNoJwtHasNoPrincipal(String token) {
        assertThat(run(Map.of("OPENSHELL_SANDBOX_TOKEN", token), "show-principal"))
                .isEqualTo(1);
        assertThat(err.toString()).contains("not a JWT");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "get-sandbox-config --api 0.2                        | 0.2",
                "get-sandbox-config --api 0.0 --name x               | asks by id",
                "get-sandbox-config --workspace w                    | asks by id",
                "get-sandbox-config --api 0.1 --sandbox-id x         | asks by name",
                "get-sandbox-config --name x --sandbox-id x          | asks by name",
                "get-sandbox-config --unknown                        | --unknown",
                "get-sandbox-config --timeout x                      | --timeout",
                "nonsense                                            | nonsense",
            })
    void badUsageIsOne(String arguments, String message) throws Exception {
        assertThat(run(start(new Gateway00()), arguments.split(" ", -1))).isEqualTo(1);

        assertThat(err.toString()).contains(message);
        assertThat(calls).isEmpty();
    }

    @Test
    void badSettingsAreOneAndAllSaid() {
        assertThat(run(Map.of("OPENSHELL_ENDPOINT", "http://10.0.0.1:80"), "refresh"))
                .isEqualTo(1);

        assertThat(err.toString().lines())
                .satisfiesExactly(
                        endpoint -> assertThat(endpoint).contains("OPENSHELL_ENDPOINT", "https://"),
                        token -> assertThat(token).contains("OPENSHELL_SANDBOX_TOKEN_FILE"));
    }

    @Test
    void aMissingTokenFileIsOneAndNamed() throws Exception {
        Map<String, String> environment = new HashMap<>(start(new Gateway00()));
        environment.remove("OPENSHELL_SANDBOX_TOKEN");
        environment.put("OPENSHELL_SANDBOX_TOKEN_FILE", temp.resolve("none").toString());

        assertThat(run(environment, "refresh")).isEqualTo(1);
        assertThat(err.toString()).contains(temp.resolve("none").toString());
        assertThat(calls).isEmpty();
    }

    @Test
    void helpIsNoError() {
        assertThat(run(Map.of(), "--help")).isZero();
        assertThat(out.toString()).contains("get-sandbox-config", "show-principal", "UNAUTHENTICATED");
        assertThat(run(Map.of())).isEqualTo(1);
    }

    @Test
    void overTlsWithItsOwnCertificateAndName() throws Exception {
        Path key = temp.resolve("key.pem");
        Path certificate = temp.resolve("certificate.pem");
        makeCertificate(certificate, key);
        int port = listen(
                new Gateway00(),
                TlsServerCredentials.newBuilder()
                        .keyManager(certificate.toFile(), key.toFile())
                        .build());
        Map<String, String> environment = new HashMap<>(Map.of(
                "OPENSHELL_ENDPOINT",
                "https://127.0.0.1:" + port,
                "OPENSHELL_SANDBOX_TOKEN",
                TOKEN,
                "OPENSHELL_TLS_CA",
                certificate.toString(),
                "OPENSHELL_GATEWAY_TLS_SERVER_NAME",
                "gateway.test"));

        assertThat(run(environment, "refresh")).as(err.toString()).isZero();

        environment.put("OPENSHELL_GATEWAY_TLS_SERVER_NAME", "other.test");
        assertThat(run(environment, "refresh")).isEqualTo(1);
        environment.put("OPENSHELL_GATEWAY_TLS_SERVER_NAME", "gateway.test");
        environment.remove("OPENSHELL_TLS_CA");
        assertThat(run(environment, "refresh")).as("not trusted by the JVM").isEqualTo(1);
        assertThat(calls).hasSize(1);
    }

    /** Self-signed, for gateway.test, by the JDK's own keytool. */
    private void makeCertificate(Path certificate, Path key) throws Exception {
        Path store = temp.resolve("store.p12");
        Process keytool = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                .toString(),
                        "-genkeypair",
                        "-keyalg",
                        "EC",
                        "-groupname",
                        "secp256r1",
                        "-alias",
                        "k",
                        "-dname",
                        "CN=gateway.test",
                        "-ext",
                        "san=dns:gateway.test",
                        "-validity",
                        "2",
                        "-storetype",
                        "PKCS12",
                        "-storepass",
                        "changeit",
                        "-keystore",
                        store.toString())
                .redirectErrorStream(true)
                .start();
        keytool.getInputStream().readAllBytes();
        assertThat(keytool.waitFor()).isZero();
        KeyStore keys = KeyStore.getInstance(store.toFile(), "changeit".toCharArray());
        Key secret = keys.getKey("k", "changeit".toCharArray());
        Files.writeString(key, pem("PRIVATE KEY", secret.getEncoded()));
        Files.writeString(
                certificate, pem("CERTIFICATE", keys.getCertificate("k").getEncoded()));
    }

    private static String pem(String label, byte[] der) {
        return "-----BEGIN " + label + "-----\n" + Base64.getMimeEncoder().encodeToString(der) + "\n-----END " + label
                + "-----\n";
    }
}
