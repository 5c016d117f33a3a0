package io.sallyport.issuer.service;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.sallyport.api.feed.v1.WatchAck;
import io.sallyport.api.feed.v1.WatchRequest;
import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.api.feed.v1.WatchStart;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.JdbcStore;
import io.sallyport.issuer.store.Revocation;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.SandboxName;
import io.sallyport.issuer.store.SandboxRecord.Source;
import io.sallyport.issuer.store.SandboxStore;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** One stream, on a real store; time and the watcher's appetite are the test's. */
@Timeout(60)
class WatchTest {
    private static final Instant NOW = Instant.parse("2026-11-24T12:00:00Z");

    @TempDir
    Path directory;

    private SandboxStore store;
    private long nanos;
    private final List<Watch> gone = new ArrayList<>();
    private Leases leases;
    private final List<Runnable> waiting = new ArrayList<>();
    private boolean diskHangs;
    private boolean endlessKept;

    @BeforeEach
    void open() throws IOException {
        store = JdbcStore.sqlite(directory.resolve("issuer.db"));
        leases = new Leases(store, this::now, () -> nanos, task -> {
            if (diskHangs) {
                waiting.add(task);
            } else {
                task.run();
            }
        });
    }

    @AfterEach
    void close() {
        store.close();
    }

    @Test
    void beginsWithAllThatIsRevokedInPages() throws Exception {
        int many = 2 * Watch.PAGE + 1;
        for (int i = 0; i < many; i++) {
            revoke("jti-" + i);
        }
        Watcher watcher = watch("", 7);
        assertThat(watcher.told.getFirst().getReset()).isTrue();
        assertThat(watcher.told.stream().filter(WatchResponse::getReset)).hasSize(1);
        assertThat(watcher.revoked()).hasSize(many).doesNotHaveDuplicates();
        assertThat(watcher.told)
                .allMatch(message -> message.getRevocationsCount() <= Watch.PAGE)
                .allMatch(message -> message.getRevocationsList().stream()
                        .allMatch(revocation -> revocation.getReason().isEmpty() && revocation.hasUntil()));
        assertThat(watcher.told.stream().filter(WatchResponse::getComplete)).hasSize(1);
        WatchResponse last = watcher.told.getLast();
        assertThat(last.getComplete()).isTrue();
        assertThat(last.getStamp()).isEqualTo(7);
        assertThat(last.getCursor()).isEqualTo(cursor());
    }

    @Test
    void thenTellsWhatChanges() throws Exception {
        Watcher watcher = watch("", 1);
        watcher.told.clear();
        register("alpha");
        revoke("jti-1");
        watcher.watch.wake();
        var _ = store.delete(new SandboxId("alpha"), NOW);
        watcher.watch.wake();
        assertThat(watcher.revoked()).containsExactly("jti-1");
        assertThat(watcher.told.stream()
                        .flatMap(message -> message.getSandboxesList().stream())
                        .map(Sandbox::getState))
                .containsExactly(SandboxState.SANDBOX_STATE_ACTIVE, SandboxState.SANDBOX_STATE_DELETED);
        assertThat(watcher.told.stream()
                        .flatMap(message -> message.getSandboxesList().stream())
                        .map(Sandbox::getVersion))
                .isSorted()
                .doesNotHaveDuplicates();
        assertThat(watcher.told).hasSize(2).allMatch(message -> message.getComplete() && !message.getReset());
        assertThat(watcher.told.getLast().getCursor()).isEqualTo(cursor());
    }

    @Test
    void saysSomethingEverySecondAndNotOftener() throws Exception {
        Watcher watcher = watch("", 1);
        watcher.told.clear();
        watcher.watch.wake();
        watcher.watch.beat();
        assertThat(watcher.told).isEmpty();
        watcher.acknowledges(2);
        nanos += Duration.ofSeconds(1).toNanos();
        watcher.watch.beat();
        watcher.watch.beat();
        assertThat(watcher.told).hasSize(1);
        assertThat(watcher.told.getFirst().getComplete()).isTrue();
        assertThat(watcher.told.getFirst().getStamp()).isEqualTo(2);
    }

