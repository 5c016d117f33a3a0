package io.sallyport.extauthz;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;

/**
 * Counts the bad credentials of each downstream connection, so that nobody makes us verify without end.
 *
 * <p>Credentials that are known to be good are not held up: they are recognised before anybody asks here. A connection
 * without an address of its own (a Unix socket in front of Envoy) is not counted, since all callers would share the count.
 */
final class ConnectionFailures {
    private static final int MAX_CONNECTIONS = 50_000;

    private final int limit;
    private final Cache<String, AtomicInteger> counts;

    /**
     * @param limit bad credentials that a connection may show
     * @param period within this time of the first one
     */
    ConnectionFailures(int limit, Duration period, LongSupplier nanoTime) {
        this.limit = limit;
        this.counts = Caffeine.newBuilder()
                .maximumSize(MAX_CONNECTIONS)
                .expireAfterWrite(period)
                .ticker(nanoTime::getAsLong)
                .executor(Runnable::run)
                .build();
    }

    boolean tooMany(String connection) {
        AtomicInteger count = counts.getIfPresent(connection);
        return count != null && count.get() >= limit;
    }

    void count(String connection) {
        if (!connection.isEmpty()) {
            counts.get(connection, _ -> new AtomicInteger()).incrementAndGet();
        }
    }
}
