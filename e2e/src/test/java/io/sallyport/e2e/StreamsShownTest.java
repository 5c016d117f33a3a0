package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.Ports;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.GuardedStream;
import io.sallyport.e2e.support.GuardedStream.Method;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.RawHttp2;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/** Which streams are open, of whom, since when, and why they ended; and that none is older than it may be. */
@ExtendWith(Arenas.Resolver.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class StreamsShownTest {
    private static final Duration MAX_AGE = Duration.ofSeconds(8);

    private final Arena arena;
    private final int port = Ports.choose(0);
    private final HttpClient http = HttpClient.newHttpClient();

    StreamsShownTest(Arenas arenas) {
        this.arena = arenas.own(arenas.options(Setup.V0_1_TRUSTING)
                .with(Part.EXT_AUTHZ, "metrics", "127.0.0.1:" + port)
                .with(Part.EXT_AUTHZ, "streams.max-age", MAX_AGE.toSeconds() + "s"));
    }

    @AfterAll
    void stop() {
        http.close();
        arena.close();
    }

    @Test
    void openStreamsAreShownUntilTheirAgeEndsThem() {
        Instant before = Instant.now();
        try (RawHttp2 connection = arena.connect()) {
            List<GuardedStream> streams = new ArrayList<>();
            for (Method method : Method.values()) {
                streams.add(GuardedStream.open(
                                arena, connection, method, arena.alpha().token())
                        .send(method.hello("alpha-id"))
                        .awaitReached());
            }
            String shown = get("/streams");
            assertThat(shown.lines())
                    .hasSize(streams.size())
                    .allSatisfy(line -> assertThat(line).contains("\"sandbox\":\"alpha-id\""));
            for (Method method : Method.values()) {
                boolean read = method != Method.RELAY;
                assertThat(shown.lines().filter(line -> line.contains(method.path())))
                        .singleElement()
                        .satisfies(line -> {
                            assertThat(Instant.parse(line.replaceAll(".*\"since\":\"([^\"]+)\".*", "$1")))
                                    .isBetween(before, Instant.now());
                            assertThat(line)
                                    .endsWith(
                                            read
                                                    ? "\"messages\":1,\"bytes\":" + method.hello("alpha-id").length
                                                            + "}"
                                                    : "\"messages\":0,\"bytes\":0}");
                        });
                assertThat(get("/metrics")).contains("sallyport_streams_open{method=\"" + method.path() + "\"} 1\n");
            }
            arena.audit().skip();

            for (GuardedStream stream : streams) {
                GuardedStream.assertError(stream.await());
                stream.awaitBrokenOff();
            }
            assertThat(streams.getFirst().await().inWords())
                    .isEqualTo(Reason.STREAM_TOO_OLD.statusCode() + ": " + Reason.STREAM_TOO_OLD.text());
            assertThat(Instant.now()).isAfter(before.plus(MAX_AGE));
        }
        assertThat(get("/streams")).isEmpty();
        assertThat(get("/metrics"))
                .doesNotContain("sallyport_streams_open{")
                .contains("sallyport_streams_ended_total{reason=\"" + Reason.STREAM_TOO_OLD.code() + "\"} 3\n");
        List<Map<String, String>> lines = arena.audit().next(Method.values().length);
        assertThat(lines)
                .hasSize(3)
                .allSatisfy(line -> assertThat(line)
                        .containsEntry("reason", Reason.STREAM_TOO_OLD.code())
                        .containsEntry("principal", "sandbox;id=\"alpha-id\";source=\"gateway-jwt\""));
        Eventually.answers("a call after that", "OK: ", () -> arena.ownConfig(arena.alpha()));
    }

    private String get(String path) {
        try {
            return http.send(
                            HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString())
                    .body();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }
}
