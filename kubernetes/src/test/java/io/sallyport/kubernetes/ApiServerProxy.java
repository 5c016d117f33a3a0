package io.sallyport.kubernetes;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Stands before a real API server, without TLS: counts what ext-authz asks it, and can be slow, or answer in its place as a
 * sick one does.
 */
public final class ApiServerProxy implements AutoCloseable {
    /** What ext-authz asks. */
    public enum Question {
        KEYS("/openid/v1/jwks"),
        REVIEW("/tokenreviews"),
        POD("/pods/"),
        SANDBOX("/sandboxes/");

        private final String inPath;

        Question(String inPath) {
            this.inPath = inPath;
        }

        private static Question of(String path) {
            return Arrays.stream(values())
                    .filter(question -> path.contains(question.inPath))
                    .findFirst()
                    .orElseThrow(() -> new IllegalStateException("nobody should ask for " + path));
        }
    }

    /** An answer over HTTP. */
    public record Answer(int code, String body) {}

    /** The server behind, asked when it is called. */
    @FunctionalInterface
    public interface Real {
        Answer ask() throws IOException, InterruptedException;
    }

    /** How a question is answered. */
    @FunctionalInterface
    public interface Manner {
        Answer answer(Real real) throws IOException, InterruptedException;

        /** As the server behind does. */
        Manner HONEST = Real::ask;

        static Manner code(int code) {
            return _ -> new Answer(code, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"code\":" + code + "}");
        }

        static Manner late(Duration delay) {
            return real -> {
                Thread.sleep(delay);
                return real.ask();
            };
        }

        static Manner saying(UnaryOperator<String> change) {
            return real -> {
                Answer answer = real.ask();
                return new Answer(answer.code(), change.apply(answer.body()));
            };
        }
    }

    private final ApiServer server;
    private final HttpServer front;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final HttpClient client;
    private final ConcurrentMap<Question, Manner> manners = new ConcurrentHashMap<>();
    private final Map<Question, AtomicInteger> asked = new EnumMap<>(Question.class);

    private ApiServerProxy(ApiServer server) throws IOException {
        this.server = server;
        Arrays.stream(Question.values()).forEach(question -> asked.put(question, new AtomicInteger()));
        client = HttpClient.newBuilder()
                .sslContext(trusting(server))
                .version(HttpClient.Version.HTTP_1_1)
                .build();
        front = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        front.setExecutor(threads);
        front.createContext("/", this::serve);
        front.start();
    }

    public static ApiServerProxy before(ApiServer server) throws IOException {
        return new ApiServerProxy(server);
    }

    private static SSLContext trusting(ApiServer server) throws IOException {
        try (InputStream file = Files.newInputStream(server.certificate())) {
            KeyStore known = KeyStore.getInstance("PKCS12");
            known.load(null, null);
            List<Certificate> certificates =
                    new ArrayList<>(CertificateFactory.getInstance("X.509").generateCertificates(file));
            for (int i = 0; i < certificates.size(); i++) {
                known.setCertificateEntry("server-" + i, certificates.get(i));
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(known);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IOException(e);
        }
    }

    public String url() {
        return "http://127.0.0.1:" + front.getAddress().getPort();
    }

    /** From now on this question is answered so. */
    public void answer(Question question, Manner manner) {
        manners.put(question, manner);
    }

    /** Everything is answered as the server does. */
    public void recover() {
        manners.clear();
    }

    /** How often this was asked so far. */
    public int asked(Question question) {
        return count(question).get();
    }

    private AtomicInteger count(Question question) {
        return Objects.requireNonNull(asked.get(question));
    }

    private void serve(HttpExchange exchange) {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            Question question = Question.of(exchange.getRequestURI().getPath());
            count(question).incrementAndGet();
            Answer answer = manners.getOrDefault(question, Manner.HONEST).answer(() -> pass(exchange, body));
            byte[] bytes = answer.body().getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(answer.code(), bytes.length == 0 ? -1 : bytes.length);
            exchange.getResponseBody().write(bytes);
        } catch (IOException e) {
            // One of the two ends has gone: the other one notices.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private Answer pass(HttpExchange exchange, byte[] body) throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(server.url() + exchange.getRequestURI()))
                .method(exchange.getRequestMethod(), BodyPublishers.ofByteArray(body));
        for (String name : List.of("Authorization", "Content-Type", "Accept")) {
            exchange.getRequestHeaders().getOrDefault(name, List.of()).forEach(value -> request.header(name, value));
        }
        var answer = client.send(request.build(), BodyHandlers.ofString());
        return new Answer(answer.statusCode(), answer.body());
    }

    @Override
    public void close() {
        front.stop(0);
        threads.shutdownNow();
        client.shutdownNow();
    }
}
