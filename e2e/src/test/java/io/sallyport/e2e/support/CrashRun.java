package io.sallyport.e2e.support;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.wire.Outcome;
import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.function.Supplier;

/**
 * One worker of a crash test: operates on sandboxes that nobody else touches, keeps account of what was acknowledged, and
 * compares in the end. For one thread at a time.
 *
 * <p>An operation without an answer is in doubt. A refresh in doubt leaves the token as it was: presenting it again must
 * work. Revocations and deletions in doubt are asked for again until they are acknowledged; before that nothing is
 * expected of them.
 */
public final class CrashRun implements AutoCloseable {
    /** Of one sandbox: the issuer keeps eight. */
    private static final int LINEAGES = 6;

    private static final Set<Status.Code> NO_ANSWER =
            EnumSet.of(Status.Code.UNAVAILABLE, Status.Code.DEADLINE_EXCEEDED, Status.Code.CANCELLED);

    private static final Set<Reason> TAKEN_BACK = EnumSet.of(Reason.TOKEN_REVOKED, Reason.SANDBOX_DELETED);

    private final Arena arena;
    private final String name;
    private final Random random;
    private final Queue<String> failures;
    private final Supervisor supervisor;
    private final List<Owned> sandboxes = new ArrayList<>();
    private final Set<String> given = new HashSet<>();
    private int acknowledged;

    public CrashRun(Arena arena, String name, Random random, Queue<String> failures) {
        this.arena = arena;
        this.name = name;
        this.random = random;
        this.failures = failures;
        this.supervisor = new Supervisor(arena, arena.alpha());
    }

    /** One line of successors: its newest acknowledged token. */
    private static final class Line {
        String token;
        Fate fate = Fate.LIVES;

        Line(String token) {
            this.token = token;
        }
    }

    private enum Fate {
        LIVES,
        /** Being taken back, and not acknowledged yet. */
        IN_DOUBT,
        TAKEN_BACK
    }

    /** A sandbox that was acknowledged. */
    private static final class Owned {
        final KnownSandbox sandbox;
        final List<Line> lines = new ArrayList<>();
        /** What was asked for and not acknowledged yet. */
        Optional<Runnable> unfinished = Optional.empty();

        Fate fate = Fate.LIVES;

        Owned(KnownSandbox sandbox) {
            this.sandbox = sandbox;
        }
    }

    /** How many operations were acknowledged. */
    public int acknowledged() {
        return acknowledged;
    }

    /** Does one operation, whatever comes of it. */
    public void operate() {
        try {
            List<Owned> living =
                    sandboxes.stream().filter(each -> each.fate == Fate.LIVES).toList();
            if (living.size() < 3) {
                register();
                return;
            }
            Owned owned = living.get(random.nextInt(living.size()));
            if (owned.unfinished.isPresent()) {
                finish(owned);
                return;
            }
            switch (random.nextInt(20)) {
                case 0, 1 -> register();
                case 2, 3, 4 -> mint(owned);
                case 5, 6 -> revokeLine(owned);
                case 7 -> revokeAll(owned);
                case 8 -> delete(owned);
                case 9, 10 -> tryWhatWasTakenBack();
                default -> refresh(owned);
            }
        } catch (RuntimeException | Error e) {
            failures.add(name + ": " + e);
        }
    }

    /** Compares with what is there now; every part is up. */
    public void verify() {
        try {
            for (Owned owned : sandboxes) {
                if (owned.unfinished.isPresent()) {
                    Eventually.holds("what was in doubt is acknowledged", () -> {
                        finish(owned);
                        return owned.unfinished.isEmpty();
                    });
                }
                // After an outage of the database its connections find out one by one that they are broken.
                SandboxState state = Eventually.succeeds(
                                "a record is read",
                                StatusRuntimeException.class,
                                () -> arena.stack().registry().get(owned.sandbox.id()))
                        .getState();
                SandboxState expected = owned.fate == Fate.LIVES
                        ? SandboxState.SANDBOX_STATE_ACTIVE
                        : SandboxState.SANDBOX_STATE_DELETED;
                if (state != expected) {
                    failures.add(owned.sandbox.id() + " is " + state + " and not " + expected);
                }
                owned.lines.forEach(line -> verify(owned, line));
                if (owned.fate == Fate.LIVES) {
                    String token = Eventually.succeeds(
                            "a token is minted",
                            StatusRuntimeException.class,
                            () -> arena.stack().registry().mint(owned.sandbox.id()));
                    verify(owned, new Line(token));
                }
            }
        } catch (RuntimeException | Error e) {
            failures.add(name + ": " + e);
        }
    }

    private void verify(Owned owned, Line line) {
        Supervisor checked = new Supervisor(arena, new Caller(owned.sandbox, line.token));
        try (checked) {
            Outcome refresh = checked.refresh();
            if (line.fate == Fate.LIVES) {
                expect("a refresh of " + owned.sandbox.id(), "OK: ", refresh.inWords());
                if (refresh.isOk() && !given.add(checked.token())) {
                    failures.add(owned.sandbox.id() + ": a successor that another token had been given before");
                }
                expect("a call of " + owned.sandbox.id(), "OK: ", checked.ask().inWords());
            } else {
                expectTakenBack("a refresh of " + owned.sandbox.id(), refresh);
                Eventually.holds("a call of " + owned.sandbox.id() + " is refused", () -> isTakenBack(checked.ask()));
            }
        }
    }

