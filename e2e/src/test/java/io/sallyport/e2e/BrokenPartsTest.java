package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.FakeExtAuthz;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Call;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Parts that are away, slow or out of their mind: everything fails closed, says so, and comes back by itself. */
@ParameterizedClass(name = "{0}")
@EnumSource(
        value = Setup.class,
        names = {"V0_0_TRUSTING", "V0_1_UNCHANGED"})
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.BREAKABLE)
class BrokenPartsTest {
    private static final Duration RECOVERY = Duration.ofSeconds(30);
    private static final int LENGTH = 0x7000;

    /** The prefix of a message of that length. */
    private static final byte[] NEVER_ENDED = {0, 0, 0, LENGTH >> 8, 0};

    private static final String REFRESH = Arena.OPEN_SHELL + "RefreshSandboxToken";

    private final Arena arena;

    BrokenPartsTest(Setup setup, Arenas arenas) {
        this.arena = arenas.breakable(setup);
    }

    @BeforeEach
    void everythingWorks() {
        assertThat(arena.ownConfig(arena.alpha()).inWords()).isEqualTo("OK: ");
    }

    @AfterEach
    void everythingWorksAgain() {
        for (Part part : List.of(Part.ISSUER, Part.EXT_AUTHZ, Part.GATEWAY)) {
            if (!arena.stack().isRunning(part)) {
                arena.stack().start(part);
            }
        }
        await("a good call after the parts are back", () -> arena.ownConfig(arena.alpha()));
        await("a refresh after the parts are back", () -> refresh(arena.beta()));
    }

    @Test
    void issuerDown() {
        Caller unknownYet = arena.admit(KnownSandbox.parse("new-" + Long.toHexString(System.nanoTime())));
        long before = arena.stack().gateway().count();
        arena.stack().kill(Part.ISSUER);
        assertThat(refresh(arena.alpha()).inWords()).startsWith("UNAVAILABLE: ");
        arena.audit().skip();
        assertThat(arena.ownConfig(unknownYet).inWords()).isEqualTo("UNAVAILABLE: " + Reason.ISSUER_UNAVAILABLE.text());
        assertThat(arena.audit().next(1).getFirst()).containsEntry("reason", Reason.ISSUER_UNAVAILABLE.code());
        // Somebody whose record is known goes on until it is no longer believed, and then waits like everybody.
        await("an answer that is no longer from memory", "UNAVAILABLE: ", () -> arena.ownConfig(arena.alpha()));
        long known = arena.stack().gateway().since(before).stream()
                .filter(call -> !call.header("x-sandbox-principal").orElse("").contains("alpha-id"))
                .count();
        assertThat(known).as("calls of others that reached the gateway").isZero();

        arena.stack().start(Part.ISSUER);
        await("the sandbox that was registered before", () -> arena.ownConfig(unknownYet));
    }

    @Test
    void extAuthzDown() {
        long before = arena.stack().gateway().count();
        arena.stack().kill(Part.EXT_AUTHZ);
        assertUnavailable(arena.ownConfig(arena.alpha()));
        assertUnavailable(arena.call(
                Headers.grpc(Arena.GET_CONFIG), arena.configOf(arena.alpha().sandbox())));
        assertUnavailable(refresh(arena.alpha()));
        assertThat(arena.stack().gateway().since(before)).isEmpty();
    }

    @Test
    void extAuthzSlow() {
        long before = arena.stack().gateway().count();
        arena.stack().suspend(Part.EXT_AUTHZ);
        try {
            assertUnavailable(arena.ownConfig(arena.alpha()));
            assertUnavailable(refresh(arena.alpha()));
        } finally {
            arena.stack().resume(Part.EXT_AUTHZ);
        }
        // Its answers to the calls of before come too late for anybody.
        await("a good call after it woke up", () -> arena.ownConfig(arena.beta()));
        assertThat(arena.stack().gateway().since(before))
                .allMatch(call -> call.header("x-sandbox-principal").orElse("").contains("beta-id"));
    }

