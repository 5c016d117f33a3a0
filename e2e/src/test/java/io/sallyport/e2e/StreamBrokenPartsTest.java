package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.gateway.Sighting.End;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.GuardedStream;
import io.sallyport.e2e.support.GuardedStream.Method;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Cuts;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.Wire;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Parts that go away in the middle of a stream: it ends with an error, and not one unchecked byte has passed. */
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.BREAKABLE)
class StreamBrokenPartsTest {
    private static final String OWN = "alpha-id";
    private static final String OTHER = "beta-id";

    private final Arena arena;
    private RawHttp2 connection;

    StreamBrokenPartsTest(Arenas arenas) {
        this.arena = arenas.breakable(Setup.V0_0_TRUSTING);
    }

    @BeforeEach
    void everythingWorks() {
        Eventually.answers("a good call", "OK: ", () -> arena.ownConfig(arena.alpha()));
        connection = arena.connect();
    }

    @AfterEach
    void everythingWorksAgain() {
        connection.close();
        arena.stack().resume(Part.EXT_AUTHZ);
        for (Part part : List.of(Part.GATEWAY, Part.EXT_AUTHZ, Part.ENVOY)) {
            if (!arena.stack().isRunning(part)) {
                arena.stack().start(part);
            }
        }
        arena.stack().gateway().know(arena.alpha().sandbox());
        arena.stack().gateway().know(arena.beta().sandbox());
        Eventually.answers("a good call after the parts are back", "OK: ", () -> arena.ownConfig(arena.alpha()));
        Eventually.answers("a stream after the parts are back", "OK: ", () -> {
            try (RawHttp2 other = arena.connect()) {
                return GuardedStream.open(
                                arena, other, Method.LOGS, arena.alpha().token())
                        .send(Method.LOGS.hello(OWN))
                        .halfClose()
                        .await();
            }
        });
    }

    /** What becomes of ext-authz while streams are open. */
    @SuppressWarnings("ImmutableEnumChecker") // a lambda over nothing
    enum Fate {
        KILLED(stack -> stack.kill(Part.EXT_AUTHZ)),
        /** A graceful stop: to Envoy an end in peace would mean that there are no more objections. */
        STOPPED(stack -> stack.stop(Part.EXT_AUTHZ)),
        FROZEN(stack -> stack.suspend(Part.EXT_AUTHZ));

        private final Consumer<SallyportStack> how;

        Fate(Consumer<SallyportStack> how) {
            this.how = how;
        }
    }

    @ParameterizedTest
    @EnumSource(Fate.class)
    void withoutItsGuardAStreamEndsAndNothingUncheckedPasses(Fate fate) {
        Map<Method, List<GuardedStream>> streams = new EnumMap<>(Method.class);
        for (Method method : Method.values()) {
            byte[] more = method.more(OWN);
            GuardedStream idle = open(method).send(method.hello(OWN)).awaitReached();
            GuardedStream early = open(method, "early").send(method.hello(OWN)).awaitReached();
            GuardedStream listening =
                    open(method, "silent").send(method.hello(OWN)).halfClose().awaitReached();
            GuardedStream inAMessage = open(method).send(method.hello(OWN)).awaitReached();
            // Of a tunnel nothing is read, and so its beginnings go through.
            if (method != Method.RELAY) {
                inAMessage.call().data(Arrays.copyOf(more, more.length / 2), false);
            }
            streams.put(method, List.of(idle, early, listening, inAMessage));
        }
        fate.how.accept(arena.stack());
        // What comes now has nobody to look at it.
        streams.forEach((method, all) -> {
            if (method != Method.RELAY) {
                byte[] other = method.hello(OTHER);
                all.get(0).call().data(other, false);
                all.get(1).call().data(Wire.join(method.more(OWN), other), true);
                all.get(3).call().data(other, false);
            }
        });
        streams.values()
                .forEach(all -> all.forEach(stream -> {
                    Outcome outcome = stream.await();
                    GuardedStream.assertError(outcome);
                    assertThat(outcome.status().map(Status::getCode).orElse(Status.Code.UNAVAILABLE))
                            .as("%s", outcome)
                            .isEqualTo(Status.Code.UNAVAILABLE);
                }));
        if (fate == Fate.FROZEN) {
            // What it answers when it wakes up comes too late.
            arena.stack().resume(Part.EXT_AUTHZ);
            Eventually.answers("a good call after it woke up", "OK: ", () -> arena.ownConfig(arena.alpha()));
        }
        streams.values()
                .forEach(all ->
                        all.forEach(stream -> assertThat(stream.awaitBrokenOff().data())
                                .as("what the gateway saw of %s", stream)
                                .isEqualTo(ByteString.copyFrom(stream.sent()))));
    }

