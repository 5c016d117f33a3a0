package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Setup;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;

/** What the issuer knows, ext-authz knows: at once, and after they had lost each other. */
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.BREAKABLE)
class FeedStackTest {
    /** Far below anything that used to be remembered, far above what a loaded machine takes. */
    private static final Duration SOON = Duration.ofSeconds(3);

    private final Arena arena;

    FeedStackTest(Arenas arenas) {
        this.arena = arenas.breakable(Setup.V0_0_TRUSTING);
    }

    @AfterEach
    void mend() {
        if (!arena.stack().isRunning(Part.ISSUER)) {
            arena.stack().start(Part.ISSUER);
        }
        await("OK: ", arena.beta(), Duration.ofSeconds(20));
    }

    @Test
    void whoIsDeletedIsOutAtOnce() {
        Caller caller = admitted();
        arena.stack().registry().delete(caller.id());
        await("UNAUTHENTICATED: ", caller, SOON);
    }

    @Test
    void whatHappenedWhileExtAuthzSleptIsMadeUpFor() {
        Caller caller = admitted();
        arena.stack().suspend(Part.EXT_AUTHZ);
        arena.stack().registry().delete(caller.id());
        arena.stack().resume(Part.EXT_AUTHZ);
        await("UNAUTHENTICATED: ", caller, SOON);
    }

    @Test
    void whoIsKnownGoesOnWithoutTheIssuerAndIsOutOnceItIsBackAndSaysSo() {
        Caller caller = admitted();
        arena.stack().kill(Part.ISSUER);
        assertThat(arena.ownConfig(caller).inWords()).isEqualTo("OK: ");
        arena.stack().start(Part.ISSUER);
        arena.stack().registry().delete(caller.id());
        await("UNAUTHENTICATED: ", caller, Duration.ofSeconds(10));
    }

    private Caller admitted() {
        Caller caller = arena.admit(KnownSandbox.parse("feed-" + Long.toHexString(System.nanoTime())));
        await("OK: ", caller, Duration.ofSeconds(10));
        return caller;
    }

    private void await(String answer, Caller caller, Duration within) {
        Instant end = Instant.now().plus(within);
        String last = arena.ownConfig(caller).inWords();
        while (!last.startsWith(answer) && Instant.now().isBefore(end)) {
            last = arena.ownConfig(caller).inWords();
        }
        assertThat(last).as(arena::logs).startsWith(answer);
    }
}