    @Test
    void extAuthzAnsweringGarbage() throws IOException {
        long before = arena.stack().gateway().count();
        arena.stack().kill(Part.EXT_AUTHZ);
        for (FakeExtAuthz.Nonsense nonsense : FakeExtAuthz.Nonsense.values()) {
            try (FakeExtAuthz fake = FakeExtAuthz.start(arena.stack().socket("ext-authz"), nonsense)) {
                // Envoy looks for its other side anew after a while: only once the fake was asked does the row count.
                Instant end = Instant.now().plus(RECOVERY);
                while (fake.asked() < 3 && Instant.now().isBefore(end)) {
                    assertUnavailable(nonsense, arena.ownConfig(arena.alpha()));
                }
                assertThat(fake.asked())
                        .as("%s: how often it was asked", nonsense)
                        .isPositive();
            }
        }
        assertThat(arena.stack().gateway().since(before)).isEmpty();
    }

    @Test
    void gatewayDown() {
        arena.stack().kill(Part.GATEWAY);
        assertThat(arena.ownConfig(arena.alpha()).status().map(Status::getCode)).contains(Status.Code.UNAVAILABLE);
        assertThat(refresh(arena.alpha()).inWords()).isEqualTo("OK: ");
        arena.stack().start(Part.GATEWAY);
        arena.stack().gateway().know(arena.alpha().sandbox());
        arena.stack().gateway().know(arena.beta().sandbox());
    }

    @Test
    void twoThousandCallsThatNeverEndAndANeighbourWhoWorks() {
        int streams = 2_000;
        int perConnection = 100;
        long before = arena.stack().gateway().count();
        List<RawHttp2> connections = new ArrayList<>();
        List<Call> calls = new ArrayList<>();
        try {
            for (int i = 0; i < streams; i++) {
                if (i % perConnection == 0) {
                    connections.add(arena.connect());
                }
                calls.add(connections
                        .getLast()
                        .open(
                                Headers.grpc(Arena.GET_CONFIG)
                                        .bearer(arena.alpha().token()),
                                false)
                        .data(NEVER_ENDED, false));
            }
            int answered = 0;
            for (int i = 0; i < 100; i++) {
                assertThat(arena.ownConfig(arena.beta()).inWords()).isEqualTo("OK: ");
                answered++;
            }
            assertThat(calls.stream().filter(call -> !call.isDone()).count())
                    .as("calls that are still open while the neighbour worked")
                    .isGreaterThan(streams / 2);
            assertThat(arena.stack().gateway().since(before)).hasSize(answered);
            // They were Envoy's all the time, and not merely on their way: what ends is answered.
            byte[] rest = new byte[LENGTH];
            for (int last = perConnection - 1; last < streams; last += perConnection) {
                assertThat(calls.get(last).data(rest, true).await().inWords())
                        .isEqualTo(Reason.MESSAGE_TAG.statusCode() + ": " + Reason.MESSAGE_TAG.text());
            }
        } finally {
            connections.forEach(RawHttp2::close);
        }
    }

    private Outcome refresh(Caller caller) {
        return arena.call(
                Headers.grpc(REFRESH).bearer(caller.token()), Wire.message().framed());
    }

    /** 503, so that it can be told from a denial. */
    private static void assertUnavailable(Outcome outcome) {
        assertUnavailable("", outcome);
    }

    private static void assertUnavailable(Object what, Outcome outcome) {
        assertThat(outcome.status().map(Status::getCode))
                .as("%s: %s", what, outcome)
                .contains(Status.Code.UNAVAILABLE);
        assertThat(outcome.body()).isEmpty();
    }

    private static void await(String what, Supplier<Outcome> call) {
        await(what, "OK: ", call);
    }

    /** A channel that lost its other side looks for it again after a while: there is nothing to wait on but time. */
    private static void await(String what, String words, Supplier<Outcome> call) {
        Instant end = Instant.now().plus(RECOVERY);
        Outcome outcome = call.get();
        while (!outcome.inWords().startsWith(words) && Instant.now().isBefore(end)) {
            outcome = call.get();
        }
        assertThat(outcome.inWords()).as(what).startsWith(words);
    }
}
