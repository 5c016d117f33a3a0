package io.sallyport.issuer.service;

import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.sallyport.api.feed.v1.WatchAck;
import io.sallyport.api.feed.v1.WatchRequest;
import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.api.feed.v1.WatchStart;
import io.sallyport.base.Reason;
import io.sallyport.issuer.store.FeedDelta;
import io.sallyport.issuer.store.FeedEvent;
import io.sallyport.issuer.store.FeedPosition;
import io.sallyport.issuer.store.Revocation;
import io.sallyport.issuer.store.SandboxRecord;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.issuer.store.StoreBusyException;
import io.sallyport.issuer.store.StoreUnavailableException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * One who listens to the feed, and the place in it up to which they were told.
 *
 * <p>They are told as much as they take, and from the store each time: what they were not told yet is not kept for them.
 * A complete answer is only sent after the store was read, with the last number that had come before that; when the store
 * cannot be read, the stream ends, so that nobody is told that all is well.
 */
final class Watch {
    private static final Logger log = System.getLogger(Watch.class.getName());

    static final int PAGE = 500;
    /** After that, whoever is there shows a new assertion. */
    static final Duration LIFE = Duration.ofHours(1);

    private static final Duration QUIET = Duration.ofMillis(900);
    private static final Duration TIME_TO_SPEAK = Duration.ofSeconds(10);
    /** Whoever says nothing to complete answers for so long is not there any more, whatever TCP thinks of it. */
    static final Duration SILENCE = Duration.ofSeconds(30);

    /** So long a first answer waits for the lease; later it is given, and vouches for nothing. */
    private static final Duration TIME_TO_LEASE = Duration.ofSeconds(2);

    private static final Pattern REPLICA = Pattern.compile("[A-Za-z0-9._-]{1,128}");
    private static final Pattern CURSOR = Pattern.compile("([A-Za-z0-9-]{1,64}):(\\d{1,18})");

    private final SandboxStore store;
    private final Leases leases;
    private final boolean endless;
    private final ServerCallStreamObserver<WatchResponse> watcher;
    private final Executor readers;
    private final LongSupplier nanoTime;
    private final Consumer<Watch> gone;
    private final long begun;
    private final AtomicInteger wakes = new AtomicInteger();

    private volatile Leases.@Nullable Lease lease;
    private volatile boolean ended;
    private volatile Stamp stamp;

    /** A number of theirs, and when it came. */
    private record Stamp(long number, Leases.Moment at) {}

    // The place: used by one reader at a time.
    private @Nullable FeedPosition position;
    private boolean telling;
    private Optional<Revocation.Subject> toldUpTo = Optional.empty();
    private volatile long toldAt;
    /** When the first complete answer was given that nothing was said to yet; 0 when there is none. */
    private volatile long unansweredSince;

    private volatile long completeAt;

    /**
     * @param endless whether revocations are kept for ever
     * @param gone told at the end, once
     */
    Watch(
            SandboxStore store,
            Leases leases,
            boolean endless,
            ServerCallStreamObserver<WatchResponse> watcher,
            Executor readers,
            LongSupplier nanoTime,
            Consumer<Watch> gone) {
        this.store = store;
        this.leases = leases;
        this.endless = endless;
        this.watcher = watcher;
        this.readers = readers;
        this.nanoTime = nanoTime;
        this.gone = gone;
        this.begun = nanoTime.getAsLong();
        this.stamp = new Stamp(0, leases.now());
        this.toldAt = begun;
        watcher.setOnReadyHandler(this::wake);
        watcher.setOnCancelHandler(this::cancelled);
    }

    StreamObserver<WatchRequest> requests() {
        return new StreamObserver<>() {
            @Override
            public void onNext(WatchRequest request) {
                switch (request.getStepCase()) {
                    case START -> start(request.getStart());
                    case ACK -> acknowledge(request.getAck());
                    case STEP_NOT_SET -> end(wrong("a step that is not known here"));
                }
            }

            @Override
            public void onError(Throwable failure) {
                cancelled();
            }

            @Override
            public void onCompleted() {
                Leases.Lease theirs = lease;
                if (theirs != null) {
                    theirs.leave();
                }
                end(Status.OK);
            }
        };
    }