    /** Streams in full flow, each with a switch on its way, and a guard that goes at whatever moment this is. */
    @ParameterizedTest
    @EnumSource(
            value = Fate.class,
            names = {"KILLED", "STOPPED"})
    void aGuardThatGoesInFullFlowLeavesNoDoorOpen(Fate fate) {
        for (int round = 0; round < 2; round++) {
            Random random = new Random(round);
            List<GuardedStream> streams = new ArrayList<>();
            List<List<byte[]>> pieces = new ArrayList<>();
            byte[] large =
                    GuardedStream.logs(OWN).string(1000, "x".repeat(20_000)).framed();
            byte[] good = Wire.join(
                    Method.LOGS.hello(OWN), large, Method.LOGS.more(OWN), large, large, Method.LOGS.more(OWN));
            byte[] bad =
                    GuardedStream.logs(OTHER).string(1000, "x".repeat(20_000)).framed();
            for (int i = 0; i < 24; i++) {
                streams.add(open(Method.LOGS));
                pieces.add(Cuts.random(random.nextLong(), 9_000).of(Wire.join(good, bad, large)));
            }
            Thread fateful = Thread.ofPlatform().start(() -> {
                LockSupport.parkNanos(random.nextInt(30_000_000));
                fate.how.accept(arena.stack());
            });
            for (int at = 0; pieces.stream().mapToInt(List::size).max().orElse(0) > at; at++) {
                for (int i = 0; i < streams.size(); i++) {
                    if (at < pieces.get(i).size()) {
                        streams.get(i).call().data(pieces.get(i).get(at), false);
                    }
                }
            }
            join(fateful);
            for (GuardedStream stream : streams) {
                GuardedStream.assertError(stream.await());
            }
            for (GuardedStream stream : streams) {
                // Some were never let in.
                if (stream.isSeen()) {
                    assertThat(ByteString.copyFrom(good)
                                    .startsWith(stream.awaitBrokenOff().data()))
                            .as("what the gateway saw is a beginning of what was good")
                            .isTrue();
                }
            }
            arena.stack().start(Part.EXT_AUTHZ);
            Eventually.answers("a good call", "OK: ", () -> arena.ownConfig(arena.alpha()));
        }
    }

    @Test
    void withoutExtAuthzNoStreamOpens() {
        long before = arena.stack().gateway().count();
        arena.stack().kill(Part.EXT_AUTHZ);
        for (Method method : Method.values()) {
            GuardedStream stream = open(method).send(method.hello(OWN));
            assertThat(stream.await().status().map(Status::getCode)).contains(Status.Code.UNAVAILABLE);
        }
        assertThat(arena.stack().gateway().since(before)).isEmpty();
    }

    @Test
    void withoutTheGatewayAStreamEndsWithAnError() {
        List<GuardedStream> streams = new ArrayList<>();
        for (Method method : Method.values()) {
            streams.add(open(method).send(method.hello(OWN)).awaitReached());
            streams.add(open(method, "early").send(method.hello(OWN)).awaitReached());
            streams.add(
                    open(method, "silent").send(method.hello(OWN)).halfClose().awaitReached());
        }
        arena.stack().kill(Part.GATEWAY);
        for (GuardedStream stream : streams) {
            GuardedStream.assertError(stream.await());
        }
        for (Method method : Method.values()) {
            assertThat(open(method).send(method.hello(OWN)).await().status().map(Status::getCode))
                    .contains(Status.Code.UNAVAILABLE);
        }
    }

    @Test
    void withoutEnvoyAStreamEndsAtBothEnds() {
        List<GuardedStream> streams = new ArrayList<>();
        for (Method method : List.of(Method.LOGS, Method.SESSION)) {
            GuardedStream stream = open(method).send(method.hello(OWN)).awaitReached();
            stream.call().data(Arrays.copyOf(method.more(OWN), 3), false);
            streams.add(stream);
        }
        streams.add(open(Method.RELAY).send(Method.RELAY.hello(OWN)).awaitReached());
        arena.stack().kill(Part.ENVOY);
        for (GuardedStream stream : streams) {
            GuardedStream.assertError(stream.await());
            assertThat(stream.awaitBrokenOff().data()).isEqualTo(ByteString.copyFrom(stream.sent()));
        }
    }

    /** The gateway is done before the client is: the client hears what the gateway says. */
    @ParameterizedTest
    @EnumSource(Method.class)
    void theGatewaysOwnEndReachesTheClient(Method method) {
        GuardedStream stream =
                open(method, "end-after=2").send(method.hello(OWN)).awaitReached();
        stream.send(method.more(OWN));
        assertThat(stream.await().inWords()).isEqualTo("OK: ");
        Sighting seen = stream.seen();
        assertThat(seen.data()).isEqualTo(ByteString.copyFrom(stream.sent()));
        assertThat(seen.answer()).isEqualTo("OK");
        assertThat(seen.end()).isNotEqualTo(End.HALF_CLOSED);
    }

    private GuardedStream open(Method method, String... manners) {
        return GuardedStream.open(arena, connection, method, arena.alpha().token(), manners);
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }
}