    /** An issuer that cannot read its store must not say that all is well. */
    @Test
    void withoutAStoreTheStreamEnds() throws Exception {
        Watcher watcher = watch("", 1);
        watcher.told.clear();
        store.close();
        nanos += Duration.ofSeconds(1).toNanos();
        watcher.watch.beat();
        assertThat(watcher.told).isEmpty();
        assertThat(watcher.end).isNotNull();
        assertThat(gone).containsExactly(watcher.watch);
    }

    @Test
    void resumesWhereAnotherStreamWas() throws Exception {
        revoke("jti-1");
        String cursor = watch("", 1).told.getLast().getCursor();
        revoke("jti-2");
        Watcher watcher = watch(cursor, 9);
        assertThat(watcher.told).hasSize(1);
        assertThat(watcher.told.getFirst().getReset()).isFalse();
        assertThat(watcher.revoked()).containsExactly("jti-2");
        assertThat(watcher.told.getFirst().getStamp()).isEqualTo(9);
        Watcher nothingNew = watch(watcher.told.getLast().getCursor(), 10);
        assertThat(nothingNew.told).hasSize(1);
        assertThat(nothingNew.told.getFirst().getComplete()).isTrue();
    }

    static Stream<String> strangeCursors() {
        return Stream.of("another-store:1", "x", ":", "a:b", "a:-1", "a:99999999999999999999", "§:1", "%s:999");
    }

    @ParameterizedTest
    @MethodSource("strangeCursors")
    void whereItCannotResumeItBeginsAnew(String cursor) throws Exception {
        revoke("jti-1");
        Watcher watcher = watch(cursor.formatted(store.position().storeId()), 1);
        assertThat(watcher.told.getFirst().getReset()).isTrue();
        assertThat(watcher.revoked()).containsExactly("jti-1");
        assertThat(watcher.told.getLast().getComplete()).isTrue();
        assertThat(watcher.end).isNull();
    }

    /** What was told so far is a half whole; the rest comes when there is room, and what was revoked meanwhile too. */
    @Test
    void whoTakesNothingIsToldNothingAndMissesNothing() throws Exception {
        for (int i = 0; i < Watch.PAGE + 1; i++) {
            revoke("jti-" + i);
        }
        Watcher watcher = new Watcher();
        watcher.room = 2; // the reset and one page
        watcher.starts("", 1);
        assertThat(watcher.told).hasSize(2);
        assertThat(watcher.told).noneMatch(WatchResponse::getComplete);
        revoke("a-late-one");
        nanos += Duration.ofSeconds(9).toNanos();
        watcher.watch.beat();
        assertThat(watcher.told).hasSize(2);
        watcher.room = Integer.MAX_VALUE;
        watcher.ready.run();
        assertThat(watcher.revoked()).contains("a-late-one").hasSize(Watch.PAGE + 2);
        assertThat(watcher.told.getLast().getComplete()).isTrue();
    }

