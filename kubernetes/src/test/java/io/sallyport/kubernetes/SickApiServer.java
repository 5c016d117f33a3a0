package io.sallyport.kubernetes;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Stands before a real API server, passes on what it says of Sandboxes, and lies when told to. */
public final class SickApiServer implements AutoCloseable {
    /** What is said of a Sandbox that is asked for by its name. */
    public enum Gets {
        TRUE,
        ERROR_500,
        /** A 404, of something that is no API server. */
        NO_PAGE,
        /** A 404 about the namespace. */
        NO_NAMESPACE,
        /** A Sandbox, and not this one. */
        ANOTHER_NAME,
        /** A Sandbox of this name, in another namespace. */
        ANOTHER_NAMESPACE,
        /** Something of this name, and no Sandbox. */
        ANOTHER_KIND
    }

    private final ApiServer server;
    private final HttpServer front;
    private final HttpClient client;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final Set<InputStream> watches = ConcurrentHashMap.newKeySet();
    private final AtomicInteger gone = new AtomicInteger();
    private volatile boolean emptyLists;
    private volatile Gets gets = Gets.TRUE;

    private SickApiServer(ApiServer server) throws IOException, GeneralSecurityException {
        this.server = server;
        client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .sslContext(trusting(server.certificate()))
                .executor(threads)
                .build();
        front = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        front.setExecutor(threads);
        front.createContext("/", this::answer);
        front.start();
    }

    public static SickApiServer before(ApiServer server) throws IOException, GeneralSecurityException {
        return new SickApiServer(server);
    }

    /** A kubeconfig that leads here. */
    public Path kubeconfig(Path directory) throws IOException {
        return Files.writeString(Files.createTempFile(directory, "sick-", ".yaml"), """
                apiVersion: v1
                kind: Config
                clusters: [{name: t, cluster: {server: "http://127.0.0.1:%d"}}]
                users: [{name: t, user: {token: nobodys}}]
                contexts: [{name: t, context: {cluster: t, user: t}}]
                current-context: t
                """.formatted(
                        front.getAddress().getPort()));
    }

    public void emptyLists(boolean yes) {
        emptyLists = yes;
    }

    public void gets(Gets what) {
        gets = what;
    }

    /** Ends the watches there are, and answers the next ones that what they ask from is gone (410). */
    public void endWatches(int thenGone) {
        gone.set(thenGone);
        watches.forEach(SickApiServer::end);
    }

    /** How many more watches will be told so. */
    public int yetToTellGone() {
        return gone.get();
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            URI asked = exchange.getRequestURI();
            String query = Objects.requireNonNullElse(asked.getQuery(), "");
            boolean list = asked.getPath().endsWith("/sandboxes");
            boolean watch = list && query.contains("watch=true");
            // Not who only tries whether it may watch.
            boolean stays = watch && !query.contains("timeoutSeconds=1&");
            if (stays && gone.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                say(exchange, 200, """
                        {"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired",\
                        "message":"too old resource version","code":410}}
                        """);
            } else if (list && !watch && emptyLists) {
                say(exchange, 200, """
                        {"apiVersion":"agents.x-k8s.io/v1beta1","kind":"SandboxList","metadata":{"resourceVersion":"1"},"items":[]}
                        """);
            } else if (!list && gets != Gets.TRUE) {
                lie(exchange, asked.getPath().split("/"));
            } else {
                pass(exchange, asked, watch);
            }
        }
    }

    /** @param path {@code /apis/GROUP/VERSION/namespaces/NAMESPACE/sandboxes/NAME} */
    private void lie(HttpExchange exchange, String[] path) throws IOException {
        switch (gets) {
            case TRUE -> throw new IllegalStateException("that is no lie");
            case ERROR_500 -> say(exchange, 500, "{\"kind\":\"Status\",\"code\":500}");
            case NO_PAGE -> say(exchange, 404, "404 page not found");
            case NO_NAMESPACE -> say(exchange, 404, """
                        {"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound",\
                        "details":{"name":"sandboxes","kind":"namespaces"},"code":404}""");
            case ANOTHER_NAME -> say(exchange, 200, object("Sandbox", path[5], "another"));
            case ANOTHER_NAMESPACE -> say(exchange, 200, object("Sandbox", "another", path[7]));
            case ANOTHER_KIND -> say(exchange, 200, object("Pod", path[5], path[7]));
        }
    }

    private static String object(String kind, String namespace, String name) {
        return """
                {"apiVersion":"agents.x-k8s.io/v1beta1","kind":"%s","metadata":{"namespace":"%s","name":"%s","uid":"another"}}
                """.formatted(kind, namespace, name);
    }

    private static void say(HttpExchange exchange, int code, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(code, body.length);
        exchange.getResponseBody().write(body);
    }

    private void pass(HttpExchange exchange, URI asked, boolean watch) throws IOException {
        HttpResponse<InputStream> answer;
        try {
            answer = client.send(
                    HttpRequest.newBuilder(URI.create(server.url() + asked))
                            .header("Authorization", "Bearer " + server.adminToken())
                            .build(),
                    HttpResponse.BodyHandlers.ofInputStream());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return;
        }
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(answer.statusCode(), 0);
        try (InputStream in = answer.body();
                OutputStream out = exchange.getResponseBody()) {
            if (watch) {
                watches.add(in);
            }
            byte[] buffer = new byte[16 * 1024];
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                out.write(buffer, 0, n);
                out.flush();
            }
        } finally {
            watches.remove(answer.body());
        }
    }

    private static void end(InputStream watch) {
        try {
            watch.close();
        } catch (IOException e) {
            // It is as good as closed.
        }
    }

    private static SSLContext trusting(Path certificates) throws IOException, GeneralSecurityException {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (InputStream in = Files.newInputStream(certificates)) {
            int number = 0;
            for (Certificate each : CertificateFactory.getInstance("X.509").generateCertificates(in)) {
                trusted.setCertificateEntry("c" + number++, each);
            }
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    @Override
    public void close() {
        front.stop(0);
        client.shutdownNow();
        threads.shutdownNow();
    }
}
