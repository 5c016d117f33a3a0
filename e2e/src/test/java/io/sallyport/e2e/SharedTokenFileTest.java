package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.agent.FileTokenSource;
import io.sallyport.agent.SharedTokenFile;
import io.sallyport.agent.TokenUnavailableException;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.support.Supervisor;
import io.sallyport.e2e.support.Tools;
import io.sallyport.e2e.wire.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * A supervisor and {@code debug-rpc} refresh from one token file, one after the other and at once. The issuer forgives
 * nothing: whoever presented a token that is consumed would be refused.
 */
@ExtendWith(Arenas.Resolver.class)
class SharedTokenFileTest {
    /** While the supervisor only calls, and while it refreshes as fast as it can. */
    private static final int BESIDE_CALLS = 2;

    private static final int BESIDE_REFRESHES = 3;

    private final Arenas arenas;

    @TempDir
    private Path directory;

    SharedTokenFileTest(Arenas arenas) {
        this.arenas = arenas;
    }

    @Test
    void debugRpcBesideASupervisorStrandsNobody() throws Exception {
        try (Arena arena = arenas.own(arenas.options(Setup.V0_0_TRUSTING)
                .with(Part.ISSUER, "refresh.retry-grace", "0s")
                .with(Part.ISSUER, "limits.requests-per-minute", 1_000_000)
                .with(Part.ISSUER, "limits.burst", 1_000_000))) {
            Caller caller = arena.admit(KnownSandbox.parse("shared"));
            Path file = directory.resolve("token");
            Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            Files.writeString(file, caller.token());
            Work work = new Work();
            Thread supervisor = Thread.ofPlatform().start(() -> supervise(arena, caller, file, work));
            try {
                for (int i = 1; i <= BESIDE_CALLS; i++) {
                    assertThat(debugRpc(arena, file)).contains("written: " + file);
                    assertThat(generation(file)).isEqualTo(i);
                    int before = work.calls.get();
                    Eventually.holds("the supervisor goes on", () -> work.calls.get() > before + 1 || work.hasFailed());
                }
                work.refreshes = true;
                for (int i = 0; i < BESIDE_REFRESHES; i++) {
                    assertThat(debugRpc(arena, file)).contains("written: " + file);
                    int before = work.calls.get();
                    Eventually.holds("the supervisor goes on", () -> work.calls.get() > before + 1 || work.hasFailed());
                }
            } finally {
                work.enough = true;
                supervisor.join();
            }
            assertThat(work.failures).isEmpty();
            // Where the supervisor was quicker, debug-rpc takes what that has put there.
            assertThat(generation(file))
                    .as("every refresh went on from the one before")
                    .isBetween(
                            work.refreshed.get() + BESIDE_CALLS,
                            work.refreshed.get() + BESIDE_CALLS + BESIDE_REFRESHES);
            assertThat(Files.getPosixFilePermissions(file)).isEqualTo(PosixFilePermissions.fromString("rw-------"));
        }
    }

    /** What the supervisor is to do, and what it did. */
    private static final class Work {
        final AtomicInteger calls = new AtomicInteger();
        final AtomicInteger refreshed = new AtomicInteger();
        final List<String> failures = new CopyOnWriteArrayList<>();
        volatile boolean refreshes;
        volatile boolean enough;

        boolean hasFailed() {
            return !failures.isEmpty();
        }
    }

    private static int generation(Path file) throws IOException {
        return Integer.parseInt(Supervisor.claim(Files.readString(file).strip(), "gen"));
    }

    /** Calls and refreshes as a supervisor does that knows of others at its file. */
    private static void supervise(Arena arena, Caller caller, Path file, Work work) {
        FileTokenSource source = new FileTokenSource(file, InstantSource.system());
        SharedTokenFile shared = new SharedTokenFile(file, Duration.ofSeconds(60));
        try (Supervisor supervisor = new Supervisor(arena, caller)) {
            while (!work.enough && !work.hasFailed()) {
                String token = source.token();
                if (work.refreshes) {
                    token = shared.refresh(token, held -> {
                        supervisor.take(held);
                        Outcome outcome = supervisor.refresh();
                        if (!outcome.isOk()) {
                            throw new IllegalStateException("the supervisor's refresh: " + outcome.inWords());
                        }
                        work.refreshed.incrementAndGet();
                        return supervisor.token();
                    });
                }
                supervisor.take(token);
                Outcome outcome = supervisor.ask();
                if (!outcome.isOk()) {
                    work.failures.add("the supervisor's call: " + outcome.inWords());
                }
                work.calls.incrementAndGet();
            }
        } catch (TokenUnavailableException | RuntimeException | Error e) {
            work.failures.add(String.valueOf(e.getMessage()));
        }
    }

    /** As an operator types it; it must end well. */
    private List<String> debugRpc(Arena arena, Path file) throws IOException {
        Path app = arenas.root().resolve("supervisor-agent/target/app");
        return Tools.run(
                Map.of(
                        "OPENSHELL_ENDPOINT",
                        "http://" + arena.stack().endpoint(),
                        "OPENSHELL_SANDBOX_TOKEN_FILE",
                        file.toString()),
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "@" + app.resolve("jvm.options"),
                "-jar",
                app.resolve("sallyport-supervisor-agent.jar").toString(),
                "refresh");
    }
}
