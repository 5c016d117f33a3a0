package io.sallyport.e2e.support;

import io.sallyport.base.Reason;
import io.sallyport.e2e.wire.Outcome;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** Conditions that come true by themselves, sooner or later; how soon is not what is tested. */
public final class Eventually {
    private static final Duration DEADLINE = Duration.ofSeconds(60);
    private static final Duration PAUSE = Duration.ofMillis(20);
    private static final Duration SHORT_PAUSE = Duration.ofMillis(2);

    private Eventually() {}

    /** Waits for a condition. */
    public static void holds(String what, BooleanSupplier condition) {
        holds(what, PAUSE, condition);
    }

    /** Waits for a condition that is cheap to look at and comes true at once, as a rule. */
    public static void soon(String what, BooleanSupplier condition) {
        holds(what, SHORT_PAUSE, condition);
    }

    private static void holds(String what, Duration pause, BooleanSupplier condition) {
        long end = System.nanoTime() + DEADLINE.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - end > 0) {
                throw new AssertionError("not within " + DEADLINE.toSeconds() + " s: " + what);
            }
            pause(pause);
        }
    }

    /** Waits until a call ends in these words. */
    public static void answers(String what, String words, Supplier<Outcome> call) {
        AtomicReference<String> last = new AtomicReference<>("");
        try {
            holds(what, () -> {
                String now = call.get().inWords();
                last.set(now);
                return now.equals(words);
            });
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + "; the last answer: " + last.get(), e);
        }
    }

    /** Waits until a call is refused for this reason. */
    public static void refuses(String what, Reason reason, Supplier<Outcome> call) {
        answers(what, reason.statusCode() + ": " + reason.text(), call);
    }

    /** Repeats what may fail in this way, until it does not. */
    public static <T> T succeeds(String what, Class<? extends RuntimeException> failure, Supplier<T> attempt) {
        long end = System.nanoTime() + DEADLINE.toNanos();
        while (true) {
            try {
                return attempt.get();
            } catch (RuntimeException e) {
                if (!failure.isInstance(e)) {
                    throw e;
                }
                if (System.nanoTime() - end > 0) {
                    throw new AssertionError("not within " + DEADLINE.toSeconds() + " s: " + what, e);
                }
            }
            pause(PAUSE);
        }
    }

    private static void pause(Duration pause) {
        try {
            Thread.sleep(pause);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }
}
