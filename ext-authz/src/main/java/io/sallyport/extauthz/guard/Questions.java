package io.sallyport.extauthz.guard;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Questions about many things at once, so that no crowd of them floods whoever answers: one about each thing at a time, a
 * bounded number in all, the others in turn; and less and less often about a thing that gets no answer.
 *
 * @param <K> what a question is about
 */
final class Questions<K> {
    static final Duration SHORTEST_WAIT = Duration.ofMillis(250);
    static final Duration LONGEST_WAIT = Duration.ofSeconds(5);

    private final int most;
    private final LongSupplier nanoTime;
    private final Map<K, Question> asked = new HashMap<>();
    private final Queue<Question> waiting = new ArrayDeque<>();
    private int underWay;

    /** @param most questions under way at a time */
    Questions(int most, LongSupplier nanoTime) {
        this.most = most;
        this.nanoTime = nanoTime;
    }

    private final class Question {
        private final K about;
        private final Supplier<CompletableFuture<Boolean>> begin;
        private final int failures;
        private boolean settled;
        private long againAt;

        Question(K about, Supplier<CompletableFuture<Boolean>> begin, int failures) {
            this.about = about;
            this.begin = begin;
            this.failures = failures;
        }

        CompletableFuture<Boolean> begin() {
            try {
                return begin.get();
            } catch (RuntimeException e) {
                return CompletableFuture.completedFuture(false);
            }
        }
    }

    /**
     * Asks, unless that is under way or it is too early to ask again.
     *
     * @param begin begins the question; completed with whether there was an answer
     */
    void ask(K about, Supplier<CompletableFuture<Boolean>> begin) {
        synchronized (this) {
            Question last = asked.get(about);
            if (last != null && (!last.settled || nanoTime.getAsLong() - last.againAt < 0)) {
                return;
            }
            Question next = new Question(about, begin, last == null ? 0 : last.failures + 1);
            asked.put(about, next);
            waiting.add(next);
        }
        proceed();
    }

    /** Forgets what nobody wants to know any more. */
    synchronized void keepOnly(Set<K> wanted) {
        asked.values().removeIf(question -> question.settled && !wanted.contains(question.about));
    }

    private void proceed() {
        for (Question next = next(); next != null; next = next()) {
            Question question = next;
            CompletableFuture<Boolean> answer = question.begin();
            if (answer.isDone()) {
                // Here and not by a callback: a long row of answers that are there at once would nest as deep.
                settle(question, !answer.isCompletedExceptionally() && answer.join());
            } else {
                var _ = answer.whenComplete((answered, failure) -> {
                    settle(question, failure == null && answered);
                    proceed();
                });
            }
        }
    }

    private synchronized @Nullable Question next() {
        if (underWay == most || waiting.isEmpty()) {
            return null;
        }
        underWay++;
        return waiting.poll();
    }

    private synchronized void settle(Question question, boolean answered) {
        underWay--;
        question.settled = true;
        if (answered) {
            asked.remove(question.about, question);
        } else {
            long wait = SHORTEST_WAIT.toNanos() << Math.min(question.failures, 10);
            question.againAt = nanoTime.getAsLong() + Math.min(wait, LONGEST_WAIT.toNanos());
        }
    }
}
