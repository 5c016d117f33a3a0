package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.LiveEnvoy.ALPHA;
import static io.sallyport.envoyconfig.RawHttp2.frame;
import static io.sallyport.envoyconfig.RawHttp2.grpc;
import static org.assertj.core.api.Assertions.assertThat;

import io.envoyproxy.envoy.service.auth.v3.AttributeContext;
import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.envoyproxy.envoy.type.v3.StatusCode;
import io.grpc.Status.Code;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.Http2Headers;
import io.sallyport.base.Reason;
import io.sallyport.envoyconfig.RawHttp2.Answer;
import io.sallyport.envoyconfig.RawHttp2.Call;
import io.sallyport.envoyconfig.RecordingUpstream.Arrival;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a real Envoy with the generated configuration does with requests of every kind. */
class EnvoyRequestsTest extends OnOneEnvoy {
    // --- what passes

    @Test
    void aCallThatIsAllowedArrivesAsItWasSent() throws Exception {
        Answer answer = client.call(
                grpc(ProbePolicy.SANDBOX)
                        .set("authorization", "Bearer token")
                        .set("x-sandbox-id", "alpha")
                        .set("x-of-the-clients-own", "kept"),
                ALPHA);

        assertThat(answer.grpcStatus()).isZero();
        assertThat(answer.body()).endsWith("pong");
        assertThat(answer.headers()).doesNotContainKeys("server", "x-envoy-upstream-service-time", "x-request-id");
        Arrival arrival = onlyArrival(live.gateway());
        assertThat(arrival.body()).isEqualTo(ALPHA);
        assertThat(arrival.headers())
                .containsEntry(":path", ProbePolicy.SANDBOX)
                .containsEntry(":authority", "gateway")
                .containsEntry("authorization", "Bearer token")
                .containsEntry("x-sandbox-principal", FakeExtAuthz.PRINCIPAL)
                .containsEntry("x-sandbox-id", "alpha")
                .containsEntry("x-of-the-clients-own", "kept");
        assertThat(arrival.headers().keySet()).noneMatch(name -> name.startsWith("x-envoy"));
    }

