package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.sallyport.api.feed.v1.WatchRequest;
import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.api.feed.v1.WatchStart;
import io.sallyport.extauthz.Freshness.WhenStale;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The connection: issuers and time are the test's. */
class FeedTest {
    private static final Duration MAX = Duration.ofMinutes(5);

    private final TestTime time = new TestTime();
    private final Timers timers = new Timers();
    private boolean endlessTokens;
    private final List<Issuer> issuers = new ArrayList<>();
    private final List<Call> calls = new ArrayList<>();
    private final List<Integer> completed = new ArrayList<>();
    private final Revocations revocations = new Revocations();
    private final Freshness freshness = new Freshness(MAX, WhenStale.DENY, time, time);
    private final FeedReader reader =
            new FeedReader(revocations, new SandboxRecords(new FakeRecords(), time), freshness);

    @Test
    void speaksFirstAcknowledgesAndIsHeard() {
        Feed feed = start(1);
        WatchStart start = call(0).sent.getFirst().getStart();
        assertThat(start.getReplica()).isEqualTo("me");
        assertThat(start.getCursor()).isEmpty();
        assertThat(start.getMaxStaleness().getSeconds()).isEqualTo(300);
        assertThat(feed.isConnected()).isFalse();

        time.advance(Duration.ofSeconds(1));
        call(0).says(whole("s:1", start.getStamp()));
        assertThat(feed.isConnected()).isTrue();
        assertThat(completed).containsExactly(0);
        assertThat(freshness.staleness()).isEqualTo(Duration.ofSeconds(1));
        WatchRequest ack = call(0).sent.getLast();
        assertThat(ack.getAck().getCursor()).isEqualTo("s:1");
        assertThat(ack.getAck().getStamp()).isGreaterThan(start.getStamp());

        time.advance(Duration.ofSeconds(1));
        call(0).says(heartbeat("s:1", ack.getAck().getStamp()));
        assertThat(freshness.staleness()).isEqualTo(Duration.ofSeconds(1));
    }

    /** So much happens that each answer has left before our last word arrived: they echo the one before it. */
    @Test
    void aFloodOfEventsDoesNotMakeItStale() {
        start(1);
        call(0).saysWhole("s:1");
        long onItsWay = call(0).sent.getLast().getAck().getStamp();
        call(0).says(heartbeat("s:2", call(0).sent.getFirst().getStart().getStamp()));
        for (int i = 3; i < 1_000; i++) {
            time.advance(Duration.ofSeconds(1));
            long arrived = onItsWay;
            onItsWay = call(0).sent.getLast().getAck().getStamp();
            call(0).says(heartbeat("s:" + i, arrived));
            assertThat(freshness.staleness()).isLessThan(Duration.ofSeconds(5));
        }
    }

    /** To cancel a call may end it there and then, and turn us to the next issuer. */
    @Test
    void theOneThatFellSilentIsTheOneToReconnectTo() {
        start(2);
        call(0).endsWhenCancelled = true;
        timers.run(Feed.SILENCE);
        assertThat(issuers).extracting(issuer -> issuer.reconnects).containsExactly(1, 0);
        timers.run(Duration.ZERO);
        assertThat(calls).hasSize(2);
        assertThat(call(1).issuer).isEqualTo(1);
    }

    @Test
    void resumesWhereItWasOnTheNextIssuer() {
        start(3);
        call(0).saysWhole("s:7");
        call(0).ends(Status.UNAVAILABLE);
        timers.run(Duration.ZERO);
        assertThat(calls).as("at once: there are others").hasSize(2);
        assertThat(call(1).issuer).isEqualTo(1);
        assertThat(call(1).sent.getFirst().getStart().getCursor()).isEqualTo("s:7");
    }

