package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.gateway.Sighting.End;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.GuardedStream;
import io.sallyport.e2e.support.GuardedStream.Method;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.support.Supervisor;
import io.sallyport.e2e.wire.RawHttp2;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Five hundred open streams of ten sandboxes: what ends some of them ends exactly those. */
@ExtendWith(Arenas.Resolver.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class StreamCrowdTest {
    private static final int SANDBOXES = 10;
    private static final int STREAMS = 500;
    private static final int PER_CONNECTION = 50;
    private static final int BOUND = 64;

    private final Arena arena;
    private int generation;

    StreamCrowdTest(Arenas arenas) {
        this.arena = arenas.own(arenas.options(Setup.V0_1_TRUSTING));
    }

    @AfterAll
    void stop() {
        arena.close();
    }

    /**
     * One of the crowd.
     *
     * @param halfClosed the client only listens
     */
    private record Member(Caller caller, String token, GuardedStream stream, boolean halfClosed) {}

    /** Many open streams, every one of them pinned. */
    private final class Crowd implements AutoCloseable {
        private final List<RawHttp2> connections = new ArrayList<>();
        private final List<Caller> callers = new ArrayList<>();
        private final List<Member> members = new ArrayList<>();

        Crowd(Method... methods) {
            generation++;
            for (int i = 0; i < SANDBOXES; i++) {
                callers.add(arena.admit(KnownSandbox.parse("crowd-" + generation + "-" + i)));
            }
            for (int i = 0; i < STREAMS; i++) {
                if (i % PER_CONNECTION == 0) {
                    connections.add(arena.connect());
                }
                Caller caller = callers.get(i % SANDBOXES);
                // Each sandbox has streams of every method.
                Method method = methods[i / SANDBOXES % methods.length];
                open(connections.getLast(), caller, caller.token(), method);
            }
            members.forEach(member -> member.stream().awaitReached());
        }

        void open(RawHttp2 connection, Caller caller, String token, Method method) {
            GuardedStream stream = GuardedStream.open(arena, connection, method, token);
            stream.send(method.hello(caller.id()));
            members.add(new Member(caller, token, stream, false));
        }

        void openListening(RawHttp2 connection, Caller caller, Method method) {
            GuardedStream stream = GuardedStream.open(arena, connection, method, caller.token(), "silent");
            stream.send(method.hello(caller.id())).halfClose();
            members.add(new Member(caller, caller.token(), stream, true));
        }

        /** Asserts that these are the ones that ended: by an error, at both ends; the others go on. */
        void assertEnded(Predicate<Member> which) {
            for (Member member : members) {
                if (which.test(member)) {
                    GuardedStream.assertError(member.stream().await());
                    member.stream().awaitBrokenOff();
                }
            }
            for (Member member : members) {
                if (!which.test(member)) {
                    assertThat(member.stream().call().isDone())
                            .as("a stream of %s: %s", member.caller(), member.stream())
                            .isFalse();
                    if (!member.halfClosed()) {
                        member.stream()
                                .send(member.stream()
                                        .method()
                                        .more(member.caller().id()));
                    }
                }
            }
            for (Member member : members) {
                if (!which.test(member)) {
                    member.stream().awaitReached();
                    assertThat(member.stream().seen().end())
                            .isEqualTo(member.halfClosed() ? End.HALF_CLOSED : End.OPEN);
                }
            }
        }

        @Override
        public void close() {
            connections.forEach(RawHttp2::close);
        }
    }

    @Test
    void halfOfThemSwitchAndExactlyThoseEnd() {
        try (Crowd crowd = new Crowd(Method.LOGS, Method.SESSION)) {
            // Of each sandbox and each method every other one.
            Set<Member> switching = IntStream.range(0, STREAMS)
                    .filter(i -> i / (2 * SANDBOXES) % 2 == 1)
                    .mapToObj(crowd.members::get)
                    .collect(Collectors.toSet());
            for (Member member : switching) {
                Caller neighbour = crowd.callers.get((crowd.callers.indexOf(member.caller()) + 1) % SANDBOXES);
                member.stream().call().data(member.stream().method().hello(neighbour.id()), false);
            }
            crowd.assertEnded(switching::contains);
            for (Member member : switching) {
                assertThat(ByteString.copyFrom(member.stream().reached()))
                        .isEqualTo(ByteString.copyFrom(member.stream().sent()));
            }
        }
    }

    /** What is taken back, and from whom: of a sandbox with an older and a newer lineage. */
    @SuppressWarnings("ImmutableEnumChecker") // a lambda over nothing
    enum TakenBack {
        SANDBOX((arena, victim) -> arena.stack()
                .registry()
                .revoke(subject().setSandboxId(victim.id()).build())),
        LINEAGE((arena, victim) -> arena.stack()
                .registry()
                .revoke(subject()
                        .setLineage(Supervisor.claim(victim.token(), "lin"))
                        .build())),
        TOKEN((arena, victim) -> arena.stack()
                .registry()
                .revoke(subject()
                        .setTokenId(Supervisor.claim(victim.token(), "jti"))
                        .build())),
        DELETION((arena, victim) -> arena.stack().registry().delete(victim.id()));

        private final BiConsumer<Arena, Caller> how;

        TakenBack(BiConsumer<Arena, Caller> how) {
            this.how = how;
        }

        private static RevocationSubject.Builder subject() {
            return RevocationSubject.newBuilder();
        }

        /** Whether a stream that the victim opened with another of its tokens ends as well. */
        boolean endsOthersOfTheSandbox() {
            return this == SANDBOX || this == DELETION;
        }
    }

    @ParameterizedTest
    @EnumSource(TakenBack.class)
    void whatIsTakenBackEndsAtOnceAndNothingElse(TakenBack what) {
        try (Crowd crowd = new Crowd(Method.values())) {
            Caller victim = crowd.callers.get(3);
            // A second lineage of the same sandbox.
            String other = arena.stack().registry().mint(victim.id());
            for (Method method : Method.values()) {
                crowd.open(crowd.connections.getLast(), victim, other, method);
                crowd.openListening(crowd.connections.getLast(), victim, method);
                crowd.openListening(crowd.connections.getLast(), crowd.callers.get(4), method);
            }
            crowd.members.forEach(member -> member.stream().awaitReached());
            Predicate<Member> ends = member -> member.caller().equals(victim)
                    && (what.endsOthersOfTheSandbox() || member.token().equals(victim.token()));
            arena.audit().skip();

            long start = System.nanoTime();
            what.how.accept(arena, victim);
            crowd.members.stream()
                    .filter(ends)
                    .forEach(member -> member.stream().await());
            Duration took = Duration.ofNanos(System.nanoTime() - start);
            System.out.println("StreamCrowdTest: " + what + " ended "
                    + crowd.members.stream().filter(ends).count() + " of " + crowd.members.size() + " streams in "
                    + took.toMillis() + " ms");

            assertThat(took)
                    .as("a second is promised; a busy machine may take some more")
                    .isLessThan(Duration.ofSeconds(10));
            crowd.assertEnded(ends);
            Reason reason = what == TakenBack.DELETION ? Reason.SANDBOX_DELETED : Reason.TOKEN_REVOKED;
            long ended = crowd.members.stream().filter(ends).count();
            assertThat(arena.audit().next((int) ended))
                    .hasSize((int) ended)
                    .allSatisfy(line -> assertThat(line)
                            .containsEntry("reason", reason.code())
                            .containsEntry("principal", "sandbox;id=\"" + victim.id() + "\";source=\"gateway-jwt\""));
        }
    }

    @Test
    void oneSandboxAtItsBoundLeavesTheOthersAlone() {
        Caller greedy = arena.admit(KnownSandbox.parse("greedy"));
        Caller modest = arena.admit(KnownSandbox.parse("modest"));
        List<RawHttp2> connections = List.of(arena.connect(), arena.connect());
        List<GuardedStream> streams = new ArrayList<>();
        try {
            for (int i = 0; i < BOUND; i++) {
                streams.add(GuardedStream.open(arena, connections.get(i % 2), Method.SESSION, greedy.token())
                        .send(Method.SESSION.hello(greedy.id())));
            }
            streams.forEach(GuardedStream::awaitReached);
            for (Method method : Method.values()) {
                GuardedStream tooMany = GuardedStream.open(arena, connections.getFirst(), method, greedy.token())
                        .send(method.hello(greedy.id()));
                assertThat(tooMany.await().inWords())
                        .isEqualTo(Reason.TOO_MANY_STREAMS.statusCode() + ": " + Reason.TOO_MANY_STREAMS.text());
                assertThat(tooMany.reached()).isEmpty();
                GuardedStream others = GuardedStream.open(arena, connections.getFirst(), method, modest.token())
                        .send(method.hello(modest.id()))
                        .awaitReached();
                others.call().cancel();
            }
            streams.forEach(stream -> assertThat(stream.call().isDone()).isFalse());
            assertThat(arena.ownConfig(greedy).inWords()).isEqualTo("OK: ");

            // One goes, one may come: the room is given back.
            streams.getFirst().call().cancel();
            Eventually.answers("a stream in the room of another", "OK: ", () -> {
                GuardedStream next = GuardedStream.open(arena, connections.getFirst(), Method.LOGS, greedy.token())
                        .send(Method.LOGS.hello(greedy.id()))
                        .halfClose();
                return next.await();
            });
        } finally {
            connections.forEach(RawHttp2::close);
        }
    }

    /** The last: nothing is signed with that key again. */
    @Test
    @Order(Integer.MAX_VALUE)
    void aKeyThatIsTakenBackEndsAllThatItSignedAndAnotherNothing() {
        try (Crowd crowd = new Crowd(Method.values())) {
            arena.stack()
                    .registry()
                    .revoke(RevocationSubject.newBuilder()
                            .setKeyId("somebody-elses")
                            .build());
            crowd.assertEnded(member -> false);
            arena.stack()
                    .registry()
                    .revoke(RevocationSubject.newBuilder()
                            .setKeyId(arena.forge().keyId())
                            .build());
            crowd.assertEnded(member -> true);
        }
    }
}
