package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Only so many work at once, whatever becomes of them, and everybody gets a turn. */
class VirtualWorkersTest {
    @Test
    void onlySoManyWorkAtOnceAndEverybodyGetsATurn() throws Exception {
        AtomicInteger working = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        Semaphore started = new Semaphore(0);
        Semaphore mayEnd = new Semaphore(0);
        CountDownLatch done = new CountDownLatch(10);
        try (VirtualWorkers workers = new VirtualWorkers("test-", 3)) {
            for (int i = 0; i < 10; i++) {
                workers.execute(() -> {
                    assertThat(Thread.currentThread().isVirtual()).isTrue();
                    most.accumulateAndGet(working.incrementAndGet(), Math::max);
                    started.release();
                    mayEnd.acquireUninterruptibly();
                    working.decrementAndGet();
                    done.countDown();
                    throw new IllegalStateException("a turn is given back all the same");
                });
            }
            started.acquire(3);
            assertThat(started.tryAcquire()).as("a fourth at once").isFalse();
            mayEnd.release(10);
            done.await();
        }
        assertThat(most).hasValue(3);
    }

    @Test
    void closedItTakesNothing() {
        VirtualWorkers workers = new VirtualWorkers("test-", 1);
        workers.close();
        assertThatThrownBy(() -> workers.execute(() -> {})).isInstanceOf(RejectedExecutionException.class);
    }
}
