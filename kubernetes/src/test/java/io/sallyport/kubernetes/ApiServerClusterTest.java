package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is an answer and what is none, from a server that says what a sick one would. */
class ApiServerClusterTest {
    private static final String NOT_FOUND =
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"NotFound\","
                    + "\"details\":{\"name\":\"a\",\"kind\":\"%s\"},\"code\":404}";

    @TempDir
    Path directory;

    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final CountDownLatch end = new CountDownLatch(1);
    private HttpServer server;
    private ApiServerCluster cluster;
    private volatile int code = 200;
    private volatile String body = "{}";
    private volatile boolean silent;

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/", exchange -> {
            try (exchange) {
                if (silent) {
                    end.await();
                }
                byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
                exchange.getResponseHeaders().set("Content-Type", "application/json");
                exchange.sendResponseHeaders(code, bytes.length);
                exchange.getResponseBody().write(bytes);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        server.start();
        cluster = connect(Duration.ofSeconds(30));
    }

    @AfterEach
    void stop() {
        end.countDown();
        cluster.close();
        server.stop(0);
        threads.close();
    }

    private ApiServerCluster connect(Duration timeout) throws IOException {
        Path kubeconfig = Files.createTempFile(directory, "kubeconfig", "");
        Files.writeString(kubeconfig, """
                apiVersion: v1
                kind: Config
                clusters: [{name: t, cluster: {server: "http://127.0.0.1:%d"}}]
                users: [{name: t, user: {token: nobodys}}]
                contexts: [{name: t, context: {cluster: t, user: t}}]
                current-context: t
                """.formatted(server.getAddress().getPort()));
        return ApiServerCluster.connect(
                new ClusterSettings(new ClusterAccess.Kubeconfig(kubeconfig), Namespaces.exactly("n"), timeout));
    }

    @ParameterizedTest
    @ValueSource(ints = {400, 401, 403, 409, 429, 500, 502, 503, 504})
    void anErrorIsNoAnswer(int error) {
        code = error;
        body = "{\"kind\":\"Status\",\"code\":" + error + "}";
        assertNoAnswer();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "null", "[]", "nonsense", "{}", "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}"})
    void whatIsNotTheObjectIsNoAnswer(String text) {
        body = text;
        assertNoAnswer();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            404 page not found
            {"kind":"Status","reason":"NotFound","details":{"name":"another","kind":"sandboxes"},"code":404}
            {"kind":"Status","reason":"NotFound","code":404}
            {"kind":"Status","reason":"NotFound","details":{"name":"a"},"code":404}
            {"kind":"Status","reason":"NotFound","details":{"name":"a","kind":"namespaces"},"code":404}
            {"kind":"Status","reason":"Gone","details":{"name":"a","kind":"sandboxes"},"code":404}
            """)
    void a404AboutSomethingElseIsNoAnswer(String text) {
        code = 404;
        body = text;
        assertNoAnswer();
    }

    private void assertNoAnswer() {
        assertThatThrownBy(() -> cluster.review("token", "us"))
                .isInstanceOf(ClusterUnavailableException.class)
                .hasMessageNotContaining("nobodys");
        assertThatThrownBy(() -> cluster.pod("n", "a")).isInstanceOf(ClusterUnavailableException.class);
        assertThatThrownBy(() -> cluster.sandbox(new ResourceName("n", "a")))
                .isInstanceOf(ClusterUnavailableException.class);
    }

    @Test
    void thatThereIsNoneOfThisNameIsAnAnswer() throws Exception {
        code = 404;
        body = NOT_FOUND.formatted("pods");
        assertThat(cluster.pod("n", "a")).isEmpty();
        body = NOT_FOUND.formatted("sandboxes");
        assertThat(cluster.sandbox(new ResourceName("n", "a"))).isEmpty();
    }

    @Test
    void silenceIsNoAnswerAndTheNextQuestionIsAnswered() throws Exception {
        try (ApiServerCluster impatient = connect(Duration.ofMillis(200))) {
            silent = true;
            assertThatThrownBy(() -> impatient.pod("n", "a")).isInstanceOf(ClusterUnavailableException.class);
        }
        silent = false;
        code = 404;
        body = NOT_FOUND.formatted("pods");
        assertThat(cluster.pod("n", "a")).isEmpty();
    }

    @Test
    void nobodyThereIsNoAnswer() {
        server.stop(0);
        assertThatThrownBy(() -> cluster.pod("n", "a")).isInstanceOf(ClusterUnavailableException.class);
    }
}