    @Test
    void anOldStreamEndsInGoodOrder() throws Exception {
        Watcher watcher = watch("", 1);
        watcher.acknowledges(2);
        nanos += Watch.LIFE.toNanos() + 1;
        watcher.watch.beat();
        assertThat(watcher.end).isEqualTo(Status.OK);
        assertThat(watcher.told.getLast().getComplete()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nothing",
                "ack first",
                "two starts",
                "bad name",
                "no stamp",
                "no stamp in ack",
                "silence",
                "stale"
            })
    void whoDoesNotSpeakAsAgreedIsSentAway(String how) {
        Watcher watcher = new Watcher();
        WatchRequest start = WatchRequest.newBuilder()
                .setStart(WatchStart.newBuilder().setReplica("r").setStamp(1))
                .build();
        WatchRequest ack = WatchRequest.newBuilder()
                .setAck(WatchAck.newBuilder().setStamp(how.equals("no stamp in ack") ? 0 : 1))
                .build();
        List<WatchRequest> said = switch (how) {
            case "nothing" -> List.of(WatchRequest.getDefaultInstance());
            case "ack first" -> List.of(ack);
            case "two starts" -> List.of(start, start);
            case "bad name" ->
                List.of(start.toBuilder()
                        .setStart(start.getStart().toBuilder().setReplica("a b"))
                        .build());
            case "stale" ->
                List.of(start.toBuilder()
                        .setStart(start.getStart().toBuilder()
                                .setMaxStaleness(com.google.protobuf.Duration.newBuilder()
                                        .setSeconds(301)))
                        .build());
            case "no stamp" ->
                List.of(start.toBuilder()
                        .setStart(start.getStart().toBuilder().setStamp(0))
                        .build());
            case "no stamp in ack" -> List.of(start, ack);
            default -> List.of();
        };
        said.forEach(watcher.watch.requests()::onNext);
        if (said.isEmpty()) {
            watcher.watch.beat();
            assertThat(watcher.end).isNull();
            nanos += Duration.ofSeconds(11).toNanos();
            watcher.watch.beat();
        }
        assertThat(watcher.end).isNotNull().extracting(Status::getCode).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(gone).containsExactly(watcher.watch);
    }

    /**
     * It believes for five minutes from a number that came up to a minute after its lease was written; who registers may
     * have a clock that is almost a minute ahead.
     */
    @Test
    void aLeaseIsLongEnoughForClocksThatDisagree() throws Exception {
        register("alpha");
        Watcher cut = watch("", 1);
        assertThat(cut.told.getLast().getComplete()).isTrue();
        nanos += Duration.ofSeconds(59).toNanos();
        var _ = store.delete(new SandboxId("alpha"), now());

        nanos = Duration.ofMinutes(6).plusSeconds(58).toNanos();
        assertThat(nameIsFree("alpha")).isFalse();
        nanos = Duration.ofMinutes(7).plusSeconds(1).toNanos();
        assertThat(nameIsFree("alpha")).isTrue();
    }

