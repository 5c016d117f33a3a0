package io.sallyport.issuer.mirror;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class WorkQueueTest {
    private final Semaphore seen = new Semaphore(0);

    private void await(int times) throws InterruptedException {
        assertThat(seen.tryAcquire(times, 20, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void aThingIsSeenToByOneAtATimeAndOnceMoreIfItWasAskedForMeanwhile() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        AtomicInteger underWay = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        try (WorkQueue<String> queue = new WorkQueue<>(4, (thing, tries) -> {
            most.accumulateAndGet(underWay.incrementAndGet(), Math::max);
            begun.countDown();
            try {
                go.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            underWay.decrementAndGet();
            seen.release();
            return Optional.empty();
        })) {
            queue.add("a");
            begun.await();
            for (int i = 0; i < 10; i++) {
                queue.add("a");
            }
            assertThat(queue.isIdle()).isFalse();
            go.countDown();
            await(2);
            queue.add("a");
            await(1);
            assertThat(most).hasValue(1);
            while (!queue.isIdle()) {
                Thread.onSpinWait();
            }
            assertThat(seen.availablePermits())
                    .as("three times, and not eleven")
                    .isZero();
        }
    }

    @Test
    void whatIsForLaterComesAgainOrAtOnceWhenSomebodyAsks() throws Exception {
        ConcurrentLinkedQueue<Integer> tries = new ConcurrentLinkedQueue<>();
        AtomicInteger left = new AtomicInteger(3);
        try (WorkQueue<String> queue = new WorkQueue<>(1, (thing, tried) -> {
            tries.add(tried);
            seen.release();
            return left.getAndDecrement() > 1 ? Optional.of(Duration.ofMillis(1)) : Optional.of(Duration.ofDays(1));
        })) {
            queue.add("a");
            await(3);
            queue.add("a");
            await(1);
            assertThat(List.copyOf(tries)).as("counted anew").containsExactly(0, 1, 2, 0);
        }
    }

    @Test
    void whoFailsIsSeenToAgainAndHoldsUpNobody() throws Exception {
        AtomicInteger failures = new AtomicInteger();
        try (WorkQueue<String> queue = new WorkQueue<>(1, (thing, tries) -> {
            seen.release();
            if (thing.equals("bad") && failures.getAndIncrement() == 0) {
                throw new IllegalStateException("once");
            }
            return Optional.empty();
        })) {
            queue.add("bad");
            queue.add("good");
            await(3);
        }
    }
}
