package io.sallyport.extauthz.guard;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.extauthz.TestTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

class QuestionsTest {
    private final TestTime time = new TestTime();
    private final Questions<String> questions = new Questions<>(2, time);
    private final List<String> begun = new ArrayList<>();

    private CompletableFuture<Boolean> ask(String about) {
        CompletableFuture<Boolean> answer = new CompletableFuture<>();
        ask(about, answer);
        return answer;
    }

    private void ask(String about, CompletableFuture<Boolean> answer) {
        questions.ask(about, () -> {
            begun.add(about);
            return answer;
        });
    }

    @Test
    void oneAboutEachThingSomeAtATimeTheOthersInTurn() {
        CompletableFuture<Boolean> first = ask("a");
        ask("a", new CompletableFuture<>());
        ask("b", new CompletableFuture<>());
        ask("c", new CompletableFuture<>());
        ask("d", new CompletableFuture<>());
        assertThat(begun).containsExactly("a", "b");
        first.complete(true);
        assertThat(begun).containsExactly("a", "b", "c");
        ask("a", new CompletableFuture<>());
        assertThat(begun).containsExactly("a", "b", "c");
    }

    @Test
    void lessOftenWithoutAnAnswer() {
        for (Duration wait : List.of(
                Duration.ZERO,
                Duration.ofMillis(250),
                Duration.ofMillis(500),
                Duration.ofSeconds(1),
                Duration.ofSeconds(2),
                Duration.ofSeconds(4),
                Duration.ofSeconds(5),
                Duration.ofSeconds(5))) {
            int before = begun.size();
            if (!wait.isZero()) {
                time.advance(wait.minusMillis(1));
                ask("a", CompletableFuture.completedFuture(false));
                assertThat(begun).hasSize(before);
                time.advance(Duration.ofMillis(1));
            }
            ask("a", CompletableFuture.completedFuture(false));
            assertThat(begun).hasSize(before + 1);
        }
        questions.keepOnly(Set.of("a"));
        ask("a", CompletableFuture.completedFuture(false));
        assertThat(begun).hasSize(8);
        questions.keepOnly(Set.of());
        ask("a", CompletableFuture.completedFuture(false));
        assertThat(begun).hasSize(9);
    }

    @Test
    void failuresOfAnyKindAreNoAnswer() {
        questions.ask("a", () -> {
            throw new IllegalStateException("broken");
        });
        ask("b", CompletableFuture.failedFuture(new IllegalStateException("broken")));
        ask("c").completeExceptionally(new IllegalStateException("broken"));
        ask("c", CompletableFuture.completedFuture(true));
        time.advance(Duration.ofSeconds(1));
        ask("a", CompletableFuture.completedFuture(true));
        ask("c", CompletableFuture.completedFuture(true));

        assertThat(begun).containsExactly("b", "c", "a", "c");
    }

    /** Ten thousand streams expire in the same second, and the answers are there at once. */
    @Test
    void aLongRowDoesNotNest() {
        CompletableFuture<Boolean> first = ask("first");
        CompletableFuture<Boolean> second = ask("second");
        for (int i = 0; i < 100_000; i++) {
            ask("thing-" + i, CompletableFuture.completedFuture(true));
        }
        first.complete(true);
        second.complete(true);

        assertThat(begun).hasSize(100_002);
    }
}