    @Test
    void triesEveryOneAtOnceAndThenWaitsLongerAndLonger() {
        start(2);
        call(0).ends(Status.UNAVAILABLE);
        timers.run(Duration.ZERO);
        List<Integer> tried = new ArrayList<>();
        List<Duration> pauses = new ArrayList<>();
        for (int i = 1; i < 30; i++) {
            assertThat(calls).hasSize(i + 1);
            tried.add(call(i).issuer);
            call(i).ends(Status.UNAVAILABLE);
            pauses.add(timers.runNext());
        }
        assertThat(tried).startsWith(1, 0, 1, 0);
        assertThat(pauses.getFirst()).isBetween(Duration.ofMillis(100), Duration.ofMillis(200));
        assertThat(pauses.getLast()).isBetween(Duration.ofSeconds(1), Duration.ofSeconds(2));
        assertThat(pauses).allMatch(pause -> pause.compareTo(Duration.ofSeconds(2)) <= 0);
        assertThat(pauses.subList(12, 29)).as("not in step").doesNotHaveDuplicates();

        // Once heard, the next failure is the first again.
        call(30).saysWhole("s:1");
        time.advance(Feed.STEADY);
        call(30).ends(Status.UNAVAILABLE);
        assertThat(timers.runNext()).isZero();
    }

