package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.stack.StackOptions;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.CrashRun;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.Replicas;
import io.sallyport.e2e.support.Setup;
import io.sallyport.issuer.store.PostgresServer;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Processes are killed with SIGKILL at random points of a random run of registrations, refreshes, mints, revocations and
 * deletions; afterwards everything that was acknowledged is there.
 *
 * <p>{@code ./test --crash SEED/COUNT e2e} repeats a run, or makes a longer one. The choices follow the seed; where in a
 * call a kill falls does not.
 */
@ExtendWith(Arenas.Resolver.class)
@Timeout(1_800)
class CrashTest {
    private static final int WORKERS = 4;
    private static final int USUAL_COUNT = 240;
    private static final int OPERATIONS_PER_KILL = 60;

    private final Arenas arenas;
    private final long seed;
    private final int count;

    CrashTest(Arenas arenas) {
        this.arenas = arenas;
        String wish = System.getProperty("crash", "");
        int slash = wish.indexOf('/');
        this.seed = slash < 0 ? System.nanoTime() & 0xffff : Long.parseLong(wish.substring(0, slash));
        this.count = slash < 0 ? USUAL_COUNT : Integer.parseInt(wish.substring(slash + 1));
    }

    /** Something that is killed and comes back on the same data. */
    private interface Victim {
        void killAndStart() throws Exception;
    }

    @Test
    void nothingAcknowledgedIsLostOnSqlite() throws Exception {
        try (Arena arena = arenas.own(options())) {
            crash(arena, List.of(part(arena, Part.ISSUER), part(arena, Part.ISSUER), part(arena, Part.EXT_AUTHZ)));
        }
    }

    @Test
    void nothingAcknowledgedIsLostOnPostgres() throws Exception {
        try (PostgresServer server = PostgresServer.start();
                Arena arena = arenas.own(Replicas.onPostgres(options(), server, server.createDatabase()))) {
            Victim database = () -> {
                server.kill();
                server.startAgain();
            };
            crash(arena, List.of(database, database, part(arena, Part.ISSUER), part(arena, Part.EXT_AUTHZ)));
        }
    }

    private StackOptions options() {
        return arenas.options(Setup.V0_0_TRUSTING)
                // A retry is always in time.
                .with(Part.ISSUER, "refresh.retry-grace", "1h")
                .with(Part.ISSUER, "limits.requests-per-minute", 1_000_000)
                .with(Part.ISSUER, "limits.burst", 1_000_000);
    }

    private static Victim part(Arena arena, Part part) {
        SallyportStack stack = arena.stack();
        return () -> {
            stack.kill(part);
            stack.start(part);
        };
    }

    private void crash(Arena arena, List<Victim> victims) throws Exception {
        String replay = "replay with ./test --crash " + seed + "/" + count + " e2e";
        Random random = new Random(seed);
        AtomicInteger operations = new AtomicInteger();
        Queue<String> failures = new ConcurrentLinkedQueue<>();
        List<CrashRun> runs = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        try {
            for (int i = 0; i < WORKERS; i++) {
                CrashRun run = new CrashRun(arena, "w" + i, new Random(random.nextLong()), failures);
                runs.add(run);
                threads.add(Thread.ofPlatform().start(() -> {
                    while (operations.getAndIncrement() < count) {
                        int before = run.acknowledged();
                        run.operate();
                        if (run.acknowledged() == before) {
                            // An outage that fails at once is not to use up all the operations.
                            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
                        }
                    }
                }));
            }
            for (int next = random.nextInt(OPERATIONS_PER_KILL);
                    next < count;
                    next += 1 + random.nextInt(2 * OPERATIONS_PER_KILL)) {
                int point = next;
                Eventually.holds("operation " + point + "; " + replay, () -> operations.get() >= point);
                victims.get(random.nextInt(victims.size())).killAndStart();
            }
        } finally {
            for (Thread thread : threads) {
                thread.join();
            }
        }
        Eventually.answers("everything is back; " + replay, "OK: ", () -> arena.ownConfig(arena.alpha()));
        runs.forEach(CrashRun::verify);
        runs.forEach(CrashRun::close);
        assertThat(failures).as(replay).isEmpty();
        assertThat(runs.stream().mapToInt(CrashRun::acknowledged).sum())
                .as("acknowledged of %s operations; %s", count, replay)
                .isGreaterThan(count / 60);
    }
}
