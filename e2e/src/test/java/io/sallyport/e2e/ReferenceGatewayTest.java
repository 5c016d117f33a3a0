package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Status;
import io.sallyport.base.net.Endpoint;
import io.sallyport.e2e.gateway.GatewayMode;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.PlainSocket;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The gateway that every row is held against, without Envoy before it: that it sees what reaches it, and believes what its
 * mode says. Were it blind, "the gateway saw nothing" would prove nothing.
 */
@ParameterizedClass(name = "{0}")
@EnumSource(
        value = Setup.class,
        names = {"V0_0_TRUSTING", "V0_0_UNCHANGED"})
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class ReferenceGatewayTest {
    private final Arena arena;

    ReferenceGatewayTest(Setup setup, Arenas arenas) {
        this.arena = arenas.shared(setup);
    }

    private RawHttp2 connect() {
        return arena.connect(new Endpoint.Tcp("127.0.0.1", arena.stack().gatewayPort()));
    }

    private Outcome call(Headers headers) {
        try (RawHttp2 connection = connect()) {
            return connection
                    .open(headers, false)
                    .data(arena.configOf(arena.alpha().sandbox()), true)
                    .await();
        }
    }

    @Test
    void itSeesAStreamThatIsOnlyOpened() {
        long before = arena.stack().gateway().count();
        try (RawHttp2 connection = connect()) {
            connection.open(Headers.grpc("/x/Y"), false).cancel();
            assertSeen(before);
        }
    }

    @Test
    void itSeesWhatIsNoHttp2() throws Exception {
        long before = arena.stack().gateway().count();
        PlainSocket.exchange(arena.stack().gatewayPort(), "GET / HTTP/1.1\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
        assertSeen(before);
    }

    private void assertSeen(long before) {
        Eventually.holds("it has come", () -> arena.stack().gateway().count() > before);
        assertThatThrownBy(() -> arena.assertNothingSince(before))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("what the gateway saw of the attack");
    }

    @Test
    void itBelievesWhatItsModeSaysAndNothingElse() {
        Headers plain = Headers.grpc(Arena.GET_CONFIG);
        String named = "sandbox;id=\"alpha-id\";source=\"gateway-jwt\"";
        String ended = Long.toString(Instant.now().getEpochSecond() - 120);
        Stream<Headers> strangers = Stream.of(
                plain,
                Headers.grpc(Arena.GET_CONFIG)
                        .bearer(arena.forge()
                                .withStrangersKey()
                                .token("alpha-id")
                                .signed()),
                Headers.grpc(Arena.GET_CONFIG)
                        .bearer(arena.forge()
                                .token("alpha-id")
                                .claim("aud", "\"openshell-gateway:other\"")
                                .signed()),
                Headers.grpc(Arena.GET_CONFIG)
                        .bearer(arena.forge()
                                .token("alpha-id")
                                .claim("exp", ended)
                                .signed()));
        Headers bearer = Headers.grpc(Arena.GET_CONFIG).bearer(arena.alpha().token());
        Headers principal = Headers.grpc(Arena.GET_CONFIG).add("x-sandbox-principal", named);
        boolean trusting = arena.stack().options().mode() == GatewayMode.TRUSTING;

        assertThat(call(trusting ? principal : bearer).inWords()).isEqualTo("OK: ");
        Stream.concat(strangers, Stream.of(trusting ? bearer : principal))
                .forEach(headers ->
                        assertThat(call(headers).status().map(Status::getCode)).contains(Status.Code.UNAUTHENTICATED));
    }
}
