package io.sallyport.extauthz;

import io.grpc.ManagedChannel;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The channels to the issuer's replicas, and which of them answered last: the feed finds that out, and questions for
 * records go there first.
 */
final class Issuers implements AutoCloseable {
    private static final Duration FAREWELL = Duration.ofMillis(300);

    private final List<ManagedChannel> channels;
    private volatile int preferred;

    Issuers(List<ManagedChannel> channels) {
        if (channels.isEmpty()) {
            throw new IllegalArgumentException("there is no issuer");
        }
        this.channels = List.copyOf(channels);
    }

    int count() {
        return channels.size();
    }

    ManagedChannel channel(int index) {
        return channels.get(index % channels.size());
    }

    int preferred() {
        return preferred;
    }

    void prefer(int index) {
        preferred = index;
    }

    /** Ends what is under way, after a moment for the feed's farewell to be sent. */
    @Override
    public void close() {
        channels.forEach(ManagedChannel::shutdown);
        long end = System.nanoTime() + FAREWELL.toNanos();
        try {
            for (ManagedChannel channel : channels) {
                channel.awaitTermination(end - System.nanoTime(), TimeUnit.NANOSECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        channels.forEach(ManagedChannel::shutdownNow);
    }
}