    private void start(WatchStart start) {
        if (lease != null) {
            end(wrong("a second start"));
        } else if (!REPLICA.matcher(start.getReplica()).matches()) {
            end(wrong("a replica is 1 to 128 of [A-Za-z0-9._-]"));
        } else if (start.getStamp() == 0) {
            end(wrong("a stamp of 0"));
        } else if (start.hasMaxStaleness()
                && start.getMaxStaleness().getSeconds() > SandboxStore.MAX_STALENESS.toSeconds()) {
            // The name of a deleted sandbox would be another's while this one still believes in the first.
            end(wrong("max-staleness may be " + SandboxStore.MAX_STALENESS.toSeconds() + " s at most"));
        } else if (start.getEndlessTokens() && !endless) {
            // What is taken back would be forgotten here while it is still good there.
            end(wrong("it accepts tokens without an end, and revocations are kept for a time only: set"
                    + " tokens.allow-no-expiry in the issuer's settings too"));
        } else {
            position = position(start.getCursor());
            stamp = new Stamp(start.getStamp(), leases.now());
            lease = leases.begin(start.getReplica(), staleness(start), Optional.ofNullable(position), this::wake);
            wake();
        }
    }

    /** Whoever never stops believing gives the guarantee up, and is waited for like the most patient of the others. */
    private static Duration staleness(WatchStart start) {
        return start.hasMaxStaleness()
                ? Duration.ofSeconds(
                        start.getMaxStaleness().getSeconds(),
                        start.getMaxStaleness().getNanos())
                : SandboxStore.MAX_STALENESS;
    }

    private void acknowledge(WatchAck ack) {
        Leases.Lease theirs = lease;
        if (theirs == null) {
            end(wrong("an acknowledgement before the start"));
        } else if (ack.getStamp() == 0) {
            end(wrong("a stamp of 0"));
        } else {
            // Told at the next answer: a number that is a second old says as much as one that is new.
            unansweredSince = 0;
            stamp = new Stamp(ack.getStamp(), leases.now());
            FeedPosition heard = position(ack.getCursor());
            if (heard != null) {
                theirs.acknowledges(heard);
            }
        }
    }

    /** The place that a cursor of ours names; null when it is none of ours, which is where a whole begins. */
    private static @Nullable FeedPosition position(String cursor) {
        var matcher = CURSOR.matcher(cursor);
        return matcher.matches() ? new FeedPosition(matcher.group(1), Long.parseLong(matcher.group(2))) : null;
    }

    private static String cursor(FeedPosition position) {
        return position.storeId() + ":" + position.seq();
    }

    /** Something may have happened: look, soon, on another thread. */
    void wake() {
        if (lease == null || ended || wakes.getAndIncrement() > 0) {
            return;
        }
        try {
            readers.execute(this::look);
        } catch (RejectedExecutionException e) {
            // The issuer stops; the end comes to everybody.
        }
    }

    /** A second has passed. */
    void beat() {
        Leases.Lease theirs = lease;
        long now = nanoTime.getAsLong();
        if (theirs == null) {
            if (now - begun > TIME_TO_SPEAK.toNanos()) {
                end(wrong("no start within " + TIME_TO_SPEAK.toSeconds() + " s"));
            }
        } else if (isSilent(now)) {
            end(Status.DEADLINE_EXCEEDED.withDescription("nothing was acknowledged for " + SILENCE.toSeconds() + " s"));
        } else {
            theirs.beat();
            wake();
        }
    }

    /** Before the whole is complete they have to take what they are told, and then to say so. */
    private boolean isSilent(long now) {
        long since = completeAt == 0 ? toldAt : unansweredSince;
        return since != 0 && now - since > SILENCE.toNanos();
    }

    private void look() {
        while (true) {
            int seen = wakes.get();
            try {
                tell();
            } catch (StoreBusyException e) {
                log.log(Level.DEBUG, "the feed waits: {0}", e.getMessage());
            } catch (StoreUnavailableException e) {
                log.log(Level.WARNING, "the feed ends: {0}", e.getMessage());
                end(Reason.STORE_UNAVAILABLE.status());
            } catch (RuntimeException e) {
                log.log(Level.ERROR, "the feed ends", e);
                end(Reason.INTERNAL.status());
            }
            if (wakes.compareAndSet(seen, 0)) {
                return;
            }
        }
    }