    /** What is forgotten here in two days would be good there for ever. */
    @ParameterizedTest
    @CsvSource({"true, false, false", "true, true, true", "false, false, true", "false, true, true"})
    void whoAcceptsTokensWithoutAnEndIsToldOnlyByWhoForgetsNothing(boolean accepted, boolean kept, boolean told) {
        endlessKept = kept;
        Watcher watcher = new Watcher();
        watcher.watch
                .requests()
                .onNext(WatchRequest.newBuilder()
                        .setStart(WatchStart.newBuilder()
                                .setReplica("r")
                                .setStamp(1)
                                .setEndlessTokens(accepted))
                        .build());
        if (told) {
            assertThat(watcher.told.getLast().getComplete()).isTrue();
            assertThat(watcher.end).isNull();
        } else {
            assertThat(watcher.told).isEmpty();
            assertThat(watcher.end).isNotNull().satisfies(end -> {
                assertThat(end.getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
                assertThat(end.getDescription()).contains("tokens.allow-no-expiry");
            });
        }
    }

    @Test
    void everyCompleteAnswerTellsTheTime() throws Exception {
        Watcher watcher = watch("", 1);
        nanos += Duration.ofSeconds(5).toNanos();
        watcher.watch.beat();
        assertThat(watcher.told.stream()
                        .filter(WatchResponse::getComplete)
                        .map(message -> message.getNow().getSeconds()))
                .containsExactly(NOW.getEpochSecond(), NOW.getEpochSecond() + 5);
    }

    /** A connection that is half open takes what fits into buffers, and must not fill the list of watchers. */
    @Test
    void whoNeverAcknowledgesIsNotThere() throws Exception {
        Watcher dead = watch("", 1);
        Watcher alive = watch("", 1);
        for (int i = 0; i < 31; i++) {
            alive.acknowledges(2 + i);
            nanos += Duration.ofSeconds(1).toNanos();
            dead.watch.beat();
            alive.watch.beat();
        }
        assertThat(gone).containsExactly(dead.watch);
        assertThat(dead.end).extracting(Status::getCode).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        assertThat(alive.end).isNull();
    }

    @Test
    void aNameIsFreeOnceEverybodyHasHeardThatItsHolderIsGone() throws Exception {
        register("alpha");
        Watcher quick = watch("", 1, "quick");
        Watcher slow = watch("", 1, "slow");
        List<Watcher> both = List.of(quick, slow);
        both.forEach(Watcher::acknowledgesAll);
        pass(Duration.ofSeconds(5), both);
        var _ = store.delete(new SandboxId("alpha"), now());
        both.forEach(watcher -> watcher.watch.wake());
        quick.acknowledgesAll();
        pass(Duration.ofSeconds(10), both);
        assertThat(nameIsFree("alpha")).as("one still believes").isFalse();

        slow.acknowledgesAll();
        pass(Duration.ofSeconds(1), both);
        assertThat(nameIsFree("alpha")).as("requests are under way").isFalse();
        pass(Duration.ofSeconds(2), both);
        assertThat(nameIsFree("alpha")).isTrue();
    }

    @Test
    void whoFallsSilentHoldsNamesUntilItsLeaseEndsAndWhoSaysFarewellDoesNot() throws Exception {
        register("alpha");
        Watcher dead = watch("", 1, "dead");
        Watcher leaves = watch("", 1, "leaves");
        dead.cancelled.run();
        leaves.watch.requests().onCompleted();
        var _ = store.delete(new SandboxId("alpha"), now());
        pass(SandboxStore.MAX_STALENESS, List.of());
        assertThat(nameIsFree("alpha")).isFalse();
        pass(Duration.ofSeconds(61), List.of());
        assertThat(nameIsFree("alpha")).isTrue();

        Watcher after = watch("", 1, "after");
        register("beta");
        var _ = store.delete(new SandboxId("beta"), now());
        after.watch.requests().onCompleted();
        pass(Duration.ofSeconds(62), List.of()); // by now the lease of the dead one is over
        assertThat(nameIsFree("beta")).isTrue();
    }

    /** What is not written down vouches for nothing, and what is revoked is told all the same. */
    @Test
    void withoutALeaseNothingIsVouchedFor() throws Exception {
        Watcher watcher = watch("", 1);
        assertThat(watcher.told.getLast().getStamp()).isEqualTo(1);
        diskHangs = true;
        watcher.acknowledges(1);
        pass(Duration.ofSeconds(58), List.of(watcher));
        watcher.acknowledges(2);
        pass(Duration.ofSeconds(1), List.of(watcher));
        assertThat(watcher.told.getLast().getStamp()).isEqualTo(2);
        pass(Duration.ofSeconds(2), List.of(watcher));
        watcher.acknowledges(3);
        revoke("jti-1");
        watcher.watch.wake();
        assertThat(watcher.revoked()).containsExactly("jti-1");
        assertThat(watcher.told.getLast().getStamp()).isZero();
        assertThat(watcher.end).isNull();
        diskGoesOn();
        pass(Duration.ofSeconds(2), List.of(watcher));
        watcher.acknowledges(4);
        pass(Duration.ofSeconds(1), List.of(watcher));
        assertThat(watcher.told.getLast().getStamp()).isEqualTo(4);
    }

    @Test
    void theFirstAnswerWaitsForTheLease() {
        diskHangs = true;
        Watcher watcher = watch("", 1);
        assertThat(watcher.told).isEmpty();
        diskGoesOn();
        pass(Duration.ofSeconds(3), List.of(watcher));
        assertThat(watcher.told.getLast().getComplete()).isTrue();
    }

    @Test
    void whoLeavesIsForgotten() throws Exception {
        Watcher watcher = watch("", 1);
        watcher.watch.requests().onCompleted();
        assertThat(watcher.end).isEqualTo(Status.OK);
        Watcher cut = watch("", 1);
        cut.cancelled.run();
        cut.cancelled.run();
        assertThat(gone).containsExactly(watcher.watch, cut.watch);
        cut.told.clear();
        revoke("jti-1");
        cut.watch.wake();
        assertThat(cut.told).isEmpty();
    }

    private Watcher watch(String cursor, long stamp) {
        Watcher watcher = new Watcher();
        watcher.starts(cursor, stamp);
        return watcher;
    }

    private Watcher watch(String cursor, long stamp, String replica) {
        Watcher watcher = new Watcher();
        watcher.replica = replica;
        watcher.starts(cursor, stamp);
        return watcher;
    }

    private void diskGoesOn() {
        diskHangs = false;
        waiting.forEach(Runnable::run);
    }

    private Instant now() {
        return NOW.plusNanos(nanos);
    }

    /** Second by second; the watchers say that they are there, and nothing new. */
    private void pass(Duration time, List<Watcher> watchers) {
        for (int i = 0; i < time.toSeconds(); i++) {
            nanos += Duration.ofSeconds(1).toNanos();
            watchers.forEach(watcher -> {
                watcher.watch.beat();
                watcher.repeats();
            });
        }
    }

    private boolean nameIsFree(String name) throws Exception {
        return store.register(new SandboxId(name + "-2"), new SandboxName("default", name), Source.REGISTRY, now())
                instanceof SandboxStore.Registration.Registered;
    }

    private String cursor() throws Exception {
        return store.position().storeId() + ":" + store.position().seq();
    }

    private void revoke(String jti) throws Exception {
        var _ = store.revoke(new Revocation(new Subject.Token(jti), "why", NOW, Optional.of(NOW.plusSeconds(60))));
    }

    private void register(String id) throws Exception {
        var _ = store.register(new SandboxId(id), new SandboxName("default", id), Source.REGISTRY, NOW);
    }

    /** The other end. */
    private final class Watcher extends ServerCallStreamObserver<WatchResponse> {
        private final List<WatchResponse> told = new ArrayList<>();
        private @Nullable Status end;
        private String replica = "replica-1";
        private WatchAck last = WatchAck.getDefaultInstance();
        private int room = Integer.MAX_VALUE;
        private Runnable ready = () -> {};
        private Runnable cancelled = () -> {};
        private final Watch watch = new Watch(store, leases, endlessKept, this, Runnable::run, () -> nanos, gone::add);

        void starts(String cursor, long stamp) {
            watch.requests()
                    .onNext(WatchRequest.newBuilder()
                            .setStart(WatchStart.newBuilder()
                                    .setReplica(replica)
                                    .setCursor(cursor)
                                    .setStamp(stamp))
                            .build());
        }

        void acknowledges(long stamp) {
            acknowledges(last.toBuilder().setStamp(stamp).build());
        }

        /** All that it was told. */
        void acknowledgesAll() {
            acknowledges(last.toBuilder()
                    .setStamp(last.getStamp() + 1)
                    .setCursor(told.getLast().getCursor())
                    .build());
        }

        void repeats() {
            if (last.getStamp() != 0) {
                acknowledges(last);
            }
        }

        private void acknowledges(WatchAck ack) {
            last = ack;
            watch.requests().onNext(WatchRequest.newBuilder().setAck(ack).build());
        }

        List<String> revoked() {
            return told.stream()
                    .flatMap(message -> message.getRevocationsList().stream())
                    .map(revocation -> revocation.getSubject().getTokenId())
                    .toList();
        }

        @Override
        public void onNext(WatchResponse message) {
            told.add(message);
            room--;
        }

        @Override
        public void onError(Throwable failure) {
            end = Status.fromThrowable(failure);
        }

        @Override
        public void onCompleted() {
            end = Status.OK;
        }

        @Override
        public boolean isReady() {
            return room > 0;
        }

        @Override
        public boolean isCancelled() {
            return false;
        }

        @Override
        public void setOnReadyHandler(Runnable handler) {
            ready = handler;
        }

        @Override
        public void setOnCancelHandler(Runnable handler) {
            cancelled = handler;
        }

        @Override
        public void setCompression(String compression) {}

        @Override
        public void setMessageCompression(boolean enable) {}

        @Override
        public void disableAutoInboundFlowControl() {}

        @Override
        public void request(int count) {}
    }
}
