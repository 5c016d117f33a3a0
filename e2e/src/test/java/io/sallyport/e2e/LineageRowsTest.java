package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.InvalidProtocolBufferException;
import io.sallyport.api.openshell00.RefreshSandboxTokenResponse;
import io.sallyport.base.Reason;
import io.sallyport.base.net.Endpoint;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.StackOptions;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.AuditTail;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.SwallowingProxy;
import io.sallyport.e2e.wire.Wire;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What owner and thief of a token see, at every moment at which the thief can use his copy. The table for readers is
 * in {@code docs/operations.md}, "How a token is renewed".
 */
@ExtendWith(Arenas.Resolver.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class LineageRowsTest {
    private static final String REFRESH = Arena.OPEN_SHELL + "RefreshSandboxToken";
    private static final int AT_ONCE = 64;

    /** No token is shorter. */
    private static final int BEARER_LENGTH = 300;

    private final Arenas arenas;
    private final Map<Rules, Arena> running = new EnumMap<>(Rules.class);

    LineageRowsTest(Arenas arenas) {
        this.arenas = arenas;
    }

    @AfterAll
    void stop() {
        running.values().forEach(Arena::close);
    }

    /** How the issuer is set up. */
    @SuppressWarnings("ImmutableEnumChecker") // the functions hold nothing
    enum Rules {
        /** A retry is always in time. */
        IN_TIME(options -> options.with(Part.ISSUER, "refresh.retry-grace", "1h")),
        /** A retry always comes too late. */
        TOO_LATE(options -> options.with(Part.ISSUER, "refresh.retry-grace", "0s")),
        REVOKE_LINEAGE(
                options -> TOO_LATE.change.apply(options).with(Part.ISSUER, "refresh.on-reuse", "revoke-lineage")),
        REVOKE_SANDBOX(
                options -> TOO_LATE.change.apply(options).with(Part.ISSUER, "refresh.on-reuse", "revoke-sandbox")),
        ONE_BOOTSTRAP(options -> TOO_LATE.change.apply(options).with(Part.ISSUER, "refresh.bootstrap-reuse", "never"));

        private final UnaryOperator<StackOptions> change;

        Rules(UnaryOperator<StackOptions> change) {
            this.change = change;
        }
    }

    /**
     * One story. {@code A>B}: whoever presents A is given B, the same B whenever it is named again and never the same as
     * another. {@code A!REASON}: presenting A for a refresh is refused for that reason. {@code A+}: A is accepted by the
     * gateway's methods. {@code A-REASON}: it is not. T0 is the bootstrap token, in its file and in the thief's hands.
     */
    enum Row {
        OWNER_ALONE(Rules.TOO_LATE, "T0>T1 T1>T2 T2>T3 T0+ T1+ T3+"),
        LOST_ANSWER(Rules.IN_TIME, "T0>T1 T0>T1 T1>T2 T1>T2 T2>T3"),
        THIEF_IN_STEP(Rules.IN_TIME, "T0>T1 T1>T2 T1>T2 T2>T3 T2>T3"),
        THIEF_ONE_STEP_LATE(Rules.TOO_LATE, "T0>T1 T1>T2 T1!TOKEN_REUSED T2>T3"),
        THIEF_TWO_STEPS_LATE(Rules.IN_TIME, "T0>T1 T1>T2 T2>T3 T1!TOKEN_REUSED T3>T4"),
        THIEF_FIRST(Rules.TOO_LATE, "T0>T1 T1>X2 T1!TOKEN_REUSED X2>X3 T0>N1 N1>N2"),
        THIEF_FIRST_AND_AHEAD(Rules.IN_TIME, "T0>T1 T1>X2 X2>X3 T1!TOKEN_REUSED"),
        THIEF_NEVER_REFRESHES(Rules.TOO_LATE, "T0>T1 T1>T2 T1+"),
        RESTART_FROM_THE_FILE(Rules.TOO_LATE, "T0>T1 T1>T2 T0>N1 N1>N2 T2>T3 T0>M1 M1>M2"),
        RESTART_AND_LOST_ANSWER(Rules.IN_TIME, "T0>T1 T1>T2 T0>N1 T0>N1 N1>N2 N1>N2"),
        ONE_BOOTSTRAP_ONLY(Rules.ONE_BOOTSTRAP, "T0>T1 T1>T2 T0!TOKEN_REUSED T2>T3"),
        LINEAGE_DIES(
                Rules.REVOKE_LINEAGE, "T0>T1 T1>X2 T1!TOKEN_REUSED X2!TOKEN_REVOKED X2-TOKEN_REVOKED T0-TOKEN_REVOKED"),
        SANDBOX_DIES(Rules.REVOKE_SANDBOX, "T0>T1 T1>X2 T1!TOKEN_REUSED X2-TOKEN_REVOKED T0!TOKEN_REVOKED");

        private final Rules rules;
        private final String story;

        Row(Rules rules, String story) {
            this.rules = rules;
            this.story = story;
        }
    }

    @ParameterizedTest
    @EnumSource(Row.class)
    void everyMomentHasItsAnswer(Row row) {
        Arena arena = arena(row.rules);
        Story story = new Story(arena, newcomer(arena));
        for (String step : row.story.split(" ", -1)) {
            story.tell(step);
        }
    }

    @Test
    void manyRefreshesWithOneTokenYieldOneSuccessor() throws Exception {
        Arena arena = arena(Rules.IN_TIME);
        Caller caller = newcomer(arena);
        List<Callable<Outcome>> refreshes = Collections.nCopies(AT_ONCE, () -> refresh(arena, caller.token()));
        List<String> successors = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(AT_ONCE)) {
            for (Future<Outcome> answer : threads.invokeAll(refreshes)) {
                successors.add(token(answer.get()));
            }
        }
        assertThat(successors).hasSize(AT_ONCE).containsOnly(successors.getFirst());
    }

    /** The issuer has committed, and nobody ever hears of it: the next attempt is given what was lost. */
    @Test
    void aLostAnswerIsGivenAgain() throws Exception {
        Arena arena = arena(Rules.IN_TIME);
        Caller caller = newcomer(arena);
        AuditTail audit = new AuditTail(arena.stack().auditLog(Part.ISSUER));
        byte[] lost;
        try (SwallowingProxy proxy = SwallowingProxy.before(arena.stack().port());
                RawHttp2 connection = arena.connect(new Endpoint.Tcp("127.0.0.1", proxy.port()))) {
            RawHttp2.Call call = connection
                    .open(Headers.grpc(REFRESH).bearer(caller.token()), false)
                    .data(Wire.message().framed(), true);
            assertThat(audit.next(Reason.TOKEN_REFRESHED)).containsEntry("event", "minted");
            lost = proxy.swallowed(BEARER_LENGTH);
            proxy.cut();
            assertThat(call.await().inWords()).isEqualTo("connection closed");
        }

        String retried = token(refresh(arena, caller.token()));

        assertThat(new String(lost, StandardCharsets.ISO_8859_1).contains(retried))
                .as("what was lost is what is given now")
                .isTrue();
        assertThat(token(refresh(arena, retried))).isNotEqualTo(retried);
    }

    private Arena arena(Rules rules) {
        return running.computeIfAbsent(
                rules,
                key -> arenas.own(key.change
                        .apply(arenas.options(Setup.V0_0_TRUSTING))
                        .with(Part.ISSUER, "limits.requests-per-minute", 1_000_000)
                        .with(Part.ISSUER, "limits.burst", 1_000_000)
                        .with(Part.ISSUER, "limits.concurrent", 2 * AT_ONCE)));
    }

    private static Caller newcomer(Arena arena) {
        return arena.admit(KnownSandbox.parse("sb-" + UUID.randomUUID()));
    }

    private static Outcome refresh(Arena arena, String token) {
        return arena.call(Headers.grpc(REFRESH).bearer(token), Wire.message().framed());
    }

    private static String token(Outcome outcome) {
        assertThat(outcome.inWords()).isEqualTo("OK: ");
        byte[] frame = outcome.body().getBytes(StandardCharsets.ISO_8859_1);
        try {
            return RefreshSandboxTokenResponse.parser()
                    .parseFrom(frame, 5, frame.length - 5)
                    .getToken();
        } catch (InvalidProtocolBufferException e) {
            throw new AssertionError("the answer to a refresh is none", e);
        }
    }

    /** Tells a {@link Row}, step by step, to a running stack. */
    private static final class Story {
        private final Arena arena;
        private final KnownSandbox sandbox;
        private final Map<String, String> tokens = new HashMap<>();
        private final AuditTail issuerAudit;

        Story(Arena arena, Caller caller) {
            this.arena = arena;
            this.sandbox = caller.sandbox();
            tokens.put("T0", caller.token());
            issuerAudit = new AuditTail(arena.stack().auditLog(Part.ISSUER));
        }

        void tell(String step) {
            String name = step.substring(0, 2);
            String then = step.substring(3);
            String token = Objects.requireNonNull(tokens.get(name), name);
            switch (step.charAt(2)) {
                case '>' -> name(then, token(refresh(arena, token)), step);
                case '!' -> refuse(step, Reason.valueOf(then), refresh(arena, token));
                case '+' ->
                    assertThat(arena.ownConfig(new Caller(sandbox, token)).inWords())
                            .as(step)
                            .isEqualTo("OK: ");
                case '-' -> refusedEverywhere(step, Reason.valueOf(then), token);
                default -> throw new IllegalArgumentException(step);
            }
        }

        private void name(String name, String token, String step) {
            String before = tokens.get(name);
            if (before == null) {
                assertThat(tokens.values()).as("%s: a token of its own", step).doesNotContain(token);
                tokens.put(name, token);
            } else {
                assertThat(token.equals(before))
                        .as("%s: the same to the byte", step)
                        .isTrue();
            }
        }

        private void refuse(String step, Reason reason, Outcome outcome) {
            assertThat(outcome.inWords()).as(step).isEqualTo(reason.statusCode() + ": " + reason.text());
            if (reason == Reason.TOKEN_REUSED) {
                assertThat(issuerAudit.next(Reason.TOKEN_REUSED)).as(step).containsEntry("event", "refused");
            }
        }

        /** The news of a revocation travels; what is asked is that it arrives. */
        private void refusedEverywhere(String step, Reason reason, String token) {
            long end = System.nanoTime() + 10_000_000_000L;
            Outcome outcome = arena.ownConfig(new Caller(sandbox, token));
            while (outcome.isOk() && System.nanoTime() < end) {
                outcome = arena.ownConfig(new Caller(sandbox, token));
            }
            assertThat(outcome.inWords()).as(step).isEqualTo(reason.statusCode() + ": " + reason.text());
        }
    }
}
