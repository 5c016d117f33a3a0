package io.sallyport.identity;

import static io.sallyport.identity.TestKeys.forge;
import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CachedSandboxTokensTest {
    private static final Instant START = Instant.ofEpochSecond(1_800_000_000);
    private static final String METHOD = "/s/m";

    private Instant now = START;
    private long nanos;
    /** How often the time was asked for: once in each verification that gets as far. */
    private final AtomicInteger verifications = new AtomicInteger();

    private CachedSandboxTokens cache = newCache(new CachedSandboxTokens.Size(100, 10, Duration.ofSeconds(5)));

    @BeforeEach
    void reset() {
        now = START;
        nanos = 0;
        verifications.set(0);
    }

    private CachedSandboxTokens newCache(CachedSandboxTokens.Size size) {
        InstantSource clock = () -> now;
        SandboxTokenVerifier verifier = new SandboxTokenVerifier(
                new GatewayId("local"),
                TestKeys.SET_A,
                new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), false),
                TestKeys.signatures(),
                clock);
        return new CachedSandboxTokens(new SandboxTokenAuthenticator(verifier), size, () -> nanos);
    }

    private static String token(String sandbox, long issued, long expires) {
        return forge(
                "{\"alg\":\"EdDSA\",\"kid\":\"key-a\"}",
                "{\"iss\":\"openshell-gateway:local\",\"aud\":\"openshell-gateway:local\",\"sub\":"
                        + "\"spiffe://openshell/sandbox/" + sandbox + "\",\"sandbox_id\":\"" + sandbox + "\",\"iat\":"
                        + (START.getEpochSecond() + issued) + ",\"exp\":" + (START.getEpochSecond() + expires) + "}",
                TestKeys.A);
    }

    private Outcome authenticate(String token) {
        return cache.authenticate(new Credential("bearer", token, METHOD));
    }

    private void pass(Duration time) {
        now = now.plus(time);
        nanos += time.toNanos();
    }

    private static Reason reason(@Nullable Outcome outcome) {
        assertThat(outcome).isInstanceOf(Outcome.Rejected.class);
        return outcome instanceof Outcome.Rejected rejected ? rejected.reason() : Reason.INTERNAL;
    }

    @Test
    void aGoodTokenIsKnownFromThenOnByEveryWayOfAsking() {
        String token = token("alpha", 0, 3600);
        byte[] bytes = token.getBytes(StandardCharsets.US_ASCII);
        assertThat(cache.peek(token)).isNull();

        Outcome first = authenticate(token);

        assertThat(first).isInstanceOf(Outcome.Authenticated.class);
        assertThat(cache.peek(token)).isSameAs(first);
        assertThat(cache.peek(bytes)).isSameAs(first);
        assertThat(cache.peek(ByteBuffer.wrap(bytes).asReadOnlyBuffer())).isSameAs(first);
        assertThat(authenticate(token)).isSameAs(first);
    }

    @Test
    void anotherTokenOrACutOneIsNotKnown() {
        String token = token("alpha", 0, 3600);
        authenticate(token);

        assertThat(cache.peek(token("beta", 0, 3600))).isNull();
        assertThat(cache.peek(token + "=")).isNull();
        assertThat(cache.peek(token.substring(1))).isNull();
        assertThat(cache.peek("")).isNull();
    }

    @Test
    void aKnownTokenExpiresOnTimeEvenWhenTheCacheHasNotNoticed() {
        String token = token("alpha", 0, 100);
        authenticate(token);

        now = START.plusSeconds(159);
        assertThat(cache.peek(token)).isInstanceOf(Outcome.Authenticated.class);
        now = START.plusSeconds(160);
        assertThat(reason(cache.peek(token))).isEqualTo(Reason.TOKEN_EXPIRED);
        assertThat(reason(authenticate(token))).isEqualTo(Reason.TOKEN_EXPIRED);
    }

    @Test
    void anExpiredTokenIsForgotten() {
        authenticate(token("alpha", 0, 100));
        assertThat(cache.size()).isEqualTo(1);

        pass(Duration.ofSeconds(160));

        assertThat(cache.size()).isZero();
        assertThat(reason(authenticate(token("alpha", 0, 100)))).isEqualTo(Reason.TOKEN_EXPIRED);
    }

    @Test
    void badTokensAreRememberedWithTheirReasonForSecondsOnly() {
        String bad = token("alpha", 0, 3600).replace("eyJ", "eyK");
        Outcome first = authenticate(bad);
        assertThat(first).isInstanceOf(Outcome.Rejected.class);
        assertThat(cache.peek(bad)).isSameAs(first);
        Outcome declined = authenticate("opaque");
        assertThat(declined).isInstanceOf(Outcome.Declined.class);
        assertThat(cache.peek("opaque")).isSameAs(declined);

        pass(Duration.ofSeconds(5));

        assertThat(cache.peek(bad)).isNull();
        assertThat(cache.peek("opaque")).isNull();
    }

    @Test
    void aTokenOfTheNearFutureIsNotHeldAgainstIt() {
        String token = token("alpha", 61, 3600);
        assertThat(reason(authenticate(token))).isEqualTo(Reason.TOKEN_NOT_YET_VALID);
        assertThat(cache.peek(token)).isNull();

        now = START.plusSeconds(1);

        assertThat(authenticate(token)).isInstanceOf(Outcome.Authenticated.class);
    }

    @Test
    void aFloodOfBadTokensPushesOutNoGoodOne() {
        String token = token("alpha", 0, 3600);
        Outcome good = authenticate(token);

        for (int i = 0; i < 5_000; i++) {
            authenticate("a.b.c" + i);
        }

        assertThat(cache.peek(token)).isSameAs(good);
        assertThat(cache.size()).isLessThanOrEqualTo(11);
    }

    @Test
    void whatIsRememberedIsBounded() {
        cache = newCache(new CachedSandboxTokens.Size(5, 5, Duration.ofSeconds(5)));

        for (int i = 0; i < 50; i++) {
            assertThat(authenticate(token("s" + i, 0, 3600))).isInstanceOf(Outcome.Authenticated.class);
        }

        assertThat(cache.size()).isLessThanOrEqualTo(5);
    }

    @Test
    void aBearerCheckedUnderAnotherSchemeIsNotTheSame() {
        String token = token("alpha", 0, 3600);
        authenticate(token);

        assertThat(cache.authenticate(new Credential("basic", token, METHOD))).isInstanceOf(Outcome.Declined.class);
    }

    @Test
    void manyWithTheSameNewTokenWaitForOneVerification() throws Exception {
        String token = token("alpha", 0, 3600);
        int callers = 32;
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        InstantSource slow = () -> {
            if (verifications.getAndIncrement() == 0) {
                inside.countDown();
                try {
                    release.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            }
            return START;
        };
        SandboxTokenVerifier verifier = new SandboxTokenVerifier(
                new GatewayId("local"),
                TestKeys.SET_A,
                new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), false),
                TestKeys.signatures(),
                slow);
        cache = new CachedSandboxTokens(
                new SandboxTokenAuthenticator(verifier), CachedSandboxTokens.Size.DEFAULT, () -> 0);
        List<Outcome> outcomes = new ArrayList<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Outcome>> waiting = new ArrayList<>();
            Callable<Outcome> call = () -> authenticate(token);
            waiting.add(threads.submit(call));
            inside.await();
            for (int i = 1; i < callers; i++) {
                waiting.add(threads.submit(call));
            }
            release.countDown();
            for (Future<Outcome> each : waiting) {
                outcomes.add(each.get());
            }
        }

        assertThat(outcomes)
                .hasSize(callers)
                .allSatisfy(outcome ->
                        assertThat(outcome).isSameAs(outcomes.getFirst()).isInstanceOf(Outcome.Authenticated.class));
    }
}
