package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.netty.handler.codec.http2.Http2Error;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.PlainSocket;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every kind of wrong request around a good token and a good body. */
@ParameterizedClass(name = "{0}")
@EnumSource(Setup.class)
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class RequestRowsTest {
    private static final String MARK = "x-test-mark";

    private final Arena arena;

    RequestRowsTest(Setup setup, Arenas arenas) {
        this.arena = arenas.shared(setup);
    }

    /**
     * One wrong request.
     *
     * @param expected the words of the outcome: a status with its text, or the beginning of it
     * @param change what is done to the headers of a good call by alpha for its own configuration
     */
    record Row(String name, String expected, UnaryOperator<Headers> change) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static Row row(String name, Reason reason, UnaryOperator<Headers> change) {
        return new Row(name, reason.statusCode() + ": " + reason.text(), change);
    }

    private static Row path(String path) {
        return row("path " + path, Reason.METHOD_UNKNOWN, headers -> headers.set(":path", path));
    }

    private static Row contentType(String type) {
        return row("content-type " + type, Reason.CONTENT_TYPE, headers -> headers.set("content-type", type));
    }

    private Headers good() {
        return Headers.grpc(Arena.GET_CONFIG).bearer(arena.alpha().token());
    }

    static Stream<Row> rows() {
        return Stream.of(pathRows(), contentTypeRows(), headerRows()).flatMap(List::stream);
    }

    private static List<Row> pathRows() {
        return List.of(
                row(
                        "path with a query",
                        Reason.PATH_MALFORMED,
                        headers -> headers.set(":path", Arena.GET_CONFIG + "?a=b")),
                row(
                        "path with an empty query",
                        Reason.PATH_MALFORMED,
                        headers -> headers.set(":path", Arena.GET_CONFIG + "?")),
                path("/openshell.v1.OpenShell/%47etSandboxConfig"),
                path("/openshell.v1.OpenShell/GetSandboxConfig%00"),
                path("/openshell.v1.OpenShell//GetSandboxConfig"),
                path("//openshell.v1.OpenShell/GetSandboxConfig"),
                path("/openshell.v1.OpenShell/GetSandboxConfig/"),
                path("/openshell.v1.OpenShell/./GetSandboxConfig"),
                path("/openshell.v1.OpenShell/../openshell.v1.OpenShell/GetSandboxConfig"),
                path("/openshell.v1.OpenShell/GetSandboxConfig;a=b"),
                path("/openshell.v1.openshell/GetSandboxConfig"),
                path("/openshell.v1.OpenShell/getSandboxConfig"),
                path("/openshell.v1.OpenShell/GetSandboxConfi"),
                path("/openshell.v1.OpenShell/NoSuchMethod"),
                path("/openshell.v1.OpenShell"),
                path("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
                path("/grpc.health.v1.Health/Check"),
                path("/"),
                path("/_ws_tunnel"));
    }

    private static List<Row> contentTypeRows() {
        return List.of(
                contentType("application/grpc-web"),
                contentType("application/grpc-web+proto"),
                contentType("application/grpc-web-text"),
                contentType("application/grpc+json"),
                contentType("application/json"),
                contentType("application/proto"),
                contentType("application/connect+proto"),
                contentType("text/plain"),
                contentType("APPLICATION/GRPC"),
                contentType("application/grpc; charset=utf-8"),
                contentType("application/grpc,application/json"),
                row("no content-type", Reason.CONTENT_TYPE, headers -> headers.without("content-type")),
                row(
                        "two content-types",
                        Reason.CONTENT_TYPE,
                        headers -> headers.add("content-type", "application/json")));
    }

    private static List<Row> headerRows() {
        return List.of(
                row(
                        "x-sandbox-id of the neighbour",
                        Reason.SANDBOX_HEADER,
                        headers -> headers.add("x-sandbox-id", "beta-id")),
                row(
                        "x-sandbox-id with the name",
                        Reason.SANDBOX_HEADER,
                        headers -> headers.add("x-sandbox-id", "alpha")),
                row("x-sandbox-id, empty", Reason.SANDBOX_HEADER, headers -> headers.add("x-sandbox-id", "")),
                row(
                        "x-sandbox-id twice, own then the neighbour's",
                        Reason.SANDBOX_HEADER,
                        headers -> headers.add("x-sandbox-id", "alpha-id").add("x-sandbox-id", "beta-id")),
                row(
                        "x-sandbox-id twice, both own",
                        Reason.SANDBOX_HEADER,
                        headers -> headers.add("x-sandbox-id", "alpha-id").add("x-sandbox-id", "alpha-id")),
                row("GET", Reason.METHOD_UNKNOWN, headers -> headers.set(":method", "GET")),
                row("PUT", Reason.METHOD_UNKNOWN, headers -> headers.set(":method", "PUT")),
                row(
                        "a method of users",
                        Reason.SANDBOX_ON_USER_METHOD,
                        headers -> headers.set(":path", Arena.OPEN_SHELL + "GetCurrentUser")),
                row(
                        "bootstrap without a ServiceAccount",
                        Reason.SERVICE_ACCOUNT_REQUIRED,
                        headers -> headers.set(":path", Arena.OPEN_SHELL + "IssueSandboxToken")));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rows")
    void isRefused(Row row) {
        Outcome outcome = arena.unseen(() -> arena.call(
                row.change().apply(good()), arena.configOf(arena.alpha().sandbox())));
        assertThat(outcome.inWords()).as("%s", outcome).isEqualTo(row.expected());
    }

    /** What HTTP/2 itself forbids, or Envoy by itself: a reset where there is nothing else to say. */
    static Stream<Row> brokenRows() {
        String reset = "reset " + Http2Error.PROTOCOL_ERROR.code();
        String unknown = Reason.METHOD_UNKNOWN.statusCode() + ": " + Reason.METHOD_UNKNOWN.text();
        return Stream.of(
                new Row(
                        "a header name in capitals",
                        reset,
                        headers -> headers.add("X-Sandbox-Principal", "sandbox;id=\"beta-id\"")),
                new Row("a header name with a space", reset, headers -> headers.add("x-sandbox-principal ", "x")),
                new Row(
                        "a line break in a value",
                        reset,
                        headers -> headers.add("x-a", "b\r\nx-sandbox-principal: beta-id")),
                new Row("a connection header", reset, headers -> headers.add("connection", "close")),
                new Row("a transfer encoding", reset, headers -> headers.add("transfer-encoding", "chunked")),
                new Row("another te than trailers", reset, headers -> headers.set("te", "gzip")),
                new Row("no method", reset, headers -> headers.without(":method")),
                new Row("no authority", reset, headers -> headers.without(":authority")),
                new Row("no path", reset, headers -> headers.without(":path")),
                new Row("two paths", reset, headers -> headers.add(":path", Arena.OPEN_SHELL + "Health")),
                new Row(
                        "a path that is an address",
                        reset,
                        headers -> headers.set(":path", "http://x" + Arena.GET_CONFIG)),
                new Row(
                        "a path without its slash",
                        reset,
                        headers -> headers.set(":path", Arena.GET_CONFIG.substring(1))),
                new Row("the path *", reset, headers -> headers.set(":path", "*")),
                new Row(
                        "a fragment in the path",
                        "INVALID_ARGUMENT: ",
                        headers -> headers.set(":path", Arena.GET_CONFIG + "#a")),
                new Row(
                        "an escaped slash in the path",
                        "INVALID_ARGUMENT: ",
                        headers -> headers.set(":path", "/openshell.v1.OpenShell%2FGetSandboxConfig")),
                new Row(
                        "an escaped backslash in the path",
                        "INVALID_ARGUMENT: ",
                        headers -> headers.set(":path", "/openshell.v1.OpenShell%5CGetSandboxConfig")),
                new Row("an unknown pseudo header", reset, headers -> headers.add(":sandbox", "beta-id")),
                new Row(
                        "CONNECT",
                        unknown,
                        headers -> headers.set(":method", "CONNECT")
                                .without(":path")
                                .without(":scheme")),
                new Row(
                        "CONNECT to the gateway, without a credential",
                        unknown,
                        headers -> new Headers().set(":method", "CONNECT").set(":authority", "127.0.0.1:8080")),
                new Row("CONNECT with a path", reset, headers -> headers.set(":method", "CONNECT")),
                new Row(
                        "extended CONNECT for a WebSocket",
                        reset,
                        headers -> headers.set(":method", "CONNECT")
                                .set(":path", "/_ws_tunnel")
                                .add(":protocol", "websocket")),
                new Row(
                        "extended CONNECT for UDP",
                        reset,
                        headers -> headers.set(":method", "CONNECT").add(":protocol", "connect-udp")),
                new Row(
                        "OPTIONS *",
                        "UNIMPLEMENTED: ",
                        headers -> headers.set(":method", "OPTIONS").set(":path", "*")),
                new Row("a content-length that is too short", reset, headers -> headers.add("content-length", "1")),
                new Row("an upgrade", reset, headers -> headers.add("upgrade", "websocket")));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("brokenRows")
    void doesNotPass(Row row) {
        Outcome outcome = arena.unseen(() -> arena.call(
                row.change().apply(good()), arena.configOf(arena.alpha().sandbox())));
        assertThat(outcome.inWords()).as("%s", outcome).isEqualTo(row.expected());
        assertThat(outcome.body()).doesNotContain("policy-of");
    }

    private static List<String> http1() {
        String call = "POST " + Arena.GET_CONFIG;
        return List.of(
                request("GET / HTTP/1.1"),
                request(call + " HTTP/1.1", "content-length: 5") + "\0\0\0\0\0",
                request(call + " HTTP/1.0"),
                request(
                        "GET / HTTP/1.1",
                        "connection: upgrade, http2-settings",
                        "upgrade: h2c",
                        "http2-settings: AAMAAABk"),
                request(
                        "GET /_ws_tunnel HTTP/1.1",
                        "connection: upgrade",
                        "upgrade: websocket",
                        "sec-websocket-version: 13",
                        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="),
                request("CONNECT 127.0.0.1:1 HTTP/1.1"),
                "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + request("GET / HTTP/1.1"));
    }

    private static String request(String line, String... headers) {
        return Stream.concat(
                        Stream.of(line, "host: x", "content-type: application/grpc", "authorization: Bearer TOKEN"),
                        Stream.of(headers))
                .collect(Collectors.joining("\r\n", "", "\r\n\r\n"));
    }

    /** Envoy lets the line hang for a second before it closes, so all of them wait together. */
    @Test
    void anythingButHttp2EndsAtItsFirstLine() {
        long before = arena.stack().gateway().count();
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            Map<String, Future<String>> answers = new LinkedHashMap<>();
            for (String request : http1()) {
                byte[] bytes = request.replace("TOKEN", arena.alpha().token()).getBytes(StandardCharsets.ISO_8859_1);
                answers.put(
                        request,
                        threads.submit(() -> PlainSocket.exchange(arena.stack().port(), bytes)));
            }
            answers.forEach((request, answer) -> assertThat(answer)
                    .as(request)
                    .succeedsWithin(Duration.ofSeconds(20))
                    .asString()
                    .doesNotContain("HTTP/1.1 1")
                    .doesNotContain("HTTP/1.1 2")
                    .doesNotContain("policy-of"));
        }
        arena.assertNothingSince(before);
    }

    /** A client's copies of our headers, in every spelling that HTTP/2 lets through. */
    static Stream<List<String>> forgedHeaders() {
        String beta = "sandbox;id=\"beta-id\";source=\"gateway-jwt\"";
        return Stream.of(
                List.of("x-sandbox-principal", beta),
                List.of("x-sandbox-principal", beta, "x-sandbox-principal", beta),
                List.of("x_sandbox_principal", beta),
                List.of("x-sandbox_principal", beta),
                List.of("x-sandbox-principal-jwt", "e30.e30.e30"),
                List.of("x_sandbox_principal_jwt", "e30.e30.e30"),
                List.of("x-sandbox-principal-extra", beta),
                List.of("x-sallyport-principal", beta),
                List.of("x-envoy-original-path", Arena.OPEN_SHELL + "Health"),
                List.of("x-envoy-decorator-operation", "x"),
                List.of("x-envoy-attempt-count", "7"),
                List.of("x-envoy-auth-partial-body", "true"),
                List.of("x-envoy-upstream-rq-timeout-ms", "1"),
                List.of("x-envoy-retry-on", "5xx"),
                List.of("x-envoy-internal", "forged"),
                List.of("x-envoy-external-address", "10.0.0.1"),
                List.of("x-forwarded-for", "10.0.0.1"),
                List.of("x-forwarded-proto", "https"),
                List.of("x-forwarded-client-cert", "By=x"),
                List.of("forwarded", "for=10.0.0.1"),
                List.of("x-real-ip", "10.0.0.1"),
                List.of("x-request-id", "11111111-2222-4333-8444-555555555555"),
                List.of("x-client-trace-id", "x"),
                List.of("x-ot-span-context", "x"),
                List.of("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate", "a=b"),
                List.of("b3", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"),
                List.of("x-b3-traceid", "0af7651916cd43dd8448eb211c80319c", "x-b3-sampled", "1"),
                List.of("cookie", "session=somebody-elses"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("forgedHeaders")
    void aForgedHeaderDoesNotTravelOnWithAGoodCall(List<String> forged) {
        String mark = UUID.randomUUID().toString();
        Headers headers = good().add(MARK, mark);
        for (int i = 0; i < forged.size(); i += 2) {
            headers.add(forged.get(i), forged.get(i + 1));
        }
        long before = arena.stack().gateway().count();
        Outcome outcome = arena.call(headers, arena.configOf(arena.alpha().sandbox()));
        assertThat(outcome.inWords()).isEqualTo("OK: ");
        List<Sighting> seen = arena.stack().gateway().since(before);
        assertThat(seen).hasSize(1);
        Sighting call = seen.getFirst();
        assertThat(call.header(MARK)).isEqualTo(Optional.of(mark));
        assertThat(call.headers().stream()
                        .filter(header -> header.name().equals("x-sandbox-principal"))
                        .map(Sighting.Header::value))
                .containsExactly("sandbox;id=\"alpha-id\";source=\"gateway-jwt\"");
        assertThat(call.headers())
                .noneMatch(header -> forged.contains(header.name())
                        // What is secret stands in the record as a hash, whatever it was.
                        && (forged.contains(header.value()) || header.value().startsWith("sha256:")));
        // Envoy's own word on where the caller is; nothing else of its kind travels on.
        assertThat(call.headers().stream().map(Sighting.Header::name).filter(name -> !name.equals("x-envoy-internal")))
                .noneMatch(name -> name.contains("_") || name.startsWith("x-envoy-") || name.endsWith("-jwt"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("forgedHeaders")
    void aForgedHeaderIsNoCredential(List<String> forged) {
        Headers headers = Headers.grpc(Arena.GET_CONFIG);
        for (int i = 0; i < forged.size(); i += 2) {
            headers.add(forged.get(i), forged.get(i + 1));
        }
        arena.refused(
                Reason.NO_CREDENTIAL,
                () -> arena.call(headers, arena.configOf(arena.beta().sandbox())));
    }

    @Test
    void trailersDoNotTravelOn() {
        String mark = UUID.randomUUID().toString();
        long before = arena.stack().gateway().count();
        Outcome outcome;
        try (RawHttp2 connection = arena.connect()) {
            outcome = connection
                    .open(good().add(MARK, mark), false)
                    .data(arena.configOf(arena.alpha().sandbox()), false)
                    .trailers(new Headers()
                            .add("x-sandbox-principal", "sandbox;id=\"beta-id\";source=\"gateway-jwt\"")
                            .add("authorization", "Bearer " + arena.beta().token())
                            .add("x-anything", "else"))
                    .await();
        }
        assertThat(outcome.body()).doesNotContain("beta");
        for (Sighting call : arena.stack().gateway().since(before)) {
            assertThat(call.trailers()).isEmpty();
            assertThat(call.header("x-sandbox-principal")).contains("sandbox;id=\"alpha-id\";source=\"gateway-jwt\"");
        }
    }

    @Test
    void trailersCannotBringTheBody() {
        arena.refused(Reason.BODY_MISSING, () -> {
            try (RawHttp2 connection = arena.connect()) {
                return connection
                        .open(good(), false)
                        .trailers(new Headers().add("x-anything", "else"))
                        .await();
            }
        });
    }

    @Test
    void anAgreeingSandboxHeaderPasses() {
        Outcome outcome = arena.call(
                good().add("x-sandbox-id", "alpha-id"),
                arena.configOf(arena.alpha().sandbox()));
        assertThat(outcome.inWords()).isEqualTo("OK: ");
    }

    @Test
    void theOtherGoodContentTypePasses() {
        Outcome outcome = arena.call(
                good().set("content-type", "application/grpc+proto"),
                arena.configOf(arena.alpha().sandbox()));
        assertThat(outcome.inWords()).isEqualTo("OK: ");
    }

    /** The bearer travels on: the gateway that nobody changed checks it itself. */
    @Test
    void theGatewayIsGivenWhatItNeeds() {
        long before = arena.stack().gateway().count();
        assertThat(arena.ownConfig(arena.alpha()).isOk()).isTrue();
        Sighting call = arena.stack().gateway().since(before).getFirst();
        assertThat(call.header("authorization").orElse("")).startsWith("sha256:");
        assertThat(call.messages()).hasSize(1);
        assertThat(Wire.frame(0, call.messages().getFirst().toByteArray()))
                .isEqualTo(arena.configOf(arena.alpha().sandbox()));
    }

    @Test
    void healthNeedsNoCredential() {
        Outcome outcome = arena.call(
                Headers.grpc(Arena.OPEN_SHELL + "Health"), Wire.message().framed());
        assertThat(outcome.inWords()).isEqualTo("OK: ");
    }

    /** Nobody has looked at it, so it must not make anybody of the caller behind us either. */
    @Test
    void aCredentialThatNobodyCheckedEndsBeforeTheGateway() {
        for (String credential : List.of("Bearer " + arena.alpha().token(), "Basic YWxwaGE6YWxwaGE=")) {
            long before = arena.stack().gateway().count();
            Outcome outcome = arena.call(
                    Headers.grpc(Arena.OPEN_SHELL + "Health").add("authorization", credential),
                    Wire.message().framed());
            assertThat(outcome.inWords()).isEqualTo("OK: ");
            List<Sighting> seen = arena.stack().gateway().since(before);
            assertThat(seen).hasSize(1);
            assertThat(seen.getFirst().header("authorization")).isEmpty();
            assertThat(seen.getFirst().header("x-sandbox-principal")).contains("anonymous");
        }
    }

    @Test
    void oneConnectionHasNoMoreThanAHundredCallsAtATime() {
        int most = 100;
        arena.unseen(() -> {
            try (RawHttp2 connection = arena.connect()) {
                List<RawHttp2.Call> calls = Stream.generate(() -> connection.open(good(), false))
                        .limit(most + 1)
                        .toList();
                Outcome last = calls.getLast().await();
                assertThat(last.reset()).as("%s", last).isPresent();
                assertThat(calls.stream().limit(most).filter(RawHttp2.Call::isDone))
                        .as("calls below the limit that ended")
                        .isEmpty();
                return last;
            }
        });
    }

    /** With user methods closed, whatever is not a sandbox gets no further either. */
    @ParameterizedTest
    @ValueSource(strings = {"GetCurrentUser", "GetSandbox"})
    void aMethodOfUsersIsClosedToStrangers(String method) {
        byte[] empty = Wire.message().framed();
        arena.refused(Reason.NO_CREDENTIAL, () -> arena.call(Headers.grpc(Arena.OPEN_SHELL + method), empty));
        arena.refused(
                Reason.CREDENTIAL_UNKNOWN,
                () -> arena.call(Headers.grpc(Arena.OPEN_SHELL + method).bearer("somebody-elses"), empty));
    }

    @Test
    void aGrpcTimeoutOfTheClientsMakesNoHole() {
        Outcome outcome = arena.unseen(() -> arena.call(
                good().add("grpc-timeout", "1n"), arena.configOf(arena.beta().sandbox())));
        assertThat(outcome.status().map(Status::getCode))
                .hasValueSatisfying(code -> assertThat(code)
                        .isIn(Status.Code.DEADLINE_EXCEEDED, Status.Code.PERMISSION_DENIED, Status.Code.UNAVAILABLE));
    }
}
