package io.sallyport.e2e;

import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.support.Supervisor;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** A sandbox that is stopped may nothing, and goes on where it was once it is started again. */
@ParameterizedClass(name = "{0}")
@EnumSource(
        value = Setup.class,
        names = {"V0_0_TRUSTING", "V0_1_UNCHANGED"})
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class StoppedSandboxTest {
    private final Arena arena;

    StoppedSandboxTest(Setup setup, Arenas arenas) {
        this.arena = arenas.shared(setup);
    }

    @Test
    void stoppedIsRefusedAndStartedGoesOn() {
        KnownSandbox sandbox = new KnownSandbox("id-" + UUID.randomUUID(), "default", "sb-" + UUID.randomUUID());
        try (Supervisor supervisor = new Supervisor(arena, arena.admit(sandbox))) {
            Eventually.answers("it works", "OK: ", supervisor::ask);
            Eventually.answers("and refreshes", "OK: ", supervisor::refresh);

            arena.stack().registry().setState(sandbox.id(), SandboxState.SANDBOX_STATE_STOPPED);
            Eventually.refuses("a call of a stopped sandbox", Reason.SANDBOX_STOPPED, supervisor::ask);
            arena.refused(Reason.SANDBOX_STOPPED, supervisor::ask);
            arena.refused(Reason.SANDBOX_STOPPED, supervisor::refresh);

            arena.stack().registry().setState(sandbox.id(), SandboxState.SANDBOX_STATE_ACTIVE);
            Eventually.answers("a call of a started sandbox", "OK: ", supervisor::ask);
            Eventually.answers("a refresh of a started sandbox", "OK: ", supervisor::refresh);
        }
    }
}
