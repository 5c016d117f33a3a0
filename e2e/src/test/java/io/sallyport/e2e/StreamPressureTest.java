package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.GuardedStream;
import io.sallyport.e2e.support.GuardedStream.Method;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.Wire;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Gateways that do not read and clients that hardly write: they hold up themselves and nobody else. */
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class StreamPressureTest {
    private static final int STREAMS = 20;
    private static final int MIB = 1 << 20;

    /** The gateway takes 1 MiB without reading (its window); the rest lies in Envoy's buffers and windows. */
    private static final int MOST_UNDER_WAY = 4 * MIB;

    private static final int TRICKLERS = 200;

    private final Arena arena;

    StreamPressureTest(Arenas arenas) {
        this.arena = arenas.shared(Setup.V0_0_TRUSTING);
    }

    /** One stream whose client sends as fast as it is let. */
    private final class Pusher {
        private final GuardedStream stream;
        private final byte[] message;

        Pusher(RawHttp2 connection, Method method, Caller caller) {
            stream = GuardedStream.open(arena, connection, method, caller.token(), "shut");
            message = method == Method.RELAY
                    ? Wire.message().bytes(2, new byte[60_000]).framed()
                    : GuardedStream.logs(caller.id())
                            .string(1000, "x".repeat(60_000))
                            .framed();
        }

        /** Whether the last message has gone and another one was handed to HTTP/2. */
        boolean push() {
            if (stream.call().unsent() > 0) {
                return false;
            }
            stream.send(message);
            return true;
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Method.class,
            names = {"LOGS", "RELAY"})
    void aGatewayThatDoesNotReadSlowsTheClient(Method method) {
        Caller caller = newcomer();
        List<RawHttp2> connections = new ArrayList<>();
        List<Pusher> pushers = new ArrayList<>();
        try {
            for (int i = 0; i < STREAMS; i++) {
                connections.add(arena.connect());
                pushers.add(new Pusher(connections.getLast(), method, caller));
            }
            long guardBefore = residentKib(Part.EXT_AUTHZ);
            long envoyBefore = residentKib(Part.ENVOY);
            Instant quietSince = Instant.now();
            while (Instant.now().isBefore(quietSince.plusSeconds(2))) {
                boolean any = false;
                for (Pusher pusher : pushers) {
                    any |= pusher.push();
                }
                if (any) {
                    quietSince = Instant.now();
                }
                pushers.forEach(pusher -> assertThat(pusher.stream.sent().length)
                        .as("what one client could send to a gateway that does not read")
                        .isLessThan(MOST_UNDER_WAY));
                LockSupport.parkNanos(5_000_000);
            }
            int accepted = pushers.stream()
                    .mapToInt(pusher -> pusher.stream.sent().length)
                    .sum();
            long guardGrew = residentKib(Part.EXT_AUTHZ) - guardBefore;
            long envoyGrew = residentKib(Part.ENVOY) - envoyBefore;
            System.out.println("StreamPressureTest: " + method + ": " + STREAMS + " streams were slowed after "
                    + accepted / 1024 + " KiB in all; ext-authz grew by " + guardGrew + " KiB, Envoy by " + envoyGrew
                    + " KiB");
            assertThat(accepted).as("something was sent at all").isGreaterThan(STREAMS * 64 * 1024);
            assertThat(guardGrew).as("KiB that ext-authz grew by").isLessThan(96 * 1024);
            assertThat(envoyGrew).as("KiB that Envoy grew by").isLessThan(64 * 1024);

            // Others do not feel it.
            assertThat(arena.ownConfig(arena.beta()).inWords()).isEqualTo("OK: ");
            try (RawHttp2 connection = arena.connect()) {
                GuardedStream.open(
                                arena, connection, Method.SESSION, arena.beta().token())
                        .send(Method.SESSION.hello("beta-id"))
                        .awaitReached()
                        .assertGoesOn("beta-id");
            }

            arena.stack().gateway().open();
            for (Pusher pusher : pushers) {
                pusher.stream.halfClose();
                assertThat(pusher.stream.await().inWords()).isEqualTo("OK: ");
                Sighting seen = pusher.stream.seen();
                assertThat(seen.dataLength()).isEqualTo(pusher.stream.sent().length);
                assertThat(ByteString.copyFrom(pusher.stream.sent()).startsWith(seen.data()))
                        .isTrue();
            }
        } finally {
            arena.stack().gateway().open();
            connections.forEach(RawHttp2::close);
        }
    }

    /** What they leave unread lies in Envoy, within the windows of the connection to the gateway that all streams share. */
    @Test
    void clientsThatDoNotReadHoldUpNobodysAnswers() {
        Caller caller = newcomer();
        List<RawHttp2> connections = new ArrayList<>();
        try {
            byte[] message = Wire.message().bytes(2, new byte[70_000]).framed();
            for (int i = 0; i < 5; i++) {
                RawHttp2 connection = arena.connect();
                connections.add(connection);
                for (int stream = 0; stream < 10; stream++) {
                    GuardedStream unread = GuardedStream.open(arena, connection, Method.RELAY, caller.token());
                    unread.call().readNothing();
                    for (int count = 0; count < 10; count++) {
                        unread.send(message);
                    }
                }
            }
            for (int i = 0; i < 8; i++) {
                RawHttp2 connection = arena.connect();
                connections.add(connection);
                GuardedStream other = GuardedStream.open(
                        arena, connection, Method.RELAY, arena.beta().token());
                other.send(message);
                Eventually.soon(
                        "the echo of a stream beside those that nobody reads",
                        () -> other.call().received() >= message.length);
            }
        } finally {
            connections.forEach(RawHttp2::close);
        }
    }

    @Test
    void clientsThatTrickleDelayNobodyAndGetThroughInTheEnd() {
        List<RawHttp2> connections = new ArrayList<>();
        List<GuardedStream> tricklers = new ArrayList<>();
        byte[] hello = new byte[0];
        try {
            List<Caller> callers = new ArrayList<>();
            for (int i = 0; i < TRICKLERS; i++) {
                if (i % 50 == 0) {
                    connections.add(arena.connect());
                    callers.add(newcomer());
                }
                tricklers.add(GuardedStream.open(
                        arena,
                        connections.getLast(),
                        Method.LOGS,
                        callers.getLast().token()));
            }
            int slowest = 8;
            Duration longest = Duration.ZERO;
            for (int second = 0; second < slowest; second++) {
                Instant next = Instant.now().plusSeconds(1);
                for (int i = 0; i < TRICKLERS; i++) {
                    hello = Method.LOGS.hello(callers.get(i / 50).id());
                    int rest = hello.length - slowest;
                    byte[] piece = second == 0
                            ? Arrays.copyOf(hello, rest + 1)
                            : Arrays.copyOfRange(hello, rest + second, rest + second + 1);
                    tricklers.get(i).send(piece);
                }
                for (int i = 0; i < 5; i++) {
                    Instant asked = Instant.now();
                    assertThat(arena.ownConfig(arena.beta()).inWords()).isEqualTo("OK: ");
                    Duration took = Duration.between(asked, Instant.now());
                    longest = took.compareTo(longest) > 0 ? took : longest;
                }
                try (RawHttp2 connection = arena.connect()) {
                    GuardedStream.open(
                                    arena, connection, Method.LOGS, arena.beta().token())
                            .send(Method.LOGS.hello("beta-id"))
                            .awaitReached()
                            .assertGoesOn("beta-id");
                }
                if (second < slowest - 1) {
                    assertThat(tricklers).noneMatch(stream -> stream.call().isDone());
                    assertThat(tricklers.getFirst().reached()).isEmpty();
                    Eventually.holds("a second goes by", () -> Instant.now().isAfter(next));
                }
            }
            System.out.println("StreamPressureTest: beside " + TRICKLERS + " trickling streams the slowest call took "
                    + longest.toMillis() + " ms");
            for (GuardedStream stream : tricklers) {
                stream.awaitReached().halfClose();
                assertThat(stream.await().inWords()).isEqualTo("OK: ");
            }
        } finally {
            connections.forEach(RawHttp2::close);
        }
    }

    private Caller newcomer() {
        return arena.admit(KnownSandbox.parse("sb-" + UUID.randomUUID()));
    }

    private long residentKib(Part part) {
        try {
            return Files.readAllLines(Path.of("/proc/" + arena.stack().pid(part) + "/status")).stream()
                    .filter(line -> line.startsWith("VmRSS:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
                    .findFirst()
                    .orElseThrow();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
