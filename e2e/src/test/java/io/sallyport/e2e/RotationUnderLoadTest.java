package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.stack.StackException;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.support.Supervisor;
import io.sallyport.e2e.wire.Outcome;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** Both kinds of keys are rotated, from prepare to retire, while many supervisors work: nobody notices. */
@ExtendWith(Arenas.Resolver.class)
@Timeout(300)
class RotationUnderLoadTest {
    private static final int CLIENTS = 50;
    private static final int CALLS = 10_000;

    /** Of the calls, one in so many is a refresh. */
    private static final int REFRESH_EVERY = 3;

    private static final Pattern KEY_ID = Pattern.compile("\"kid\":\\s*\"([^\"]+)\"");

    private final Arenas arenas;
    private final Queue<String> failures = new ConcurrentLinkedQueue<>();
    private final AtomicInteger calls = new AtomicInteger();
    private final AtomicBoolean rotated = new AtomicBoolean();

    RotationUnderLoadTest(Arenas arenas) {
        this.arenas = arenas;
    }

    @Test
    void nobodyNoticesARotation() throws Exception {
        try (Arena arena = arenas.own(arenas.options(Setup.V0_0_TRUSTING)
                .with(Part.EXT_AUTHZ, "keys.poll", "50ms")
                .with(Part.ISSUER, "keys.poll", "50ms")
                .with(Part.ISSUER, "keys.jwks-max-age", "1s")
                .with(Part.ISSUER, "refresh.retry-grace", "1s")
                .with(Part.ISSUER, "limits.requests-per-minute", 1_000_000)
                .with(Part.ISSUER, "limits.burst", 1_000_000))) {
            SallyportStack stack = arena.stack();
            List<Supervisor> supervisors = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                supervisors.add(new Supervisor(arena, arena.admit(KnownSandbox.parse("client-" + i))));
            }
            List<Thread> threads = supervisors.stream()
                    .map(supervisor -> Thread.ofPlatform().start(() -> work(supervisor)))
                    .toList();
            String first;
            String second;
            try {
                first = keyIdOf(supervisors.getFirst().token());
                assertThat(publishedKeys(stack)).containsExactly(first);
                awaitCalls(CALLS / 10);

                second = step(stack, stack.tokenKeys(), "prepare");
                Eventually.holds(
                        "the new key is published", () -> publishedKeys(stack).equals(Set.of(first, second)));
                String secondAssertion = step(stack, stack.assertionKeys(), "prepare");
                assertThat(signers(supervisors))
                        .as("a prepared key does not sign")
                        .containsExactly(first);

                assertThat(stepWhenDue(stack, stack.tokenKeys(), "activate")).isEqualTo(second);
                assertThat(stepWhenDue(stack, stack.assertionKeys(), "activate"))
                        .isEqualTo(secondAssertion);
                Eventually.holds(
                        "everybody has a token of the new key",
                        () -> signers(supervisors).equals(Set.of(second)));
                assertThat(publishedKeys(stack))
                        .as("the old key is still good")
                        .containsExactlyInAnyOrder(first, second);

                assertThat(stepWhenDue(stack, stack.tokenKeys(), "retire")).isEqualTo(first);
                String firstAssertion = stepWhenDue(stack, stack.assertionKeys(), "retire");
                assertThat(firstAssertion).isNotEqualTo(secondAssertion);
                assertThat(stack.tokenKeys().resolve(first).resolve("signing.pem"))
                        .doesNotExist();
                assertThat(stack.assertionKeys().resolve(firstAssertion).resolve("signing.pem"))
                        .doesNotExist();
                awaitCalls(calls.get() + CALLS / 10);
                assertThat(publishedKeys(stack))
                        .as("what it signed is still good")
                        .containsExactlyInAnyOrder(first, second);
            } finally {
                rotated.set(true);
                for (Thread thread : threads) {
                    thread.join();
                }
            }
            assertThat(failures).as("of %s calls", calls).isEmpty();
            assertThat(calls.get()).isGreaterThanOrEqualTo(CALLS);
            for (Supervisor supervisor : supervisors) {
                assertThat(supervisor.refresh().inWords()).isEqualTo("OK: ");
                assertThat(supervisor.ask().inWords()).isEqualTo("OK: ");
                assertThat(keyIdOf(supervisor.token())).isEqualTo(second);
                supervisor.close();
            }
        }
    }

    /** Until there were enough calls and the rotation is over. */
    private void work(Supervisor supervisor) {
        try {
            for (int i = 0; !rotated.get() || calls.get() < CALLS; i++) {
                boolean refreshes = i % REFRESH_EVERY == 0;
                Outcome outcome = refreshes ? supervisor.refresh() : supervisor.ask();
                if (!outcome.isOk()) {
                    failures.add((refreshes ? "refresh: " : "call: ") + outcome.inWords());
                }
                calls.incrementAndGet();
            }
        } catch (RuntimeException | Error e) {
            failures.add(e.toString());
        }
    }

    private void awaitCalls(int wanted) {
        Eventually.holds("there were " + wanted + " calls", () -> calls.get() >= wanted);
    }

    /** Who signed the tokens that are now in use. */
    private static Set<String> signers(List<Supervisor> supervisors) {
        Set<String> keyIds = new TreeSet<>();
        supervisors.forEach(supervisor -> keyIds.add(keyIdOf(supervisor.token())));
        return keyIds;
    }

    private static String keyIdOf(String token) {
        return Supervisor.claim(token, "kid");
    }

    /** Repeats a step that may still be too early. */
    private static String stepWhenDue(SallyportStack stack, Path keys, String step) {
        return Eventually.succeeds(step, StackException.class, () -> step(stack, keys, step));
    }

    /** What an operator types; the key that it is about. */
    private static String step(SallyportStack stack, Path keys, String step) {
        List<String> command = List.of(
                "keys",
                "rotate",
                keys.toString(),
                step,
                "--retry-grace",
                "1s",
                "--config",
                stack.settingsFile(Part.ISSUER).toString());
        String said = stack.runProgram("token-issuer", 0, command).getLast();
        assertThat(said).startsWith("kid=");
        return said.substring("kid=".length(), said.indexOf(' '));
    }

    private static Set<String> publishedKeys(SallyportStack stack) {
        try (HttpClient http = HttpClient.newHttpClient()) {
            String body = http.send(
                            HttpRequest.newBuilder(URI.create(stack.jwksUrl())).build(),
                            HttpResponse.BodyHandlers.ofString())
                    .body();
            assertThat(body).as("public halves only").doesNotContain("\"d\"");
            Set<String> keyIds = new TreeSet<>();
            Matcher matcher = KEY_ID.matcher(body);
            while (matcher.find()) {
                keyIds.add(matcher.group(1));
            }
            return keyIds;
        } catch (IOException e) {
            throw new AssertionError("the published keys cannot be read", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }
}
