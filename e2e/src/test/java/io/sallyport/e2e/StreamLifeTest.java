package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.GuardedStream;
import io.sallyport.e2e.support.GuardedStream.Method;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.support.Supervisor;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What becomes of streams whose token comes to its end: those whose lineage lives on go on, the others end. The tokens
 * live for seconds.
 */
@ExtendWith(Arenas.Resolver.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class StreamLifeTest {
    private static final Duration LIFETIME = Duration.ofSeconds(6);
    private static final Duration LEEWAY = Duration.ofSeconds(1);
    private static final Duration MAX_STALENESS = Duration.ofSeconds(8);

    private final Arena arena;
    private final List<Map<String, String>> auditLines = new ArrayList<>();

    StreamLifeTest(Arenas arenas) {
        this.arena = arenas.own(arenas.options(Setup.V0_0_TRUSTING)
                .with(Part.ISSUER, "tokens.lifetime", LIFETIME.toSeconds() + "s")
                .with(Part.ISSUER, "tokens.leeway", LEEWAY.toSeconds() + "s")
                .with(Part.EXT_AUTHZ, "tokens.leeway", LEEWAY.toSeconds() + "s")
                .with(Part.EXT_AUTHZ, "max-staleness", MAX_STALENESS.toSeconds() + "s")
                .with(Part.EXT_AUTHZ, "issuer-timeout", "1s")
                // Whoever may be a user elsewhere is none here.
                .with(Part.EXT_AUTHZ, "user-methods", "gateway")
                .with(Part.EXT_AUTHZ, "developer-user", "dev"));
    }

    @AfterAll
    void stop() {
        arena.close();
    }

    @AfterEach
    void theIssuerIsThere() {
        if (!arena.stack().isRunning(Part.ISSUER)) {
            arena.stack().start(Part.ISSUER);
        }
    }

    /** A sandbox with a stream of every kind: at work, silent, half-closed and only listening. */
    private final class Household implements AutoCloseable {
        private final Caller caller;
        private final Supervisor supervisor;
        private final RawHttp2 connection = arena.connect();
        private final List<GuardedStream> open = new ArrayList<>();
        private final List<GuardedStream> listening = new ArrayList<>();

        Household() {
            KnownSandbox sandbox = KnownSandbox.parse("sb-" + UUID.randomUUID());
            caller = arena.admit(sandbox);
            supervisor = new Supervisor(arena, caller);
            Eventually.answers("a first call", "OK: ", supervisor::ask);
            for (Method method : Method.values()) {
                open.add(GuardedStream.open(arena, connection, method, caller.token())
                        .send(method.hello(caller.id())));
                listening.add(GuardedStream.open(arena, connection, method, caller.token(), "silent")
                        .send(method.hello(caller.id()))
                        .halfClose());
            }
            all().forEach(GuardedStream::awaitReached);
        }

        List<GuardedStream> all() {
            List<GuardedStream> all = new ArrayList<>(open);
            all.addAll(listening);
            return all;
        }

        Instant end() {
            return Instant.ofEpochSecond(Long.parseLong(Supervisor.claim(caller.token(), "exp")));
        }

        void assertGoesOn() {
            open.forEach(stream -> stream.assertGoesOn(caller.id()));
            listening.forEach(stream ->
                    assertThat(stream.call().isDone()).as("%s", stream).isFalse());
        }

        /** Asserts that all of them end, for this reason; the first moment at which one had ended. */
        void assertEnd(Reason reason) {
            for (GuardedStream stream : all()) {
                Outcome outcome = stream.await();
                GuardedStream.assertError(outcome);
                stream.awaitBrokenOff();
                // Where nothing had been answered yet, the client is told why.
                if (stream.method() == Method.LOGS) {
                    assertThat(outcome.inWords()).isEqualTo(reason.statusCode() + ": " + reason.text());
                }
            }
            Eventually.holds("each end stands in the audit log", () -> ends(reason) == all().size());
        }

        private long ends(Reason reason) {
            return auditLines().stream()
                    .filter(line -> reason.code().equals(line.get("reason"))
                            && line.getOrDefault("principal", "").contains(caller.id()))
                    .count();
        }

        @Override
        public void close() {
            supervisor.close();
            connection.close();
        }
    }

    private List<Map<String, String>> auditLines() {
        auditLines.addAll(arena.audit().available());
        return auditLines;
    }

    /** The dead supervisor renews nothing, the living one does; both have every kind of stream. */
    @Test
    void aDeadLineageEndsWithItsTokenAndALivingOneGoesOn() {
        try (Household dead = new Household();
                Household alive = new Household()) {
            Instant twice = alive.end().plus(LIFETIME);
            while (Instant.now().isBefore(twice.plus(LEEWAY))) {
                Instant nextRefresh = Instant.now().plus(LIFETIME.dividedBy(3));
                Eventually.answers("a refresh", "OK: ", alive.supervisor::refresh);
                if (Instant.now().isBefore(dead.end())) {
                    assertThat(dead.all()).noneMatch(stream -> stream.call().isDone());
                }
                Eventually.holds("time goes by", () -> Instant.now().isAfter(nextRefresh));
            }
            dead.assertEnd(Reason.TOKEN_EXPIRED);
            alive.assertGoesOn();
            // It dies too, in the end.
            alive.assertEnd(Reason.TOKEN_EXPIRED);
        }
    }

    /**
     * A stream lives by one token at a time. While its own has not ended, by that one: what it was renewed into may be
     * taken back meanwhile. After that by the newest of its lineage: with that one it ends.
     */
    @Test
    void aStreamEndsWithTheTokenThatItLivesBy() {
        try (Household early = new Household();
                Household late = new Household()) {
            Instant end = late.end().plus(LEEWAY);
            Eventually.answers("a refresh", "OK: ", early.supervisor::refresh);
            takeBack(early.supervisor);
            Eventually.holds("both are about to end", () -> Instant.now().isAfter(end.minusSeconds(2)));
            Eventually.answers("a refresh", "OK: ", late.supervisor::refresh);
            Instant last = Instant.ofEpochSecond(Long.parseLong(Supervisor.claim(late.supervisor.token(), "exp")));
            assertThat(early.all()).noneMatch(stream -> stream.call().isDone());
            // The one asks, and hears that its newest was taken back; the other goes on by its newest.
            early.assertEnd(Reason.TOKEN_REVOKED);
            Eventually.holds("the other has asked too", () -> Instant.now().isAfter(end.plusSeconds(1)));
            assertThat(late.all()).noneMatch(stream -> stream.call().isDone());

            takeBack(late.supervisor);
            late.all().forEach(GuardedStream::await);
            assertThat(Instant.now()).as("not at its end").isBefore(last);
            late.assertEnd(Reason.TOKEN_REVOKED);
        }
    }

    private void takeBack(Supervisor newest) {
        arena.stack()
                .registry()
                .revoke(RevocationSubject.newBuilder()
                        .setTokenId(Supervisor.claim(newest.token(), "jti"))
                        .build());
    }

    /** Nobody can say whether the lineage lives on: it is given the time for which news may be missed, and no more. */
    @Test
    void withoutTheIssuerAStreamGoesOnUntilWhatIsKnownIsStale() {
        try (Household house = new Household()) {
            // Shortly before the token ends, so that it ends while the issuer is away and the news is not stale yet.
            Eventually.holds(
                    "the token is about to end",
                    () -> Instant.now().isAfter(house.end().plus(LEEWAY).minusSeconds(3)));
            arena.stack().kill(Part.ISSUER);
            Instant gone = Instant.now();
            Instant afterItsEnd = house.end().plus(LEEWAY).plusSeconds(1);
            Eventually.holds("the token has ended", () -> Instant.now().isAfter(afterItsEnd));
            if (Instant.now().isBefore(gone.plus(MAX_STALENESS).minusSeconds(2))) {
                assertThat(house.all()).noneMatch(stream -> stream.call().isDone());
            }
            for (GuardedStream stream : house.all()) {
                GuardedStream.assertError(stream.await());
                stream.awaitBrokenOff();
            }
            assertThat(Instant.now()).isAfter(gone.plus(MAX_STALENESS).minusSeconds(3));
        }
    }

    /** Somebody who is a user elsewhere, or nobody, opens no stream of a sandbox. */
    @Test
    void usersAndNobodyOpenNone() {
        try (RawHttp2 connection = arena.connect()) {
            for (Method method : Method.values()) {
                Headers nobody = Headers.grpc(method.path());
                Headers user = Headers.grpc(method.path()).bearer("a-user-of-the-gateway");
                assertRefused(Reason.NO_CREDENTIAL, GuardedStream.open(arena, connection, method, nobody));
                assertRefused(Reason.CREDENTIAL_UNKNOWN, GuardedStream.open(arena, connection, method, user));
            }
        }
    }

    private static void assertRefused(Reason reason, GuardedStream stream) {
        assertThat(stream.await().inWords()).isEqualTo(reason.statusCode() + ": " + reason.text());
        assertThat(stream.isSeen()).as("the gateway sees it").isFalse();
    }
}
