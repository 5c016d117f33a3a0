package io.sallyport.bench;

import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Sends bad requests at a fixed rate, whatever becomes of them. Each goes once. Connections are given up before anybody counts
 * their failures.
 */
final class Flood implements AutoCloseable {
    static final int PER_SECOND = 500;
    private static final int PER_CONNECTION = 50;
    private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(1) / PER_SECOND;

    private final EventLoopGroup loops = GrpcServers.eventLoops("flood", 1);
    private final Endpoint endpoint;
    private final String method;
    private final List<Load.Request> requests;
    private final Thread thread = new Thread(this::send, "flood");
    private final AtomicInteger unanswered = new AtomicInteger();
    private final AtomicReference<@Nullable Status> wrong = new AtomicReference<>();
    private volatile boolean ended;
    private int sent;

    Flood(Endpoint endpoint, String method, List<Load.Request> requests) {
        this.endpoint = endpoint;
        this.method = method;
        this.requests = requests;
    }

    void start() {
        thread.start();
    }

    /** How many were sent; all of them were refused. */
    int stop() throws InterruptedException {
        ended = true;
        thread.join();
        while (unanswered.get() > 0) {
            Thread.sleep(10);
        }
        Status status = wrong.get();
        if (status != null) {
            throw new Load.WrongAnswerException("a bad token was answered with " + status);
        }
        return sent;
    }

    private void send() {
        ManagedChannel channel = connect();
        long begin = System.nanoTime();
        for (Load.Request request : requests) {
            if (ended) {
                break;
            }
            if (sent > 0 && sent % PER_CONNECTION == 0) {
                channel.shutdown();
                channel = connect();
            }
            unanswered.incrementAndGet();
            Load.call(channel, method, request, status -> {
                if (status.getCode() != Status.Code.UNAUTHENTICATED) {
                    wrong.compareAndSet(null, status);
                }
                unanswered.decrementAndGet();
            });
            sent++;
            LockSupport.parkNanos(begin + sent * PAUSE_NANOS - System.nanoTime());
        }
        channel.shutdown();
    }

    private ManagedChannel connect() {
        return GrpcChannels.connectTo(endpoint, loops).directExecutor().build();
    }

    @Override
    public void close() {
        ended = true;
        var _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }
}