    /** Each lives for one answer: to go from one to the other without a pause would keep both from recovering. */
    @Test
    void issuersThatEndAfterOneAnswerAreNotHammered() {
        start(2);
        List<Duration> pauses = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            call(i).saysWhole("s:" + i);
            call(i).ends(Status.UNAVAILABLE);
            pauses.add(timers.runNext());
        }
        assertThat(pauses.getLast()).isBetween(Duration.ofSeconds(1), Duration.ofSeconds(2));
    }

    /** The issuer keeps revocations for ever where there are tokens without an end, and refuses us otherwise. */
    @Test
    void saysThatItAcceptsTokensWithoutAnEnd() {
        start(1);
        assertThat(call(0).sent.getFirst().getStart().getEndlessTokens()).isFalse();
        endlessTokens = true;
        start(1);
        assertThat(call(1).sent.getFirst().getStart().getEndlessTokens()).isTrue();
    }

    @Test
    void anEndInGoodOrderComesBackToTheSameIssuerSoon() {
        start(2);
        call(0).saysWhole("s:1");
        call(0).ends(Status.OK);
        assertThat(timers.runNext()).isBetween(Duration.ofMillis(50), Duration.ofMillis(100));
        assertThat(call(1).issuer).isZero();
    }

    @Test
    void silenceIsTheEnd() {
        start(2);
        call(0).saysWhole("s:1");
        timers.run(Duration.ofSeconds(4));
        call(0).says(heartbeat("s:1", call(0).sent.getLast().getAck().getStamp()));
        timers.run(Duration.ofSeconds(4));
        assertThat(call(0).cancelled).isFalse();
        timers.run(Duration.ofSeconds(1));
        assertThat(call(0).cancelled).isTrue();
        assertThat(issuers.getFirst().reconnects).isEqualTo(1);
        timers.run(Duration.ZERO);
        assertThat(call(1).issuer).isEqualTo(1);
    }

    @Test
    void whoNeverAnswersIsSilentToo() {
        start(2);
        timers.run(Feed.SILENCE);
        timers.run(Duration.ZERO);
        assertThat(call(0).cancelled).isTrue();
        assertThat(call(1).issuer).isEqualTo(1);
    }

    /** What an ended stream still says would tell of another time. */
    @Test
    void anOldStreamIsNotListenedTo() {
        Feed feed = start(1);
        call(0).saysWhole("s:1");
        call(0).ends(Status.UNAVAILABLE);
        timers.runNext();
        call(0).says(whole("x:9", 1));
        call(0).ends(Status.UNAVAILABLE);
        assertThat(reader.cursor()).isEqualTo("s:1");
        assertThat(calls).hasSize(2);
        call(1).saysWhole("s:2");
        assertThat(feed.isConnected()).isTrue();
        call(0).ends(Status.UNAVAILABLE);
        assertThat(feed.isConnected()).isTrue();
    }

    @Test
    void whatIsNotUnderstoodEndsTheStream() {
        Feed feed = start(2);
        call(0).says(heartbeat("s:1", 1));
        assertThat(call(0).cancelled).isTrue();
        assertThat(feed.isConnected()).isFalse();
        timers.run(Duration.ZERO);
        assertThat(call(1).issuer).isEqualTo(1);
        assertThat(freshness.admits()).isFalse();
    }

    @Test
    void anIssuerThatCannotEvenBeAskedIsTriedAgain() {
        Issuer broken = new Issuer(0);
        broken.broken = true;
        issuers.add(broken);
        start(1);
        assertThat(calls).isEmpty();
        broken.broken = false;
        timers.runNext();
        timers.runNext();
        assertThat(calls).isNotEmpty();
    }

    @Test
    void saysFarewellAndStaysAway() {
        Feed feed = start(1);
        call(0).saysWhole("s:1");
        feed.close();
        assertThat(call(0).left).isTrue();
        call(0).ends(Status.OK);
        timers.run(Duration.ofMinutes(1));
        assertThat(calls).hasSize(1);
        assertThat(feed.isConnected()).isFalse();
    }

    @Test
    void whoServesWhenStaleSaysThatItNeverStops() {
        Freshness serving = new Freshness(MAX, WhenStale.SERVE, time, time);
        issuers.add(new Issuer(0));
        new Feed("me", endlessTokens, List.copyOf(issuers), reader, serving, _ -> {}, timers, time, new Random(1))
                .start();
        assertThat(call(0).sent.getFirst().getStart().hasMaxStaleness()).isFalse();
    }

    private Feed start(int count) {
        while (issuers.size() < count) {
            issuers.add(new Issuer(issuers.size()));
        }
        Feed feed = new Feed(
                "me",
                endlessTokens,
                List.copyOf(issuers),
                reader,
                freshness,
                completed::add,
                timers,
                time,
                new Random(7));
        feed.start();
        return feed;
    }

    private Call call(int index) {
        return calls.get(index);
    }

    private static WatchResponse whole(String cursor, long stamp) {
        return heartbeat(cursor, stamp).toBuilder().setReset(true).build();
    }

    private static WatchResponse heartbeat(String cursor, long stamp) {
        return WatchResponse.newBuilder()
                .setComplete(true)
                .setCursor(cursor)
                .setStamp(stamp)
                .build();
    }

    private final class Issuer implements Feed.Issuer {
        private final int index;
        private int reconnects;
        private boolean broken;

        Issuer(int index) {
            this.index = index;
        }

        @Override
        public Feed.Stream watch(Feed.Listener listener) {
            if (broken) {
                throw new IllegalStateException("broken");
            }
            Call call = new Call(index, listener);
            calls.add(call);
            return call;
        }

        @Override
        public void reconnect() {
            reconnects++;
        }
    }

    private static final class Call implements Feed.Stream {
        private final int issuer;
        private final Feed.Listener listener;
        private final List<WatchRequest> sent = new ArrayList<>();
        private boolean left;
        private boolean cancelled;
        private boolean endsWhenCancelled;

        Call(int issuer, Feed.Listener listener) {
            this.issuer = issuer;
            this.listener = listener;
        }

        void says(WatchResponse message) {
            listener.heard(message);
        }

        void saysWhole(String cursor) {
            says(whole(cursor, sent.getFirst().getStart().getStamp()));
        }

        void ends(Status status) {
            listener.ended(status);
        }

        @Override
        public void send(WatchRequest request) {
            sent.add(request);
        }

        @Override
        public void leave() {
            left = true;
        }

        @Override
        public void cancel(String why) {
            cancelled = true;
            if (endsWhenCancelled) {
                ends(Status.CANCELLED);
            }
        }
    }

    /** Runs what is due as the time moves. */
    private final class Timers implements Feed.Timer {
        private record Task(long at, long number, Runnable run) {}

        private final PriorityQueue<Task> tasks = new PriorityQueue<>((one, other) ->
                one.at != other.at ? Long.compare(one.at, other.at) : Long.compare(one.number, other.number));
        private long number;

        @Override
        public void after(Duration delay, Runnable task) {
            number++;
            tasks.add(new Task(time.getAsLong() + delay.toNanos(), number, task));
        }

        void run(Duration by) {
            long end = time.getAsLong() + by.toNanos();
            while (!tasks.isEmpty() && tasks.peek().at <= end) {
                Task task = tasks.remove();
                time.advance(Duration.ofNanos(Math.max(task.at - time.getAsLong(), 0)));
                task.run.run();
            }
            time.advance(Duration.ofNanos(end - time.getAsLong()));
        }

        /** Moves on to the next task that begins a stream, and says how long that took. */
        Duration runNext() {
            long from = time.getAsLong();
            int before = calls.size();
            while (calls.size() == before && !tasks.isEmpty()) {
                run(Duration.ofNanos(Math.max(tasks.peek().at - time.getAsLong(), 0)));
            }
            return Duration.ofNanos(time.getAsLong() - from);
        }
    }
}
