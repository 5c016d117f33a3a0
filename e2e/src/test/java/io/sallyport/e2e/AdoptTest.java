package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.InvalidProtocolBufferException;
import io.sallyport.api.openshell00.RefreshSandboxTokenResponse;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.AuditTail;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/** A gateway of today mints bootstrap tokens itself and tells nobody: its sandboxes become known by their first call. */
@ExtendWith(Arenas.Resolver.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class AdoptTest {
    private static final String REFRESH = Arena.OPEN_SHELL + "RefreshSandboxToken";
    private static final String GET_DRAFT = Arena.OPEN_SHELL + "GetDraftPolicy";

    private final Arenas arenas;
    private Arena arena;

    AdoptTest(Arenas arenas) {
        this.arenas = arenas;
    }

    @BeforeAll
    void start() {
        arena = arenas.own(arenas.options(Setup.V0_0_TRUSTING)
                .with(Part.ISSUER, "records", "adopt")
                .with(Part.ISSUER, "limits.burst", 100));
    }

    @AfterAll
    void stop() {
        arena.close();
    }

    /** A sandbox that only the gateway knows, with the token that the gateway minted for it. */
    private Caller unheardOf(String id) {
        KnownSandbox sandbox = KnownSandbox.parse(id);
        arena.stack().gateway().know(sandbox);
        return new Caller(sandbox, gatewaysToken(id));
    }

    private String gatewaysToken(String id) {
        return arena.forge().token(id).withoutClaim("jti").signed();
    }

    private Outcome refresh(String token) {
        return arena.call(Headers.grpc(REFRESH).bearer(token), Wire.message().framed());
    }

    private Outcome draft(Caller caller, String name) {
        return arena.call(
                Headers.grpc(GET_DRAFT).bearer(caller.token()),
                Wire.message().string(1, name).framed());
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

    private static String refusal(Reason reason) {
        return reason.statusCode() + ": " + reason.text();
    }

    @Test
    void aSandboxBecomesKnownByItsFirstCallAndRefreshesFromThen() {
        Caller newcomer = unheardOf("adopted-1");
        AuditTail audit = new AuditTail(arena.stack().auditLog(Part.ISSUER));

        assertThat(arena.ownConfig(newcomer).inWords()).isEqualTo("OK: ");

        assertThat(audit.next(Reason.SANDBOX_ADOPTED))
                .containsEntry("event", "adopted")
                .containsEntry("sandbox_asked", "adopted-1");
        String first = token(refresh(newcomer.token()));
        assertThat(token(refresh(newcomer.token()))).as("a lost answer").isEqualTo(first);
        assertThat(token(refresh(first))).isNotEqualTo(first);
    }

    @Test
    void aRefreshMayBeTheFirstCall() {
        assertThat(token(refresh(unheardOf("adopted-2").token()))).isNotEmpty();
    }

    @Test
    void oneSandboxIsNotAnotherHere() {
        Caller newcomer = unheardOf("adopted-3");
        assertThat(arena.ownConfig(newcomer).inWords()).isEqualTo("OK: ");

        arena.refused(
                Reason.CROSS_SANDBOX,
                () -> arena.ownConfig(new Caller(arena.beta().sandbox(), newcomer.token())));
    }

    @Test
    void rulesAboutNamesWaitForSomebodyToNameIt() {
        Caller newcomer = unheardOf("adopted-4");
        assertThat(arena.ownConfig(newcomer).inWords()).isEqualTo("OK: ");
        arena.refused(Reason.NAME_NOT_OWNED, () -> draft(newcomer, "adopted-4"));
        arena.refused(Reason.NAME_NOT_OWNED, () -> draft(newcomer, ""));

        arena.stack().registry().register(newcomer.sandbox());

        long end = System.nanoTime() + 10_000_000_000L;
        Outcome outcome = draft(newcomer, "adopted-4");
        while (!outcome.isOk() && System.nanoTime() < end) {
            outcome = draft(newcomer, "adopted-4");
        }
        assertThat(outcome.inWords()).as("once the news has arrived").isEqualTo("OK: ");
    }

    @Test
    void whatAnOperatorDeletedIsNotAdoptedAgain() {
        Caller newcomer = unheardOf("adopted-5");
        assertThat(arena.ownConfig(newcomer).inWords()).isEqualTo("OK: ");

        arena.stack().registry().delete("adopted-5");

        long end = System.nanoTime() + 10_000_000_000L;
        Outcome outcome = arena.ownConfig(newcomer);
        while (outcome.isOk() && System.nanoTime() < end) {
            outcome = arena.ownConfig(newcomer);
        }
        assertThat(outcome.inWords()).isEqualTo(refusal(Reason.SANDBOX_DELETED));
        Caller again = new Caller(newcomer.sandbox(), gatewaysToken("adopted-5"));
        assertThat(arena.ownConfig(again).inWords()).isEqualTo(refusal(Reason.SANDBOX_DELETED));
        assertThat(refresh(again.token()).inWords()).isEqualTo(refusal(Reason.SANDBOX_DELETED));
    }

    @Test
    void aTokenWithoutEndIsStillRefused() {
        unheardOf("adopted-6");
        String endless = arena.forge().token("adopted-6").claim("exp", "0").signed();

        arena.refused(
                Reason.TOKEN_NO_EXPIRY, () -> arena.ownConfig(new Caller(KnownSandbox.parse("adopted-6"), endless)));
    }

    @Test
    void aTokenThatAnIssuerMintedAdoptsNothing() {
        Caller stranger = new Caller(
                KnownSandbox.parse("adopted-7"),
                arena.forge()
                        .token("adopted-7")
                        .claim("lin", "\"0123456789abcdef\"")
                        .claim("gen", "0")
                        .signed());

        arena.refused(Reason.SANDBOX_UNKNOWN, () -> arena.ownConfig(stranger));
    }
}
