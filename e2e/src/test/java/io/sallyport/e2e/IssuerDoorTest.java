package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.base.net.Endpoint;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.JsonLines;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.TokenForge;
import io.sallyport.e2e.wire.Wire;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The issuer's own sockets, by somebody who got past Envoy: without the assertion of ext-authz nothing happens there.
 *
 * <p>No gateway is involved, so one setup is enough.
 */
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class IssuerDoorTest {
    private static final String REFRESH = Arena.OPEN_SHELL + "RefreshSandboxToken";
    private static final String GET_RECORD = "/sallyport.feed.v1.IdentityFeed/GetRecord";

    private final Arena arena;

    IssuerDoorTest(Arenas arenas) {
        this.arena = arenas.shared(Setup.V0_0_TRUSTING);
    }

    /** One wrong assertion, in {@code x-sandbox-principal-jwt}; null: the header is not there. */
    record Row(String name, Function<Arena, Headers> headers) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static Row assertion(String name, Function<Arena, String> value) {
        return new Row(name, arena -> new Headers().add("x-sandbox-principal-jwt", value.apply(arena)));
    }

    /** Right in every point but what the row changes: it speaks of the very token that alpha has. */
    private static TokenForge.Draft good(Arena arena) {
        long now = Instant.now().getEpochSecond();
        String payload = arena.alpha().token().split("\\.", -1)[1];
        Map<String, String> token =
                JsonLines.members(new String(Base64.getUrlDecoder().decode(payload), StandardCharsets.UTF_8));
        return TokenForge.withKeyOf(arena.stack().assertionKeys(), "local")
                .token(arena.alpha().id())
                .header("typ", "\"sallyport-assertion+jwt\"")
                .claim("iss", "\"sallyport-ext-authz:local\"")
                .claim("aud", "\"sallyport-token-issuer:local\"")
                .claim(
                        "token",
                        "{\"kid\":" + TokenForge.quote(arena.forge().keyId()) + ",\"iat\":" + token.get("iat")
                                + ",\"exp\":" + token.get("exp") + ",\"jti\":"
                                + TokenForge.quote(token.getOrDefault("jti", ""))
                                + ",\"lin\":" + TokenForge.quote(token.getOrDefault("lin", "")) + ",\"gen\":"
                                + token.get("gen")
                                + "}")
                .claim("mth", TokenForge.quote(REFRESH))
                .claim("exp", Long.toString(now + 10));
    }

    static Stream<Row> rows() {
        return Stream.of(
                new Row("none", arena -> new Headers()),
                assertion("empty", arena -> ""),
                assertion("a sandbox's token", arena -> arena.alpha().token()),
                new Row(
                        "a sandbox's token as bearer",
                        arena -> new Headers().bearer(arena.alpha().token())),
                assertion(
                        "an assertion's claims under the tokens' key",
                        arena -> arena.forge()
                                .token(arena.alpha().id())
                                .header("typ", "\"sallyport-assertion+jwt\"")
                                .claim("iss", "\"sallyport-ext-authz:local\"")
                                .claim("aud", "\"sallyport-token-issuer:local\"")
                                .claim("mth", TokenForge.quote(REFRESH))
                                .signed()),
                assertion(
                        "a token's type",
                        arena -> good(arena).header("typ", "\"JWT\"").signed()),
                assertion("no type", arena -> good(arena).withoutHeader("typ").signed()),
                assertion(
                        "for another method",
                        arena -> good(arena)
                                .claim("mth", TokenForge.quote(Arena.GET_CONFIG))
                                .signed()),
                assertion(
                        "for another audience",
                        arena -> good(arena)
                                .claim("aud", "\"sallyport-token-issuer:other\"")
                                .signed()),
                assertion(
                        "of another issuer",
                        arena -> good(arena)
                                .claim("iss", "\"openshell-gateway:local\"")
                                .signed()),
                assertion(
                        "over for minutes",
                        arena -> good(arena)
                                .claim("iat", Long.toString(Instant.now().getEpochSecond() - 600))
                                .claim("exp", Long.toString(Instant.now().getEpochSecond() - 590))
                                .signed()),
                assertion(
                        "good for an hour",
                        arena -> good(arena)
                                .claim("exp", Long.toString(Instant.now().getEpochSecond() + 3600))
                                .signed()),
                assertion(
                        "of ext-authz itself, on a sandbox's method",
                        arena -> good(arena)
                                .claim("sub", "\"sallyport:ext-authz\"")
                                .withoutClaim("sandbox_id")
                                .withoutClaim("token")
                                .signed()));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rows")
    void noRefreshWithoutTheAssertion(Row row) {
        Outcome outcome = call("issuer", REFRESH, row, Wire.message().framed());
        assertThat(outcome.inWords())
                .as("%s", outcome)
                .isEqualTo(Reason.ASSERTION.statusCode() + ": " + Reason.ASSERTION.text());
        assertThat(outcome.body()).isEmpty();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rows")
    void noRecordWithoutTheAssertion(Row row) {
        Outcome outcome = call(
                "feed", GET_RECORD, row, Wire.message().string(1, "alpha-id").framed());
        assertThat(outcome.inWords())
                .as("%s", outcome)
                .isEqualTo(Reason.ASSERTION.statusCode() + ": " + Reason.ASSERTION.text());
    }

    /** Without this one, the rows could be refused for what they have in common. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("goodRow")
    void theRightOnePasses(Row row) {
        assertThat(call("issuer", REFRESH, row, Wire.message().framed()).inWords())
                .isEqualTo("OK: ");
    }

    static Stream<Row> goodRow() {
        return Stream.of(assertion("right in every point", arena -> good(arena).signed()));
    }

    private Outcome call(String socket, String method, Row row, byte[] body) {
        try (RawHttp2 connection = arena.connect(new Endpoint.Unix(arena.stack().socket(socket)))) {
            return connection
                    .open(Headers.grpc(method).addAll(row.headers().apply(arena)), false)
                    .data(body, true)
                    .await();
        }
    }
}
