package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.GuardedStream;
import io.sallyport.e2e.support.GuardedStream.Method;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.TokenForge;
import java.time.Instant;
import java.util.UUID;
import java.util.function.BiFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Who may not open a stream at all: of such a one the gateway does not even see the headers. */
@ParameterizedClass(name = "{0}")
@EnumSource(
        value = Setup.class,
        names = {"V0_0_UNCHANGED", "V0_1_TRUSTING"})
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class StreamOpeningTest {
    private final Arena arena;

    StreamOpeningTest(Setup setup, Arenas arenas) {
        this.arena = arenas.shared(setup);
    }

    /** The headers of a stream that is not to open. */
    @SuppressWarnings("ImmutableEnumChecker") // a lambda over nothing
    enum Wrong {
        NO_CREDENTIAL(Reason.NO_CREDENTIAL, (arena, headers) -> headers),
        A_USERS_CREDENTIAL(Reason.CREDENTIAL_UNKNOWN, (arena, headers) -> headers.bearer("a-user-of-the-gateway")),
        ANOTHER_SCHEME(
                Reason.CREDENTIAL_SCHEME,
                (arena, headers) ->
                        headers.add("authorization", "Basic " + arena.alpha().token())),
        TWO_CREDENTIALS(
                Reason.SEVERAL_CREDENTIALS,
                (arena, headers) -> headers.bearer(arena.alpha().token())
                        .bearer(arena.beta().token())),
        A_FORGED_TOKEN(
                Reason.TOKEN_SIGNATURE,
                (arena, headers) -> headers.bearer(
                        arena.forge().withStrangersKey().token("alpha-id").signed())),
        ANOTHER_GATEWAYS_TOKEN(
                Reason.TOKEN_ISSUER,
                (arena, headers) -> headers.bearer(arena.forge()
                        .token("alpha-id")
                        .claim("iss", TokenForge.quote("openshell-gateway:elsewhere"))
                        .claim("aud", TokenForge.quote("openshell-gateway:elsewhere"))
                        .signed())),
        AN_EXPIRED_TOKEN(Reason.TOKEN_EXPIRED, (arena, headers) -> {
            long now = Instant.now().getEpochSecond();
            return headers.bearer(arena.forge()
                    .token("alpha-id")
                    .claim("iat", Long.toString(now - 7200))
                    .claim("exp", Long.toString(now - 3600))
                    .signed());
        }),
        ANOTHER_SANDBOX_IN_A_HEADER(
                Reason.SANDBOX_HEADER,
                (arena, headers) -> headers.bearer(arena.alpha().token()).add("x-sandbox-id", "beta-id")),
        A_SANDBOX_THAT_IS_NOT_KNOWN(
                Reason.SANDBOX_UNKNOWN,
                (arena, headers) -> headers.bearer(arena.forge().token("nobody").signed()));

        private final Reason reason;
        private final BiFunction<Arena, Headers, Headers> change;

        Wrong(Reason reason, BiFunction<Arena, Headers, Headers> change) {
            this.reason = reason;
            this.change = change;
        }
    }

    private static Stream<Arguments> wrong() {
        return Stream.of(Method.values())
                .flatMap(method -> Stream.of(Wrong.values()).map(wrong -> Arguments.of(method, wrong)));
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("wrong")
    void doesNotOpen(Method method, Wrong wrong) {
        arena.refused(wrong.reason, () -> open(method, wrong.change.apply(arena, Headers.grpc(method.path()))));
    }

    @ParameterizedTest
    @EnumSource(Method.class)
    void aStoppedSandboxOpensNothingAndADeletedOneNeither(Method method) {
        KnownSandbox sandbox = KnownSandbox.parse("sb-" + UUID.randomUUID());
        Caller caller = arena.admit(sandbox);
        Headers headers = Headers.grpc(method.path()).bearer(caller.token());
        try (RawHttp2 connection = arena.connect()) {
            GuardedStream.open(arena, connection, method, caller.token())
                    .send(method.hello(caller.id()))
                    .awaitReached();
        }

        arena.stack().registry().setState(sandbox.id(), SandboxState.SANDBOX_STATE_STOPPED);
        Eventually.refuses("a stopped sandbox", Reason.SANDBOX_STOPPED, () -> open(method, headers));
        arena.refused(Reason.SANDBOX_STOPPED, () -> open(method, headers));

        arena.stack().registry().delete(sandbox.id());
        Eventually.refuses("a deleted sandbox", Reason.SANDBOX_DELETED, () -> open(method, headers));
        arena.refused(Reason.SANDBOX_DELETED, () -> open(method, headers));
    }

    /** Headers and a first message, and never an end: the answer must come all the same. */
    private Outcome open(Method method, Headers headers) {
        try (RawHttp2 connection = arena.connect()) {
            return connection
                    .open(headers, false)
                    .data(method.hello("alpha-id"), false)
                    .await();
        }
    }

    /** A content type that hides what the messages are, and an encoding that would. */
    @ParameterizedTest
    @EnumSource(Method.class)
    void messagesMustBeReadable(Method method) {
        long before = arena.stack().gateway().count();
        Outcome outcome = open(
                method,
                Headers.grpc(method.path())
                        .set("content-type", "application/grpc-web")
                        .bearer(arena.alpha().token()));
        assertThat(outcome.isOk()).isFalse();
        arena.assertNothingSince(before);
    }
}
