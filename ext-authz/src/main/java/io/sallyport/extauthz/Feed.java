package io.sallyport.extauthz;

import com.google.protobuf.Duration;
import io.grpc.Status;
import io.sallyport.api.feed.v1.WatchAck;
import io.sallyport.api.feed.v1.WatchRequest;
import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.api.feed.v1.WatchStart;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The connection to the issuer's feed: begun, listened to, acknowledged, and begun again elsewhere when it ends or falls
 * silent.
 *
 * <p>Issuers are tried in turn, at once while there are others left to try, and then after a while that doubles with every
 * round, each time shortened by chance so that many replicas do not come back at the same moment. The issuer says
 * something every second, so silence means that the connection is dead, whatever TCP thinks of it.
 */
final class Feed implements AutoCloseable {
    private static final Logger log = System.getLogger(Feed.class.getName());

    static final java.time.Duration SILENCE = java.time.Duration.ofSeconds(5);
    private static final long FIRST_PAUSE_MILLIS = 100;
    private static final long LONGEST_PAUSE_MILLIS = 2_000;
    private static final int ROUNDS_TO_LONGEST = 5;

    /** A stream that lived for so long says that its issuer works; one that ends after its first answer does not. */
    static final java.time.Duration STEADY = java.time.Duration.ofSeconds(2);

    /** One issuer replica. */
    interface Issuer {
        /** Begins a stream. What it hears, and its end, comes from other threads, or from this one before it returns. */
        Stream watch(Listener listener);

        /** Lets go of a connection that may be dead, so that the next stream gets a new one. */
        void reconnect();
    }

    /** Our half of a stream. Neither method throws. */
    interface Stream {
        void send(WatchRequest request);

        /** Says farewell: we believe nothing any more. */
        void leave();

        void cancel(String why);
    }

    /** What is heard on a stream. */
    interface Listener {
        void heard(WatchResponse message);

        /** Nothing more comes; {@link Status#OK} when the issuer ended it in good order. */
        void ended(Status status);
    }

    /** Runs something later. */
    @FunctionalInterface
    interface Timer {
        void after(java.time.Duration delay, Runnable task);
    }

    private final String replica;
    private final boolean endlessTokens;
    private final List<Issuer> issuers;
    private final FeedReader reader;
    private final Freshness freshness;
    private final IntConsumer complete;
    private final Timer timer;
    private final LongSupplier nanoTime;
    private final RandomGenerator random;

    private @Nullable Stream stream;
    /** Which stream is listened to: what others still say comes too late. */
    private long turn;

    private int current;
    private int failures;
    private long begunAt;
    private long heardAt;
    private boolean closed;
    private volatile boolean connected;

    /**
     * @param replica who we are, for as long as this process runs
     * @param endlessTokens whether tokens without an end are accepted
     * @param complete told after every complete answer which of the issuers gave it
     * @param nanoTime nanoseconds of a clock that never goes back
     */
    Feed(
            String replica,
            boolean endlessTokens,
            List<Issuer> issuers,
            FeedReader reader,
            Freshness freshness,
            IntConsumer complete,
            Timer timer,
            LongSupplier nanoTime,
            RandomGenerator random) {
        this.replica = replica;
        this.endlessTokens = endlessTokens;
        this.issuers = List.copyOf(issuers);
        this.reader = reader;
        this.freshness = freshness;
        this.complete = complete;
        this.timer = timer;
        this.nanoTime = nanoTime;
        this.random = random;
    }

    /** Begins to listen, and goes on until it is closed. */
    synchronized void start() {
        if (closed) {
            return;
        }
        long mine = ++turn;
        reader.begin();
        begunAt = nanoTime.getAsLong();
        heardAt = begunAt;
        Stream begun;
        try {
            begun = issuers.get(current).watch(new Listener() {
                @Override
                public void heard(WatchResponse message) {
                    take(mine, message);
                }

                @Override
                public void ended(Status status) {
                    end(mine, status);
                }
            });
        } catch (RuntimeException e) {
            log.log(Level.ERROR, "the issuer cannot be asked", e);
            end(mine, Status.INTERNAL);
            return;
        }
        if (mine != turn) {
            return; // it ended before it began
        }
        stream = begun;
        begun.send(WatchRequest.newBuilder().setStart(begin()).build());
        watch(mine, SILENCE);
    }

