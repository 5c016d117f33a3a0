package io.sallyport.extauthz;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.sallyport.base.net.Endpoint;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Serves {@code GET} of a few pages on loopback. */
final class MetricsServer implements AutoCloseable {
    private static final int BACKLOG = 16;

    private final HttpServer server;

    private MetricsServer(HttpServer server) {
        this.server = server;
    }

    /** A page, written anew each time it is asked for. */
    record Page(String contentType, Supplier<String> text) {}

    /**
     * @param pages by their paths
     * @throws IOException with the address, when it cannot be listened on
     */
    static MetricsServer start(Endpoint.Tcp listen, Map<String, Page> pages) throws IOException {
        HttpServer server;
        try {
            server = HttpServer.create(new InetSocketAddress(listen.host(), listen.port()), BACKLOG);
        } catch (IOException e) {
            throw new IOException("metrics: cannot listen on " + listen + " (" + e.getMessage() + ")", e);
        }
        server.createContext("/", exchange -> {
            try (exchange) {
                answer(exchange, pages.get(exchange.getRequestURI().getPath()));
            }
        });
        server.start();
        return new MetricsServer(server);
    }

    int port() {
        return server.getAddress().getPort();
    }

    @Override
    public void close() {
        server.stop(0);
    }

    private static void answer(HttpExchange exchange, @Nullable Page page) throws IOException {
        if (page == null) {
            exchange.sendResponseHeaders(404, -1);
        } else if (!exchange.getRequestMethod().equals("GET")) {
            exchange.getResponseHeaders().set("Allow", "GET");
            exchange.sendResponseHeaders(405, -1);
        } else {
            byte[] body = page.text().get().getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", page.contentType());
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
        }
    }
}