    private void register() {
        KnownSandbox sandbox = KnownSandbox.parse(name + "-" + sandboxes.size());
        Owned owned = new Owned(sandbox);
        // The same again until it is acknowledged: a registration is idempotent.
        acknowledge(() -> arena.stack().registry().register(sandbox)).ifPresent(record -> {
            arena.stack().gateway().know(sandbox);
            sandboxes.add(owned);
        });
    }

    private void mint(Owned owned) {
        if (owned.lines.size() < LINEAGES) {
            acknowledge(() -> arena.stack().registry().mint(owned.sandbox.id()))
                    .ifPresent(token -> owned.lines.add(new Line(token)));
        } else {
            refresh(owned);
        }
    }

    private void refresh(Owned owned) {
        List<Line> living =
                owned.lines.stream().filter(line -> line.fate == Fate.LIVES).toList();
        if (living.isEmpty()) {
            startAnew(owned);
            return;
        }
        Line line = living.get(random.nextInt(living.size()));
        supervisor.take(line.token);
        Outcome outcome = supervisor.refresh();
        if (outcome.isOk()) {
            acknowledged++;
            line.token = supervisor.token();
            if (!given.add(line.token)) {
                failures.add(owned.sandbox.id() + ": a successor that another token had been given before");
            }
        } else if (isAnswer(outcome)) {
            failures.add(owned.sandbox.id() + ": a living token is refused: " + outcome.inWords());
        }
    }

    /** Everything it was given has been taken back. */
    private void startAnew(Owned owned) {
        if (owned.lines.size() < LINEAGES) {
            mint(owned);
        } else {
            delete(owned);
        }
    }

    private void revokeLine(Owned owned) {
        List<Line> living =
                owned.lines.stream().filter(line -> line.fate == Fate.LIVES).toList();
        if (living.isEmpty()) {
            startAnew(owned);
            return;
        }
        Line line = living.get(random.nextInt(living.size()));
        line.fate = Fate.IN_DOUBT;
        RevocationSubject subject = RevocationSubject.newBuilder()
                .setLineage(Supervisor.claim(line.token, "lin"))
                .build();
        owned.unfinished = Optional.of(() -> {
            if (acknowledge(() -> arena.stack().registry().revoke(subject)).isPresent()) {
                line.fate = Fate.TAKEN_BACK;
                owned.unfinished = Optional.empty();
            }
        });
        finish(owned);
    }

    private void revokeAll(Owned owned) {
        RevocationSubject subject =
                RevocationSubject.newBuilder().setSandboxId(owned.sandbox.id()).build();
        owned.lines.forEach(line -> line.fate = line.fate == Fate.LIVES ? Fate.IN_DOUBT : line.fate);
        owned.unfinished = Optional.of(() -> {
            if (acknowledge(() -> arena.stack().registry().revoke(subject)).isPresent()) {
                owned.lines.forEach(line -> line.fate = Fate.TAKEN_BACK);
                owned.unfinished = Optional.empty();
            }
        });
        finish(owned);
    }

    private void delete(Owned owned) {
        owned.unfinished = Optional.of(() -> {
            if (acknowledge(() -> arena.stack().registry().delete(owned.sandbox.id()))
                    .isPresent()) {
                owned.fate = Fate.TAKEN_BACK;
                owned.lines.forEach(line -> line.fate = Fate.TAKEN_BACK);
                owned.unfinished = Optional.empty();
            }
        });
        finish(owned);
    }

    private static void finish(Owned owned) {
        owned.unfinished.ifPresent(Runnable::run);
    }

    /** From the moment of the acknowledgement on, whatever has died since. */
    private void tryWhatWasTakenBack() {
        List<Line> gone = sandboxes.stream()
                .flatMap(owned -> owned.lines.stream())
                .filter(line -> line.fate == Fate.TAKEN_BACK)
                .toList();
        if (!gone.isEmpty()) {
            supervisor.take(gone.get(random.nextInt(gone.size())).token);
            Outcome outcome = supervisor.refresh();
            if (outcome.isOk()) {
                failures.add(name + ": a token that was taken back is renewed");
            } else if (isAnswer(outcome)) {
                expectTakenBack(name + ": a refresh of what was taken back", outcome);
            }
        }
    }

    /** What the registry acknowledged; nothing where no answer came. */
    private <T> Optional<T> acknowledge(Supplier<T> operation) {
        try {
            T answer = operation.get();
            acknowledged++;
            return Optional.of(answer);
        } catch (StatusRuntimeException e) {
            // A connection that was cut in mid-sentence has a cause of this side's; an answer has none.
            boolean cut = e.getStatus().getCause() instanceof IOException;
            if (!cut && !NO_ANSWER.contains(e.getStatus().getCode())) {
                failures.add(name + ": the registry refuses: " + e.getStatus());
            }
            return Optional.empty();
        }
    }

    private static boolean isAnswer(Outcome outcome) {
        return outcome.status().isPresent()
                && !NO_ANSWER.contains(outcome.status().get().getCode());
    }

    private static boolean isTakenBack(Outcome outcome) {
        return TAKEN_BACK.stream()
                .anyMatch(reason -> outcome.inWords().equals(reason.statusCode() + ": " + reason.text()));
    }

    private void expectTakenBack(String what, Outcome outcome) {
        if (!isTakenBack(outcome)) {
            failures.add(what + ": expected to be refused as taken back, was " + outcome.inWords());
        }
    }

    private void expect(String what, String expected, String actual) {
        if (!actual.equals(expected)) {
            failures.add(what + ": expected " + expected + ", was " + actual);
        }
    }

    @Override
    public void close() {
        supervisor.close();
    }
}