    /** Whether an issuer is being listened to that has given at least one complete answer. */
    boolean isConnected() {
        return connected;
    }

    /** Which of the issuers is listened to, or is about to be. */
    synchronized int current() {
        return current;
    }

    @Override
    public synchronized void close() {
        closed = true;
        connected = false;
        turn++;
        if (stream != null) {
            stream.leave();
            stream = null;
        }
    }

    private WatchStart begin() {
        WatchStart.Builder start = WatchStart.newBuilder()
                .setReplica(replica)
                .setCursor(reader.cursor())
                .setStamp(freshness.askAnew())
                .setEndlessTokens(endlessTokens);
        if (freshness.whenStale() == Freshness.WhenStale.DENY) {
            java.time.Duration staleness = freshness.maxStaleness();
            start.setMaxStaleness(
                    Duration.newBuilder().setSeconds(staleness.getSeconds()).setNanos(staleness.getNano()));
        }
        return start.build();
    }

    private void take(long from, WatchResponse message) {
        int issuer;
        synchronized (this) {
            issuer = current;
            Stream heard = stream;
            if (from != turn || heard == null) {
                return;
            }
            heardAt = nanoTime.getAsLong();
            boolean whole;
            try {
                whole = reader.take(message);
            } catch (FeedBrokenException e) {
                log.log(Level.ERROR, "the issuer''s feed is not understood: {0}", e.getMessage());
                heard.cancel("not understood");
                end(from, Status.INTERNAL.withDescription(e.getMessage()));
                return;
            }
            if (!whole) {
                return;
            }
            if (!connected) {
                connected = true;
                log.log(Level.INFO, "listening to the issuer");
            }
            heard.send(WatchRequest.newBuilder()
                    .setAck(WatchAck.newBuilder().setCursor(reader.cursor()).setStamp(freshness.ask()))
                    .build());
        }
        complete.accept(issuer);
    }

    private synchronized void end(long from, Status status) {
        if (from != turn) {
            return;
        }
        turn++;
        stream = null;
        if (connected && nanoTime.getAsLong() - begunAt >= STEADY.toNanos()) {
            failures = 0;
        }
        if (connected || (failures == 0 && status.getCode() == Status.Code.INVALID_ARGUMENT)) {
            log.log(Level.WARNING, "the issuer is not heard any more ({0}); trying again", describe(status));
        } else {
            log.log(Level.DEBUG, "the issuer is not reached ({0})", describe(status));
        }
        boolean inGoodOrder = status.isOk() && connected;
        connected = false;
        if (!inGoodOrder) {
            current = (current + 1) % issuers.size();
            failures++;
        }
        timer.after(pause(), this::start);
    }

    private java.time.Duration pause() {
        if (failures > 0 && failures < issuers.size()) {
            return java.time.Duration.ZERO;
        }
        int round = Math.min(failures / issuers.size(), ROUNDS_TO_LONGEST);
        long longest = Math.min(FIRST_PAUSE_MILLIS << round, LONGEST_PAUSE_MILLIS);
        return java.time.Duration.ofMillis(random.nextLong(longest / 2, longest + 1));
    }

    private void watch(long mine, java.time.Duration in) {
        timer.after(in, () -> {
            synchronized (this) {
                if (mine != turn) {
                    return;
                }
                long left = SILENCE.toNanos() - (nanoTime.getAsLong() - heardAt);
                if (left > 0) {
                    watch(mine, java.time.Duration.ofNanos(left));
                    return;
                }
                Stream silent = stream;
                issuers.get(current).reconnect();
                if (silent != null) {
                    silent.cancel("silent"); // which may be its end already
                }
                end(mine, Status.DEADLINE_EXCEEDED.withDescription("silent for " + SILENCE.toSeconds() + " s"));
            }
        });
    }

    private static String describe(Status status) {
        return status.getDescription() == null
                ? status.getCode().toString()
                : status.getCode() + ": " + status.getDescription();
    }
}