    /** More than the gateway takes on one connection come at once, before it has said how many it takes. */
    @Test
    void aBurstOnAFreshConnectionToTheGatewayIsNotRefused(@TempDir Path directory) throws Exception {
        try (LiveEnvoy fresh = LiveEnvoy.start(directory, new SettingsText())) {
            fresh.gateway().silent(true);
            fresh.gateway().accepting(false);
            List<RawHttp2> clients = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                RawHttp2 each = fresh.connect();
                clients.add(each);
                for (int call = 0; call < 80; call++) {
                    each.open(grpc(ProbePolicy.SANDBOX), false).data(ALPHA, true);
                }
            }
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (fresh.extAuthz().asked().size() < 320) {
                assertThat(System.nanoTime()).isLessThan(deadline);
                Thread.sleep(20);
            }
            fresh.gateway().accepting(true);
            fresh.gateway().awaitBody(320L * ALPHA.length);
            clients.forEach(RawHttp2::close);
        }
    }

    @Test
    void extAuthzIsAskedWithThePolicyTheWholeBodyAndTheHeadersItReads() throws Exception {
        client.call(
                grpc(ProbePolicy.SANDBOX)
                        .set("authorization", "Bearer token")
                        .set("x-sandbox-id", "alpha")
                        .set("x-of-the-clients-own", "not its business"),
                ALPHA);

        CheckRequest request = onlyCheck();
        AttributeContext.HttpRequest http = request.getAttributes().getRequest().getHttp();
        assertThat(request.getAttributes().getContextExtensionsMap())
                .containsExactly(Map.entry("sallyport.policy", live.policyDigest()));
        assertThat(http.getPath()).isEqualTo(ProbePolicy.SANDBOX);
        assertThat(http.getRawBody().toByteArray()).isEqualTo(ALPHA);
        assertThat(http.getBody()).isEmpty();
        assertThat(http.getSize()).isEqualTo(ALPHA.length);
        assertThat(http.getHeadersMap())
                .containsEntry("authorization", "Bearer token")
                .containsEntry("x-sandbox-id", "alpha")
                .containsEntry("x-envoy-auth-partial-body", "false")
                .containsKeys("content-type", "x-request-id")
                .doesNotContainKey("x-of-the-clients-own");
        assertThat(request.getAttributes().getSource().getCertificate()).isEmpty();
    }

    @Test
    void theIssuersMethodsGoToTheIssuerWithTheAssertionAndWithoutTheBearer() throws Exception {
        live.extAuthz()
                .decide(answer -> FakeExtAuthz.allowWith(
                        answer,
                        Map.of("x-sandbox-principal", FakeExtAuthz.PRINCIPAL, "x-sandbox-principal-jwt", "assertion")));

        Answer answer = client.call(grpc(ProbePolicy.ISSUER).set("authorization", "Bearer token"), ALPHA);

        assertThat(answer.grpcStatus()).isZero();
        assertThat(live.gateway().arrivals()).isEmpty();
        assertThat(onlyArrival(live.issuer()).headers())
                .containsEntry("x-sandbox-principal-jwt", "assertion")
                .containsEntry(":authority", "issuer")
                .doesNotContainKey("authorization");
    }

    @ParameterizedTest
    @ValueSource(strings = {ProbePolicy.SANDBOX, ProbePolicy.USER, ProbePolicy.USER_BIDI, ProbePolicy.OPEN})
    void theClientsHostSteersNobodyBehindUs(String path) throws Exception {
        Answer answer = client.call(grpc(path).authority("internal.forged:9"), ALPHA);

        assertThat(answer.grpcStatus()).isZero();
        assertThat(onlyArrival(live.gateway()).headers())
                .containsEntry(":authority", "gateway")
                .doesNotContainKey("host");
        assertThat(onlyArrival(live.gateway()).headers().values()).noneMatch(value -> value.contains("forged"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"b3ta", "cookies", "traceparent-of-mine"})
    void aNameThatOnlyBeginsLikeATracesIsTheClientsOwn(String header) throws Exception {
        client.call(grpc(ProbePolicy.SANDBOX).set(header, "kept"), ALPHA);

        assertThat(onlyArrival(live.gateway()).headers()).containsEntry(header, "kept");
    }

    @Test
    void aUsersStreamIsNotHeldUpUntilItsEnd() throws Exception {
        Call call = client.open(grpc(ProbePolicy.USER_BIDI), false).data(ALPHA, false);
        live.gateway().awaitBody(ALPHA.length);
        assertThat(call.answered()).isFalse();

        call.data(ALPHA, true);

        assertThat(call.answer().grpcStatus()).isZero();
        assertThat(onlyCheck()
                        .getAttributes()
                        .getRequest()
                        .getHttp()
                        .getRawBody()
                        .isEmpty())
                .isTrue();
        assertThat(onlyArrival(live.gateway()).body()).hasSize(2 * ALPHA.length);
    }

    @Test
    void aMethodForUsersIsCheckedToo() throws Exception {
        live.extAuthz().decide(FakeExtAuthz.deny(StatusCode.Forbidden, Code.PERMISSION_DENIED, "not for sandboxes"));

        for (String path : List.of(ProbePolicy.USER, ProbePolicy.USER_BIDI, ProbePolicy.OPEN)) {
            Answer answer = client.call(grpc(path), ALPHA);
            assertThat(answer.grpcStatus()).as(path).isEqualTo(Code.PERMISSION_DENIED.value());
            assertThat(answer.message()).isEqualTo("not for sandboxes");
        }
        live.assertNothingForwarded();
    }

    // --- headers

    /** A name, and whether the request survives it. */
    enum ForgedHeader {
        PRINCIPAL("x-sandbox-principal"),
        ASSERTION("x-sandbox-principal-jwt"),
        LATER_RELATIVE("x-sandbox-principal-other"),
        UNDERSCORES("x_sandbox_principal"),
        UNDERSCORES_ASSERTION("x_sandbox-principal_jwt"),
        ENVOY_PATH("x-envoy-original-path"),
        ENVOY_ATTEMPTS("x-envoy-attempt-count"),
        ENVOY_OPERATION("x-envoy-decorator-operation"),
        ENVOY_INTERNAL("x-envoy-internal"),
        ENVOY_TIMEOUT("x-envoy-upstream-rq-timeout-ms"),
        ENVOY_RETRY("x-envoy-retry-on"),
        ENVOY_PARTIAL("x-envoy-auth-partial-body"),
        ENVOY_UNKNOWN("x-envoy-of-a-later-version"),
        CERTIFICATE("x-forwarded-client-cert"),
        FORWARDED_HOST("x-forwarded-host"),
        FORWARDED("forwarded"),
        REAL_IP("x-real-ip"),
        COOKIE("cookie"),
        TRACE_PARENT("traceparent"),
        TRACE_STATE("tracestate"),
        B3("b3"),
        B3_TRACE("x-b3-traceid"),
        B3_SAMPLED("x-b3-sampled");

        final String header;

        ForgedHeader(String header) {
            this.header = header;
        }
    }

    /** On a method without a credential, ext-authz may well set no header at all: nothing would overwrite the forgery. */
    @ParameterizedTest
    @EnumSource(ForgedHeader.class)
    void aForgedHeaderReachesNobody(ForgedHeader forged) throws Exception {
        live.extAuthz().decide(answer -> {
            answer.onNext(CheckResponse.getDefaultInstance());
            answer.onCompleted();
        });

        Answer answer = client.call(
                grpc(ProbePolicy.OPEN).add(forged.header, "forged").add(forged.header, "forged again"), ALPHA);

        assertThat(answer.grpcStatus()).isZero();
        assertThat(onlyArrival(live.gateway()).headers()).doesNotContainKey(forged.header);
        assertThat(onlyArrival(live.gateway()).headers().values()).noneMatch(value -> value.contains("forged"));
        assertThat(onlyCheck().toString()).doesNotContain("forged");
    }

    @ParameterizedTest
    @ValueSource(strings = {"x-forwarded-for", "x-forwarded-proto", "x-request-id"})
    void whatEnvoyItselfSaysIsNotTheClientsWord(String header) throws Exception {
        client.call(grpc(ProbePolicy.SANDBOX).set(header, "forged"), ALPHA);

        assertThat(onlyArrival(live.gateway()).headers()).containsKey(header);
        assertThat(onlyArrival(live.gateway()).headers().get(header)).doesNotContain("forged");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"X-Sandbox-Principal", "x-Sandbox-principal", "x sandbox-principal", "connection", "upgrade"})
    void whatHttp2ForbidsInAHeaderNameResetsTheStreamAlone(String name) throws Exception {
        Answer answer = client.call(grpc(ProbePolicy.SANDBOX).add(name, "websocket"), ALPHA);

        assertThat(answer.reset()).isPresent();
        assertThat(client.isOpen()).as("the connection is still there").isTrue();
        live.assertNothingForwarded();
    }

    @Test
    void theClientsPrincipalIsOverwrittenWhereExtAuthzSetsOne() throws Exception {
        client.call(
                grpc(ProbePolicy.SANDBOX)
                        .add("x-sandbox-principal", "sandbox;id=\"beta\"")
                        .add("x-sandbox-principal", "sandbox;id=\"gamma\""),
                ALPHA);

        assertThat(onlyArrival(live.gateway()).headers()).containsEntry("x-sandbox-principal", FakeExtAuthz.PRINCIPAL);
    }

    @ParameterizedTest
    @ValueSource(strings = {ProbePolicy.SANDBOX, ProbePolicy.USER_BIDI})
    void trailersOfARequestEndHere(String path) throws Exception {
        Answer answer = client.open(grpc(path), false)
                .data(ALPHA, false)
                .trailers(new DefaultHttp2Headers(false)
                        .set("x-sandbox-principal", "forged")
                        .set("x-other", "too"))
                .answer();

        assertThat(answer.grpcStatus()).isZero();
        Arrival arrival = onlyArrival(live.gateway());
        assertThat(arrival.trailers()).isEmpty();
        assertThat(arrival.headers()).containsEntry("x-sandbox-principal", FakeExtAuthz.PRINCIPAL);
        assertThat(arrival.body()).isEqualTo(ALPHA);
    }

    @Test
    void aTokenOfAlmost64KibIsStillForExtAuthzToRefuse() throws Exception {
        String token = "x".repeat(60 << 10);

        client.call(grpc(ProbePolicy.SANDBOX).set("authorization", "Bearer " + token), ALPHA);

        assertThat(onlyCheck()
                        .getAttributes()
                        .getRequest()
                        .getHttp()
                        .getHeadersMap()
                        .get("authorization"))
                .hasSize("Bearer ".length() + token.length());
    }

    @Test
    void headersBeyondTheLimitEndTheConnectionAndNothingElse() throws Exception {
        Answer answer = client.call(grpc(ProbePolicy.SANDBOX).set("authorization", "x".repeat(100 << 10)), ALPHA);

        assertThat(answer.reset()).isPresent();
        live.assertNothingForwarded();
    }

    // --- paths, methods, content types, protocols

    @ParameterizedTest
    @CsvSource({
        "/probe.v1.Probe/Sandbox?x=1, INVALID_ARGUMENT",
        "/probe.v1.Probe/Sandbox?, INVALID_ARGUMENT",
        "/probe.v1.Probe/Sandbox#x, INVALID_ARGUMENT",
        "/probe.v1.Probe%2FSandbox, INVALID_ARGUMENT",
        "/probe.v1.Probe%5cSandbox, INVALID_ARGUMENT",
        "/probe.v1.Probe/%53andbox, UNIMPLEMENTED",
        "/probe.v1.Probe/%2553andbox, UNIMPLEMENTED",
        "//probe.v1.Probe/Sandbox, UNIMPLEMENTED",
        "/probe.v1.Probe//Sandbox, UNIMPLEMENTED",
        "/probe.v1.Probe/./Sandbox, UNIMPLEMENTED",
        "/probe.v1.Probe/x/../Sandbox, UNIMPLEMENTED",
        "/probe.v1.Probe/Sandbox/, UNIMPLEMENTED",
        "/probe.v1.Probe/Sandbox;x, UNIMPLEMENTED",
        "/probe.v1.Probe/sandbox, UNIMPLEMENTED",
        "/PROBE.v1.Probe/Sandbox, UNIMPLEMENTED",
        "/probe.v1.Probe/Unheard, UNIMPLEMENTED",
        "/probe.v1.Probe/IssuerStream, UNIMPLEMENTED",
        "/probe.v1.Probe/Operator, UNIMPLEMENTED",
        "/probe.v1.Probe/Undeclared, UNIMPLEMENTED",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo, UNIMPLEMENTED",
        "/, UNIMPLEMENTED",
    })
    void aPathThatIsNotExactlyAMethodsIsRefusedWithoutAskingAnybody(String path, Code expected) throws Exception {
        Answer answer = client.call(grpc(path), ALPHA);

        assertThat(answer.grpcStatus()).isEqualTo(expected.value());
        assertThat(answer.httpStatus()).isEqualTo(200);
        assertThat(live.extAuthz().asked()).isEmpty();
        live.assertNothingForwarded();
    }

    /** A stream for a closed method is answered at once, not when it ends. */
    @Test
    void aStreamThatIsClosedIsAnsweredWhileItIsOpen() throws Exception {
        Answer answer = client.open(grpc(ProbePolicy.ISSUER_STREAM), false).answer();

        assertThat(answer.grpcStatus()).isEqualTo(Code.UNIMPLEMENTED.value());
    }

    @ParameterizedTest
    @CsvSource({
        "application/grpc+json, 200",
        "application/grpc+proto+x, 200",
        "application/grpc-web, 415",
        "application/grpc-web+proto, 415",
        "application/grpc-web-text, 415",
        "application/json, 415",
        "application/grpc; charset=utf-8, 415",
        "APPLICATION/GRPC, 415",
        "text/plain, 415",
        "'', 415",
    })
    void anotherContentTypeIsRefusedWithoutAskingAnybody(String contentType, int http) throws Exception {
        Answer answer = client.call(grpc(ProbePolicy.SANDBOX).set("content-type", contentType), ALPHA);

        assertThat(answer.grpcStatus()).isEqualTo(Code.INVALID_ARGUMENT.value());
        assertThat(answer.httpStatus()).isEqualTo(http);
        assertThat(live.extAuthz().asked()).isEmpty();
        live.assertNothingForwarded();
    }

    @Test
    void aMissingOrDoubledContentTypeIsRefused() throws Exception {
        Http2Headers missing = grpc(ProbePolicy.SANDBOX);
        missing.remove("content-type");
        Http2Headers doubled = grpc(ProbePolicy.SANDBOX).add("content-type", "application/grpc");

        for (Http2Headers headers : List.of(missing, doubled)) {
            assertThat(client.call(headers, ALPHA).httpStatus()).isEqualTo(415);
        }
        live.assertNothingForwarded();
    }

    @Test
    void grpcWithTheSuffixProtoIsGrpc() throws Exception {
        Answer answer = client.call(grpc(ProbePolicy.SANDBOX).set("content-type", "application/grpc+proto"), ALPHA);

        assertThat(answer.grpcStatus()).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"GET", "PUT", "DELETE", "OPTIONS", "post"})
    void onlyPostIsACall(String method) throws Exception {
        Answer answer = client.call(grpc(ProbePolicy.SANDBOX).method(method), ALPHA);

        assertThat(answer.grpcStatus()).isEqualTo(Code.UNIMPLEMENTED.value());
        live.assertNothingForwarded();
    }

    @SuppressWarnings("ImmutableEnumChecker") // the changes hold nothing
    enum Odd {
        CONNECT(headers -> {
            headers.method("CONNECT");
            headers.remove(":path");
            headers.remove(":scheme");
        }),
        EXTENDED_CONNECT(headers -> headers.method("CONNECT").set(":protocol", "websocket")),
        CONNECT_WITH_PATH(headers -> headers.method("CONNECT")),
        TWO_PATHS(headers -> headers.add(":path", ProbePolicy.USER)),
        TWO_METHODS(headers -> headers.add(":method", "GET")),
        NO_PATH(headers -> headers.remove(":path")),
        ABSOLUTE_PATH(headers -> headers.path("http://sallyport.test" + ProbePolicy.SANDBOX)),
        ASTERISK(headers -> headers.path("*")),
        TRANSFER_ENCODING(headers -> headers.set("transfer-encoding", "chunked")),
        SHORT_CONTENT_LENGTH(headers -> headers.set("content-length", "1"));

        final Consumer<Http2Headers> change;

        Odd(Consumer<Http2Headers> change) {
            this.change = change;
        }
    }

    @ParameterizedTest
    @EnumSource(Odd.class)
    void whatIsNoCallAtAllGoesNowhere(Odd odd) throws Exception {
        Http2Headers headers = grpc(ProbePolicy.SANDBOX);
        odd.change.accept(headers);

        Answer answer = client.call(headers, ALPHA);

        assertThat(answer.grpcStatus()).isNotZero();
        assertThat(answer.httpStatus() >= 400
                        || answer.grpcStatus() > 0
                        || answer.reset().isPresent())
                .as("a refusal: %s", answer)
                .isTrue();
        if (odd == Odd.CONNECT) {
            // Somebody's tunnel is no outage of ours: whoever counts those, or tries again after one, is not to be told
            // so.
            assertThat(answer.httpStatus()).isEqualTo(404);
            assertThat(answer.grpcStatus())
                    .isEqualTo(Reason.METHOD_UNKNOWN.statusCode().value());
        }
        live.assertNothingForwarded();
    }

    enum Http1 {
        POST(ProbePolicy.SANDBOX, "Content-Type: application/grpc", "TE: trailers", "Content-Length: 0"),
        WEBSOCKET(
                ProbePolicy.SANDBOX,
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
        UPGRADE_TO_HTTP2(
                "/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        CONNECT("gateway:443"),
        PRI("*");

        final String request;

        Http1(String target, String... headers) {
            String method = name().equals("POST") || name().equals("CONNECT") || name().equals("PRI") ? name() : "GET";
            request = method + " " + target + " HTTP/1.1\r\nHost: sallyport.test\r\n"
                    + Stream.of(headers).map(header -> header + "\r\n").collect(Collectors.joining()) + "\r\n";
        }
    }

    @ParameterizedTest
    @EnumSource(Http1.class)
    void http1EndsWithTheConnection(Http1 http1) throws Exception {
        try (Socket socket =
                new Socket(InetAddress.getLoopbackAddress(), live.envoy().port())) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream().write(http1.request.getBytes(StandardCharsets.ISO_8859_1));
            byte[] answer = socket.getInputStream().readAllBytes();
            assertThat(new String(answer, StandardCharsets.ISO_8859_1)).doesNotContain("HTTP/1");
        }
        live.assertNothingForwarded();
    }

    // --- bodies

    @Test
    void aBodyExactlyAtTheLimitPassesWhole() throws Exception {
        byte[] body = frame(new byte[ProbePolicy.SANDBOX_BODY_LIMIT - 5]);

        assertThat(client.call(grpc(ProbePolicy.SANDBOX), body).grpcStatus()).isZero();

        assertThat(onlyCheck()
                        .getAttributes()
                        .getRequest()
                        .getHttp()
                        .getRawBody()
                        .size())
                .isEqualTo(body.length);
        assertThat(onlyArrival(live.gateway()).body()).isEqualTo(body);
    }

    @Test
    void aMethodWithALargerLimitTakesMoreThanTheFilterWould() throws Exception {
        byte[] body = frame(new byte[ProbePolicy.LARGE_BODY_LIMIT - 5]);

        assertThat(client.call(grpc(ProbePolicy.LARGE), body).grpcStatus()).isZero();

        AttributeContext.HttpRequest http =
                onlyCheck().getAttributes().getRequest().getHttp();
        assertThat(http.getRawBody().toByteArray()).isEqualTo(body);
        assertThat(http.getBody()).isEmpty();
        assertThat(onlyArrival(live.gateway()).body()).isEqualTo(body);
    }

    @Test
    void aBodyOverTheLimitIsRefusedWithoutAskingAnybody() throws Exception {
        int limit = ProbePolicy.SANDBOX_BODY_LIMIT;

        Answer answer = client.open(grpc(ProbePolicy.SANDBOX), false)
                .data(new byte[limit], false)
                .data(new byte[1], false)
                .answer();

        assertThat(answer.grpcStatus()).isEqualTo(Code.RESOURCE_EXHAUSTED.value());
        assertThat(answer.message()).isEqualTo("the request body is over the limit of its method");
        assertThat(live.extAuthz().asked()).isEmpty();
        live.assertNothingForwarded();
    }

    /** Envoy refuses it, or, when frames came together, shows ext-authz a beginning that is marked as one. */
    @ParameterizedTest
    @ValueSource(ints = {1, 1000, 100_000, 600_000})
    void aLargeBodyOverTheLimitNeverLooksWhole(int beyond) throws Exception {
        live.extAuthz().decide(FakeExtAuthz.deny(StatusCode.TooManyRequests, Code.RESOURCE_EXHAUSTED, "over"));

        Answer answer = client.call(grpc(ProbePolicy.LARGE), new byte[ProbePolicy.LARGE_BODY_LIMIT + beyond]);

        assertThat(answer.grpcStatus()).isEqualTo(Code.RESOURCE_EXHAUSTED.value());
        assertThat(live.extAuthz().asked())
                .allSatisfy(check -> assertThat(
                                check.getAttributes().getRequest().getHttp().getHeadersMap())
                        .containsEntry("x-envoy-auth-partial-body", "true"))
                .allSatisfy(check -> assertThat(
                                check.getAttributes().getRequest().getHttp().getSize())
                        .isGreaterThan(check.getAttributes()
                                .getRequest()
                                .getHttp()
                                .getRawBody()
                                .size()));
        live.assertNothingForwarded();
    }

    /**
     * What Envoy does not refuse: the frame that ends the stream may cross the limit. ext-authz gets the beginning of the
     * body, and can tell by both signs; were it to say OK, all of the body would go on. So it must not.
     */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 8 << 10})
    void aBodyThatCrossesTheLimitInItsLastFrameIsShownToExtAuthzAsPartial(int beyond) throws Exception {
        int limit = ProbePolicy.SANDBOX_BODY_LIMIT;
        live.extAuthz()
                .decide(FakeExtAuthz.deny(StatusCode.TooManyRequests, Code.RESOURCE_EXHAUSTED, "over the limit"));

        Answer answer = client.open(grpc(ProbePolicy.SANDBOX).set("x-envoy-auth-partial-body", "false"), false)
                .data(new byte[limit - 1], false)
                .data(new byte[beyond + 1], true)
                .answer();

        AttributeContext.HttpRequest http =
                onlyCheck().getAttributes().getRequest().getHttp();
        assertThat(http.getHeadersMap()).containsEntry("x-envoy-auth-partial-body", "true");
        assertThat(http.getRawBody().size()).isEqualTo(limit);
        assertThat(http.getSize()).isEqualTo(limit + beyond);
        assertThat(answer.grpcStatus()).isEqualTo(Code.RESOURCE_EXHAUSTED.value());
        live.assertNothingForwarded();
    }

    @Test
    void aSecondMessageIsPartOfTheBodyThatExtAuthzSees() throws Exception {
        byte[] two = Arrays.copyOf(ALPHA, 2 * ALPHA.length);
        System.arraycopy(ALPHA, 0, two, ALPHA.length, ALPHA.length);

        client.call(grpc(ProbePolicy.SANDBOX), two);

        assertThat(onlyCheck()
                        .getAttributes()
                        .getRequest()
                        .getHttp()
                        .getRawBody()
                        .toByteArray())
                .isEqualTo(two);
    }

    @Test
    void aCallWithoutABodyIsForExtAuthzToRefuse() throws Exception {
        live.extAuthz().decide(FakeExtAuthz.deny(StatusCode.BadRequest, Code.INVALID_ARGUMENT, "no message"));

        Answer answer = client.open(grpc(ProbePolicy.SANDBOX), true).answer();

        assertThat(answer.grpcStatus()).isEqualTo(Code.INVALID_ARGUMENT.value());
        assertThat(onlyCheck()
                        .getAttributes()
                        .getRequest()
                        .getHttp()
                        .getRawBody()
                        .isEmpty())
                .isTrue();
        live.assertNothingForwarded();
    }

    // --- time

    @Test
    void aBodyThatNeverEndsIsEndedAfterTheMethodsDuration() throws Exception {
        Answer answer =
                client.open(grpc(ProbePolicy.BRIEF), false).data(ALPHA, false).answer();

        assertThat(answer.grpcStatus()).isEqualTo(Code.DEADLINE_EXCEEDED.value());
        assertThat(live.extAuthz().asked()).isEmpty();
        live.assertNothingForwarded();
    }

    @Test
    void aGatewayThatNeverAnswersIsGivenUpAfterTheMethodsDuration() throws Exception {
        live.gateway().silent(true);

        Answer answer = client.call(grpc(ProbePolicy.BRIEF).set("grpc-timeout", "100S"), ALPHA);

        assertThat(answer.grpcStatus()).isEqualTo(Code.DEADLINE_EXCEEDED.value());
    }

    @Test
    void aClientsShorterDeadlineCounts() throws Exception {
        live.gateway().silent(true);

        Answer answer = client.call(grpc(ProbePolicy.SANDBOX).set("grpc-timeout", "100m"), ALPHA);

        assertThat(answer.grpcStatus()).isEqualTo(Code.DEADLINE_EXCEEDED.value());
    }

    /** What the gateway is told is what Envoy will wait, whatever the client wrote. */
    @ParameterizedTest
    @ValueSource(strings = {"100S", "99999999H", "5x", "-1S", ""})
    void aClientsLongerOrBrokenDeadlineDoesNot(String timeout) throws Exception {
        client.call(grpc(ProbePolicy.SANDBOX).set("grpc-timeout", timeout), ALPHA);

        assertThat(onlyArrival(live.gateway()).headers()).containsEntry("grpc-timeout", "20000m");
    }

    private CheckRequest onlyCheck() {
        assertThat(live.extAuthz().asked()).hasSize(1);
        return live.extAuthz().asked().getFirst();
    }

    private static Arrival onlyArrival(RecordingUpstream upstream) {
        assertThat(upstream.arrivals()).hasSize(1);
        return upstream.arrivals().getFirst();
    }
}
