package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.GuardedStream;
import io.sallyport.e2e.support.GuardedStream.Method;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.snakeyaml.engine.v2.api.Dump;
import org.snakeyaml.engine.v2.api.DumpSettings;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/** An Envoy whose configuration was changed by hand: a stream that it does not announce as it should is refused. */
@ExtendWith(Arenas.Resolver.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class StreamMetadataTest {
    private static final String TYPES = "type.googleapis.com/envoy.extensions.filters.http.";
    private static final String EXT_AUTHZ = "envoy.filters.http.ext_authz";
    private static final String EXT_PROC = "envoy.filters.http.ext_proc";
    private static final String RBAC = "envoy.filters.http.rbac";

    private final Arena arena;
    private final Path file;
    private final String generated;

    StreamMetadataTest(Arenas arenas) throws IOException {
        this.arena = arenas.own(arenas.options(Setup.V0_0_TRUSTING));
        this.file = arena.stack().settingsFile(Part.ENVOY).resolveSibling("envoy.yaml");
        this.generated = Files.readString(file);
    }

    @AfterAll
    void stop() {
        arena.close();
    }

    /** What was changed. */
    @SuppressWarnings("ImmutableEnumChecker") // a lambda over nothing
    enum Change {
        EXT_AUTHZ_IS_OFF((manager, route) -> {
            route.put(EXT_AUTHZ, Map.of("@type", TYPES + "ext_authz.v3.ExtAuthzPerRoute", "disabled", true));
            route.put(RBAC, Map.of("@type", TYPES + "rbac.v3.RBACPerRoute"));
        }),
        NOTHING_IS_FORWARDED((manager, route) ->
                map(filter(manager, EXT_PROC), "typed_config").remove("metadata_options")),
        BODIES_ARE_NOT_SENT((manager, route) -> route.put(EXT_PROC, bodies("NONE"))),
        BODIES_ARE_SENT_BUFFERED((manager, route) -> route.put(EXT_PROC, bodies("BUFFERED_PARTIAL")));

        private final BiConsumer<Map<String, Object>, Map<String, Object>> how;

        Change(BiConsumer<Map<String, Object>, Map<String, Object>> how) {
            this.how = how;
        }

        private static Map<String, Object> bodies(String mode) {
            Map<String, Object> modes =
                    Map.of("request_body_mode", mode, "response_header_mode", "SKIP", "response_trailer_mode", "SEND");
            return Map.of(
                    "@type", TYPES + "ext_proc.v3.ExtProcPerRoute", "overrides", Map.of("processing_mode", modes));
        }
    }

    @ParameterizedTest
    @EnumSource(Change.class)
    void isRefused(Change change) throws IOException {
        Files.writeString(file, changed(change));
        arena.stack().start(Part.ENVOY);
        // Whatever a client writes, it is no metadata.
        Headers headers = Headers.grpc(Method.LOGS.path())
                .bearer(arena.alpha().token())
                .add("x-sandbox-principal", "sandbox;id=\"alpha-id\";source=\"gateway-jwt\"")
                .add("principal", "sandbox;id=\"alpha-id\";source=\"gateway-jwt\"")
                .add("sandbox-id", "alpha-id")
                .add(EXT_AUTHZ, "{\"sandbox_id\": \"alpha-id\"}");
        arena.audit().skip();
        try (RawHttp2 connection = arena.connect()) {
            GuardedStream stream =
                    GuardedStream.open(arena, connection, Method.LOGS, headers).send(Method.LOGS.hello("alpha-id"));
            assertThat(stream.await().inWords())
                    .isEqualTo(Reason.STREAM_UNGUARDED.statusCode() + ": " + Reason.STREAM_UNGUARDED.text());
            assertThat(stream.reached()).as("what the gateway saw").isEmpty();
        }
        assertThat(arena.audit().next(Reason.STREAM_UNGUARDED)).containsEntry("event", "refused");

        Files.writeString(file, generated);
        arena.stack().start(Part.ENVOY);
        Eventually.answers("a stream as generated", "OK: ", () -> {
            try (RawHttp2 connection = arena.connect()) {
                return GuardedStream.open(
                                arena, connection, Method.LOGS, arena.alpha().token())
                        .send(Method.LOGS.hello("alpha-id"))
                        .halfClose()
                        .await();
            }
        });
    }

    @SuppressWarnings("unchecked") // a mapping's keys are texts
    private String changed(Change change) {
        Map<String, Object> root =
                (Map<String, Object>) new Load(LoadSettings.builder().build()).loadFromString(generated);
        Map<String, Object> listener =
                list(map(root, "static_resources"), "listeners").getFirst();
        Map<String, Object> chain = list(listener, "filter_chains").getFirst();
        Map<String, Object> manager = map(list(chain, "filters").getFirst(), "typed_config");
        Map<String, Object> host =
                list(map(manager, "route_config"), "virtual_hosts").getFirst();
        Map<String, Object> route = list(host, "routes").stream()
                .filter(each -> Method.LOGS.path().equals(each.get("name")))
                .findFirst()
                .orElseThrow();
        change.how.accept(manager, map(route, "typed_per_filter_config"));
        return new Dump(DumpSettings.builder().build()).dumpToString(root);
    }

    private static Map<String, Object> filter(Map<String, Object> manager, String name) {
        return list(manager, "http_filters").stream()
                .filter(each -> name.equals(each.get("name")))
                .findFirst()
                .orElseThrow();
    }

    @SuppressWarnings("unchecked") // as Envoy's configuration is built
    private static Map<String, Object> map(Map<String, Object> from, String key) {
        return (Map<String, Object>) Objects.requireNonNull(from.get(key), key);
    }

    @SuppressWarnings("unchecked") // as Envoy's configuration is built
    private static List<Map<String, Object>> list(Map<String, Object> from, String key) {
        return (List<Map<String, Object>>) Objects.requireNonNull(from.get(key), key);
    }
}