    private void tell() throws StoreUnavailableException {
        Leases.Lease theirs = lease;
        if (theirs == null || (!theirs.isWritten() && nanoTime.getAsLong() - begun < TIME_TO_LEASE.toNanos())) {
            return; // until it is written
        }
        while (!ended && watcher.isReady()) {
            // Before the store is read: what is read then is no older than when this number came.
            Stamp echo = stamp;
            FeedPosition from = position;
            if (from == null) {
                position = store.position();
                telling = true;
                completeAt = 0;
                toldUpTo = Optional.empty();
                send(WatchResponse.newBuilder().setReset(true));
            } else if (telling) {
                tellPage();
            } else {
                Optional<FeedDelta> delta = store.events(from, PAGE);
                if (delta.isEmpty()) {
                    position = null;
                } else if (tellChanges(delta.get(), echo, theirs)) {
                    return;
                }
            }
        }
    }

    /** All revocations, page by page; what is revoked meanwhile lies behind the place that was taken before. */
    private void tellPage() throws StoreUnavailableException {
        List<Revocation> page = store.revocations(toldUpTo, PAGE);
        if (!page.isEmpty()) {
            WatchResponse.Builder message = WatchResponse.newBuilder();
            page.forEach(revocation -> message.addRevocations(FeedMessages.revocation(revocation)));
            send(message);
            toldUpTo = Optional.of(page.getLast().subject());
        }
        telling = page.size() == PAGE;
    }

    /** Whether there is no more to tell for now. */
    private boolean tellChanges(FeedDelta delta, Stamp echo, Leases.Lease theirs) {
        boolean first = completeAt == 0;
        boolean quiet = nanoTime.getAsLong() - completeAt >= QUIET.toNanos();
        position = delta.upTo();
        if (delta.complete() && delta.events().isEmpty() && !first && !quiet) {
            return true;
        }
        WatchResponse.Builder message = WatchResponse.newBuilder();
        for (FeedEvent event : delta.events()) {
            switch (event) {
                case FeedEvent.SandboxChanged(long _, var record) -> {
                    if (record.state() == SandboxRecord.State.DELETED) {
                        theirs.tells(record.version());
                    }
                    message.addSandboxes(Messages.sandbox(record));
                }
                case FeedEvent.Revoked(long _, var revocation) ->
                    message.addRevocations(FeedMessages.revocation(revocation));
            }
        }
        if (delta.complete()) {
            // Without a lease to say so, nobody would wait for them before giving a name away: 0 vouches for nothing.
            message.setComplete(true)
                    .setCursor(cursor(delta.upTo()))
                    .setNow(Messages.timestamp(leases.now().wall()))
                    .setStamp(theirs.covers(echo.at()) ? echo.number() : 0);
            completeAt = Math.max(nanoTime.getAsLong(), 1);
            if (unansweredSince == 0) {
                unansweredSince = completeAt;
            }
        }
        send(message);
        if (delta.complete() && nanoTime.getAsLong() - begun > LIFE.toNanos()) {
            end(Status.OK);
        }
        return delta.complete();
    }

    private synchronized void send(WatchResponse.Builder message) {
        if (!ended) {
            toldAt = nanoTime.getAsLong();
            watcher.onNext(message.build());
        }
    }

    /** Ends the stream, once. */
    void end(Status status) {
        synchronized (this) {
            if (ended) {
                return;
            }
            ended = true;
            if (!watcher.isCancelled()) {
                if (status.isOk()) {
                    watcher.onCompleted();
                } else {
                    watcher.onError(status.asRuntimeException());
                }
            }
        }
        forget();
    }

    private void cancelled() {
        synchronized (this) {
            if (ended) {
                return;
            }
            ended = true;
        }
        forget();
    }

    private void forget() {
        Leases.Lease theirs = lease;
        if (theirs != null) {
            theirs.end();
        }
        gone.accept(this);
    }

    private static Status wrong(String what) {
        return Status.INVALID_ARGUMENT.withDescription("the feed cannot be watched like this: " + what);
    }
}
