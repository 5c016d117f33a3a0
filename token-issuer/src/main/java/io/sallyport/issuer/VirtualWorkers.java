package io.sallyport.issuer;

import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;

/** Virtual threads, of which only so many work at once; the others wait for their turn, in order. */
final class VirtualWorkers implements Executor, AutoCloseable {
    private final ExecutorService threads;
    private final Semaphore turns;

    VirtualWorkers(String name, int atOnce) {
        threads = Executors.newThreadPerTaskExecutor(
                Thread.ofVirtual().name(name, 0).factory());
        turns = new Semaphore(atOnce, true);
    }

    @Override
    public void execute(Runnable task) {
        threads.execute(() -> {
            turns.acquireUninterruptibly();
            try {
                task.run();
            } finally {
                turns.release();
            }
        });
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }
}
