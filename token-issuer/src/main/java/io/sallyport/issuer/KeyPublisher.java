package io.sallyport.issuer;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.sallyport.base.Derived;
import io.sallyport.base.net.Endpoint;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.PublicKeys;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The issuer's public side over HTTP: its keys (RFC 7517), where to find them (OpenID Connect Discovery 1.0, as far as it
 * means something without users), its health, and numbers about it. Only GET and HEAD, only these four paths.
 */
final class KeyPublisher implements AutoCloseable {
    static final String JWKS_PATH = "/.well-known/jwks.json";
    static final String DISCOVERY_PATH = "/.well-known/openid-configuration";
    static final String HEALTH_PATH = "/healthz";
    static final String METRICS_PATH = "/metrics";

    private static final int BACKLOG = 64;

    private final HttpServer server;
    private final ExecutorService handlers;
    private final Endpoint.Tcp endpoint;

    /**
     * How we are.
     *
     * @param writable whether the store can be written
     * @param troubles what is wrong and yet no reason to be taken out: a broken set of keys lies before every replica at
     *     once, and each goes on with its last good one
     * @param metrics further lines of the page of numbers
     */
    record Health(BooleanSupplier writable, Supplier<List<String>> troubles, Supplier<String> metrics) {}

    /** A text, and the tag by which it is known again. */
    private record Document(String body, String etag) {
        static Document of(String json) {
            try {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(json.getBytes(StandardCharsets.UTF_8));
                return new Document(json, '"' + HexFormat.of().formatHex(digest, 0, 16) + '"');
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("every JDK has SHA-256", e);
            }
        }
    }

    private KeyPublisher(HttpServer server, ExecutorService handlers, Endpoint.Tcp endpoint) {
        this.server = server;
        this.handlers = handlers;
        this.endpoint = endpoint;
    }

    /**
     * Starts to listen.
     *
     * @param keys what is published; the same object until it changes
     * @param maxAge how long others may keep it
     */
    static KeyPublisher start(
            Endpoint.Tcp listen, GatewayId gateway, Supplier<PublicKeys> keys, Duration maxAge, Health health)
            throws IOException {
        HttpServer server;
        try {
            server = HttpServer.create(new InetSocketAddress(listen.host(), listen.port()), BACKLOG);
        } catch (IOException e) {
            throw new IOException("cannot listen on " + listen + " (" + e.getMessage() + "); is the port taken?", e);
        }
        Endpoint.Tcp endpoint =
                new Endpoint.Tcp(listen.host(), server.getAddress().getPort());
        Document discovery = Document.of(discovery(gateway, "http://" + endpoint + JWKS_PATH));
        Map<String, Supplier<Document>> documents = Map.of(
                JWKS_PATH,
                new Derived<>(keys, snapshot -> Document.of(snapshot.toJwks())),
                DISCOVERY_PATH,
                () -> discovery);
        String cache = "public, max-age=" + maxAge.toSeconds() + ", must-revalidate";
        // Nothing here blocks on anything but the client.
        ExecutorService handlers = Executors.newVirtualThreadPerTaskExecutor();
        server.setExecutor(handlers);
        server.createContext("/", exchange -> {
            try (exchange) {
                answer(exchange, documents, cache, health);
            }
        });
        server.start();
        return new KeyPublisher(server, handlers, endpoint);
    }

    /** Where it listens; the port is the real one. */
    Endpoint.Tcp endpoint() {
        return endpoint;
    }

    @Override
    public void close() {
        server.stop(0);
        handlers.shutdownNow();
    }

    private static void answer(
            HttpExchange exchange, Map<String, Supplier<Document>> documents, String cache, Health health)
            throws IOException {
        Headers headers = exchange.getResponseHeaders();
        headers.set("X-Content-Type-Options", "nosniff");
        String path = exchange.getRequestURI().getPath();
        Supplier<Document> found = path == null ? null : documents.get(path);
        if (found == null && !HEALTH_PATH.equals(path) && !METRICS_PATH.equals(path)) {
            text(exchange, 404, "not here: " + String.join(", ", JWKS_PATH, DISCOVERY_PATH, HEALTH_PATH, METRICS_PATH));
        } else if (!List.of("GET", "HEAD").contains(exchange.getRequestMethod())) {
            headers.set("Allow", "GET, HEAD");
            text(exchange, 405, "GET and HEAD only");
        } else if (found == null) {
            headers.set("Cache-Control", "no-store");
            if (METRICS_PATH.equals(path)) {
                tellNumbers(exchange, health);
            } else {
                tellHealth(exchange, health);
            }
        } else {
            Document document = found.get();
            headers.set("Cache-Control", cache);
            headers.set("ETag", document.etag());
            if (matches(exchange.getRequestHeaders().get("If-None-Match"), document.etag())) {
                exchange.sendResponseHeaders(304, -1);
                return;
            }
            headers.set("Content-Type", "application/json");
            send(exchange, 200, document.body().getBytes(StandardCharsets.UTF_8));
        }
    }

    /** Prometheus text format 0.0.4. */
    private static void tellNumbers(HttpExchange exchange, Health health) throws IOException {
        String page = """
                # HELP sallyport_store_writable Whether the store can be written.
                # TYPE sallyport_store_writable gauge
                sallyport_store_writable %d
                """.formatted(health.writable().getAsBoolean() ? 1 : 0)
                + health.metrics().get();
        exchange.getResponseHeaders().set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
        send(exchange, 200, page.getBytes(StandardCharsets.UTF_8));
    }

    private static void tellHealth(HttpExchange exchange, Health health) throws IOException {
        List<String> troubles = health.troubles().get();
        if (!health.writable().getAsBoolean()) {
            text(exchange, 503, "the store cannot be written");
        } else if (troubles.isEmpty()) {
            text(exchange, 200, "ok");
        } else {
            text(exchange, 200, "degraded\n" + String.join("\n", troubles));
        }
    }

    /** If-None-Match (RFC 9110, section 13.1.2): a list of tags, weak ones compared like strong ones, or {@code *}. */
    private static boolean matches(@Nullable List<String> asked, String etag) {
        return asked != null
                && asked.stream()
                        .flatMap(line -> Arrays.stream(line.split(",")))
                        .map(String::strip)
                        .map(tag -> tag.startsWith("W/") ? tag.substring(2) : tag)
                        .anyMatch(tag -> tag.equals(etag) || tag.equals("*"));
    }

    private static void text(HttpExchange exchange, int status, String body) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "text/plain; charset=utf-8");
        send(exchange, status, (body + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private static void send(HttpExchange exchange, int status, byte[] body) throws IOException {
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", String.valueOf(body.length));
            exchange.sendResponseHeaders(status, -1);
            return;
        }
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
    }

    private static String discovery(GatewayId gateway, String jwksUri) {
        // A gateway id and an address have no character that JSON would escape.
        return """
                {"issuer":"%s","jwks_uri":"%s","id_token_signing_alg_values_supported":["EdDSA"],\
                "subject_types_supported":["public"],"response_types_supported":["id_token"]}
                """.formatted(gateway.tokenIssuer(), jwksUri);
    }
}
