package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Call;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;

/**
 * Bodies that do not come to an end: the method's longest duration ends them, and the gateway never hears of them.
 *
 * <p>The duration is half a minute, so all rows before all setups wait for it together.
 */
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class SlowBodiesTest {
    private static final Duration LONGER_THAN_ANY_CALL = Duration.ofSeconds(45);

    private record Slow(String name, Arena arena, RawHttp2 connection, Call call) {}

    @Test
    void aBodyThatDoesNotEndEndsWithItsMethodsTime(Arenas arenas) {
        List<Slow> slow = new ArrayList<>();
        Map<Setup, Long> before = new EnumMap<>(Setup.class);
        try (ScheduledExecutorService clock = Executors.newScheduledThreadPool(1)) {
            for (Setup setup : Setup.values()) {
                Arena arena = arenas.shared(setup);
                before.put(setup, arena.stack().gateway().count());
                byte[] body = arena.configOf(arena.alpha().sandbox());

                slow.add(open(setup + ": headers and nothing else", arena));
                Slow whole = open(setup + ": a whole message, never half-closed", arena);
                whole.call().data(body, false);
                slow.add(whole);
                Slow half = open(setup + ": half a message, never half-closed", arena);
                half.call().data(Arrays.copyOf(body, body.length - 1), false);
                slow.add(half);
                slow.add(byteASecond(setup + ": a byte a second", arena, clock));
            }
            for (Slow each : slow) {
                assertThat(each.call().await(LONGER_THAN_ANY_CALL).status().map(Status::getCode))
                        .as(each.name())
                        .contains(Status.Code.DEADLINE_EXCEEDED);
            }
            clock.shutdownNow();
        } finally {
            slow.forEach(each -> each.connection().close());
        }
        before.forEach((setup, count) -> arenas.shared(setup).assertNothingSince(count));
    }

    private static Slow open(String name, Arena arena) {
        RawHttp2 connection = arena.connect();
        return new Slow(
                name,
                arena,
                connection,
                connection.open(
                        Headers.grpc(Arena.GET_CONFIG).bearer(arena.alpha().token()), false));
    }

    /** A frame of a message that would take hours at this pace. */
    private static Slow byteASecond(String name, Arena arena, ScheduledExecutorService clock) {
        Slow slow = open(name, arena);
        slow.call().data(new byte[] {0, 0, 0, 0x70, 0}, false);
        var _ = clock.scheduleAtFixedRate(
                () -> {
                    if (!slow.call().isDone()) {
                        slow.call().data(new byte[] {0x0a}, false);
                    }
                },
                0,
                1,
                TimeUnit.SECONDS);
        return slow;
    }
}
