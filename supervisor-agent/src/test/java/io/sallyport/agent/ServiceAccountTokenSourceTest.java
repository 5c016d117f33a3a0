package io.sallyport.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Metadata;
import io.grpc.Status;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ServiceAccountTokenSourceTest {
    private static final int CALLERS = 64;

    @TempDir
    Path temp;

    private Path file;
    private Instant now = Instant.parse("2026-01-01T00:00:00Z");
    private final List<String> exchanged = new ArrayList<>();
    private Status answer = Status.OK;
    private Metadata trailers = new Metadata();
    private ServiceAccountTokenSource source;

    @BeforeEach
    void prepare() throws Exception {
        file = Files.writeString(temp.resolve("token"), "account-1\n");
        source = new ServiceAccountTokenSource(file, this::exchange, () -> now);
    }

    private String exchange(String serviceAccount) {
        exchanged.add(serviceAccount);
        if (!answer.isOk()) {
            throw answer.asRuntimeException(trailers);
        }
        return "sandbox-" + exchanged.size();
    }

    private void pass(long seconds) {
        now = now.plusSeconds(seconds);
    }

    @Test
    void sixtyFourCallersMakeOneExchange() throws Exception {
        assertThat(together()).containsOnly("sandbox-1");
        assertThat(exchanged).containsExactly("account-1");
    }

    @Test
    void sixtyFourCallersAreRefusedByOneExchange() throws Exception {
        answer = Status.UNAUTHENTICATED;
        assertThat(together()).hasSize(CALLERS).allMatch(text -> text.contains("UNAUTHENTICATED"));
        assertThat(exchanged).hasSize(1);
    }

    private List<String> together() throws Exception {
        CountDownLatch start = new CountDownLatch(1);
        List<Future<String>> callers = new ArrayList<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < CALLERS; i++) {
                callers.add(threads.submit(() -> {
                    start.await();
                    try {
                        return source.token();
                    } catch (TokenUnavailableException e) {
                        return String.valueOf(e.getMessage());
                    }
                }));
            }
            start.countDown();
            List<String> got = new ArrayList<>();
            for (Future<String> caller : callers) {
                got.add(caller.get());
            }
            return got;
        }
    }

    @Test
    void theFileIsReadAtEachExchangeAndARefusalOfAnOlderTokenChangesNothing() throws Exception {
        String first = source.token();
        Files.writeString(file, "account-2");
        assertThat(source.token()).as("no exchange without need").isEqualTo(first);

        source.rejected(first);
        pass(1);
        String second = source.token();
        source.rejected(first);

        assertThat(source.token()).isEqualTo(second);
        assertThat(exchanged).containsExactly("account-1", "account-2");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " \n", "two words", "line\nx-admin: 1"})
    void whatIsNoTokenIsNeitherSentNorShown(String text) throws Exception {
        Files.writeString(file, text);
        assertThatThrownBy(source::token)
                .isInstanceOf(TokenUnavailableException.class)
                .hasMessageContainingAll(file.toString(), "projected ServiceAccount token")
                .message()
                .doesNotContain("two words", "x-admin");
        assertThat(exchanged).isEmpty();
    }

    @Test
    void aMissingOrOversizedFileIsSaidAndMended() throws Exception {
        Files.delete(file);
        assertThatThrownBy(source::token).hasMessageContaining("cannot be read");
        Files.writeString(file, "x".repeat(64 * 1024 + 1));
        assertThatThrownBy(source::token).hasMessageContaining("too big");
        assertThat(exchanged).isEmpty();

        Files.writeString(file, "account-2");
        assertThat(source.token()).isEqualTo("sandbox-1");
    }

    @Test
    void anIssuerThatIsAwayIsAskedLessOftenAndFoundAgain() throws Exception {
        answer = Status.UNAVAILABLE;
        for (long pause : new long[] {1, 2, 4, 8, 16, 30, 30}) {
            int before = exchanged.size();
            assertThatThrownBy(source::token).hasMessageContaining("UNAVAILABLE");
            pass(pause - 1);
            assertThatThrownBy(source::token).hasMessageContaining("UNAVAILABLE");
            assertThat(exchanged).hasSize(before + 1);
            pass(1);
        }
        answer = Status.OK;
        assertThat(source.token()).isEqualTo("sandbox-8");
    }

    @Test
    void theRetryHintIsHeeded() throws Exception {
        answer = Status.UNAVAILABLE;
        trailers.put(ServiceAccountTokenSource.PUSHBACK, "5000");
        assertThatThrownBy(source::token).hasMessageContaining("UNAVAILABLE");
        answer = Status.OK;
        pass(4);
        assertThatThrownBy(source::token).hasMessageContaining("UNAVAILABLE");
        pass(1);
        assertThat(source.token()).isEqualTo("sandbox-2");
    }

    @Test
    void anUnauthenticatedRefreshBeginsAnewAndAnyOtherFailureKeepsTheToken() throws Exception {
        String first = source.token();
        pass(600);
        assertThatThrownBy(() -> source.refresh(first, token -> {
                    throw Status.UNAVAILABLE.asRuntimeException();
                }))
                .hasMessageContaining("UNAVAILABLE");
        assertThat(source.token()).isEqualTo(first);

        String second = source.refresh(first, token -> token + "-next");
        assertThat(source.token()).isEqualTo(second).isEqualTo("sandbox-1-next");
        assertThat(source.refresh(first, token -> "never")).isEqualTo(second);

        assertThat(source.refresh(second, token -> {
                    throw Status.UNAUTHENTICATED.asRuntimeException();
                }))
                .isEqualTo("sandbox-2");
    }

    @Test
    void noTextShowsAToken() throws Exception {
        answer = Status.UNAUTHENTICATED.withDescription("bad: account-1");
        assertThatThrownBy(source::token).message().doesNotContain("account-1");
        answer = Status.OK;
        pass(1);
        assertThat(source + source.token()).isEqualTo(file + "sandbox-2");
    }
}
