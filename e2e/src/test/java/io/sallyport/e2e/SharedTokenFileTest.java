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
import java.util.concurrent.atomic.AtomicBoolean;
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
    private static final int DEBUG_CALLS = 4;

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
            AtomicInteger refreshes = new AtomicInteger();
            AtomicBoolean enough = new AtomicBoolean();
            List<String> failures = new CopyOnWriteArrayList<>();
            Thread supervisor = Thread.ofPlatform().start(() -> supervise(arena, caller, file, refreshes, enough, failures));
            try {
                for (int i = 0; i < DEBUG_CALLS; i++) {
                    int before = refreshes.get();
                    assertThat(debugRpc(arena, file, "refresh")).isNotEmpty();
                    Eventually.holds("the supervisor goes on", () -> refreshes.get() > before + 1 || !failures.isEmpty());
                }
            } finally {
                enough.set(true);
                supervisor.join();
            }
            assertThat(failures).isEmpty();
            assertThat(Supervisor.claim(Files.readString(file), "gen"))
                    .as("every refresh went on from the one before")
                    .isEqualTo(Integer.toString(refreshes.get() + DEBUG_CALLS));
            assertThat(Files.getPosixFilePermissions(file)).isEqualTo(PosixFilePermissions.fromString("rw-------"));
        }
    }

    /** Calls and refreshes as a supervisor does that knows of others at its file. */
    private static void supervise(
            Arena arena, Caller caller, Path file, AtomicInteger refreshes, AtomicBoolean enough, List<String> failures) {
        FileTokenSource source = new FileTokenSource(file, InstantSource.system());
        SharedTokenFile shared = new SharedTokenFile(file, Duration.ofSeconds(60));
        try (Supervisor supervisor = new Supervisor(arena, caller)) {
            while (!enough.get() && failures.isEmpty()) {
                String next = shared.refresh(source.token(), token -> {
                    supervisor.take(token);
                    Outcome outcome = supervisor.refresh();
                    if (!outcome.isOk()) {
                        throw new TokenUnavailableException("the supervisor's refresh: " + outcome.inWords());
                    }
                    refreshes.incrementAndGet();
                    return supervisor.token();
                });
                supervisor.take(next);
                Outcome outcome = supervisor.ask();
                if (!outcome.isOk()) {
                    failures.add("the supervisor's call: " + outcome.inWords());
                }
            }
        } catch (TokenUnavailableException | RuntimeException | Error e) {
            failures.add(String.valueOf(e.getMessage()));
        }
    }

    /** As an operator types it; it must end well. */
    private List<String> debugRpc(Arena arena, Path file, String command) throws IOException {
        Path app = arenas.root().resolve("supervisor-agent/target/app");
        return Tools.run(
                Map.of("OPENSHELL_ENDPOINT", "http://" + arena.stack().endpoint(), "OPENSHELL_SANDBOX_TOKEN_FILE", file.toString()),
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "@" + app.resolve("jvm.options"),
                "-jar",
                app.resolve("sallyport-supervisor-agent.jar").toString(),
                command);
    }
}
