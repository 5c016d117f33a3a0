package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import com.nimbusds.jose.jwk.ECKey;
import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the API server is not asked, and how it is spared. */
@Timeout(120)
class PodAuthenticatorGuardTest {
    private static final Instant NOW = Instant.parse("2026-11-24T12:00:00Z");

    private final FakeCluster cluster = new FakeCluster();
    private final AtomicLong nanos = new AtomicLong();
    private final PodAuthenticator authenticator = authenticator(4, 16, Duration.ofSeconds(60));

    private PodAuthenticator authenticator(int concurrent, int waiting, Duration timeout) {
        return new PodAuthenticator(
                new KubernetesSettings(
                        new ClusterSettings(
                                new ClusterAccess.Kubeconfig(Path.of("nowhere")),
                                Namespaces.exactly("sandboxes"),
                                timeout),
                        "openshell-gateway",
                        Set.of("openshell-sandbox"),
                        true,
                        timeout,
                        concurrent,
                        waiting),
                cluster,
                () -> NOW,
                nanos::get,
                () -> {});
    }

    private Outcome show(String token) {
        return show(authenticator, token);
    }

    private static Outcome show(PodAuthenticator to, String token) {
        return to.authenticate(new Credential("bearer", token, "/openshell.v1.OpenShell/IssueSandboxToken"));
    }

    private static Reason reason(Outcome outcome) {
        assertThat(outcome).isInstanceOf(Outcome.Rejected.class);
        return ((Outcome.Rejected) outcome).reason();
    }

    private String good(String id) {
        return cluster.token(NOW.plusSeconds(60), id);
    }

    private void pass(Duration time) {
        nanos.addAndGet(time.toNanos());
    }

    @Test
    void forgeriesThatLookRightAreNeverAskedAbout() {
        ECKey another = FakeCluster.key("key-1");
        assertThat(show(good("first"))).isInstanceOf(Outcome.Authenticated.class);
        for (int i = 0; i < 1_000; i++) {
            assertThat(reason(show(FakeCluster.token(
                            another, FakeCluster.SUBJECT, "openshell-gateway", NOW.plusSeconds(60), "forged-" + i))))
                    .isEqualTo(Reason.POD_TOKEN_FORGED);
        }
        assertThat(cluster.reviews).hasValue(1);
        assertThat(cluster.fetches).hasValue(1);
    }

    @Test
    void forgeriesUnderUnknownKeysCostAFetchEveryFewSeconds() {
        assertThat(show(good("first"))).isInstanceOf(Outcome.Authenticated.class);
        for (int i = 0; i < 100; i++) {
            String forged = FakeCluster.token(
                    FakeCluster.key("key-" + i + "-unknown"),
                    FakeCluster.SUBJECT,
                    "openshell-gateway",
                    NOW.plusSeconds(60),
                    "x");
            assertThat(reason(show(forged))).isIn(Reason.POD_TOKEN_FORGED, Reason.CLUSTER_UNAVAILABLE);
            pass(Duration.ofMillis(100));
        }
        assertThat(cluster.reviews).hasValue(1);
        assertThat(cluster.fetches.get()).isBetween(2, 4);
    }

    @Test
    void honestTokensAreKnownSoonAfterTheClustersKeysChange() {
        assertThat(show(good("before"))).isInstanceOf(Outcome.Authenticated.class);
        cluster.key = FakeCluster.key("key-2");
        // Nobody can tell yet, so it is not told no.
        assertThat(reason(show(good("after")))).isEqualTo(Reason.CLUSTER_UNAVAILABLE);
        pass(Duration.ofSeconds(6));
        assertThat(show(good("after"))).isInstanceOf(Outcome.Authenticated.class);
    }

    @Test
    void withoutPublishedKeysTheApiServerIsAsked() {
        cluster.keysAway = true;
        assertThat(show(good("one"))).isInstanceOf(Outcome.Authenticated.class);
        cluster.knows = false;
        assertThat(reason(show(FakeCluster.token(
                        FakeCluster.key("key-1"), FakeCluster.SUBJECT, "openshell-gateway", NOW.plusSeconds(9), "x"))))
                .isEqualTo(Reason.REVIEW_REFUSED);
    }

    @Test
    void aGoodSignatureLetsNobodyIn() {
        cluster.knows = false;
        assertThat(reason(show(good("one")))).isEqualTo(Reason.REVIEW_REFUSED);
    }

    @Test
    void whatTheApiServerSaysIsNotRepeatedWithTheToken() {
        cluster.knows = false;
        String token = good("one");
        assertThat(show(token).toString()).doesNotContain(token);
    }

    @Test
    void endedTokensAreNotAskedAboutButForAMinute() {
        assertThat(reason(show(cluster.token(NOW.minusSeconds(60), "old")))).isEqualTo(Reason.POD_TOKEN_EXPIRED);
        assertThat(cluster.reviews).hasValue(0);
        // Whose clock is right is for the API server to say.
        assertThat(show(cluster.token(NOW.minusSeconds(59), "older"))).isInstanceOf(Outcome.Authenticated.class);
    }

    @Test
    void strangersAreNotAskedAbout() {
        List<String> subjects = List.of(
                "system:serviceaccount:others:openshell-sandbox",
                "system:serviceaccount:sandboxes:default",
                "system:serviceaccount:sandboxes",
                "system:serviceaccount:sandboxes:openshell-sandbox:x",
                "system:node:sandboxes:openshell-sandbox",
                "");
        for (String subject : subjects) {
            assertThat(reason(show(
                            FakeCluster.token(cluster.key, subject, "openshell-gateway", NOW.plusSeconds(60), "x"))))
                    .as(subject)
                    .isEqualTo(Reason.POD_TOKEN_SUBJECT);
        }
        assertThat(reason(show(FakeCluster.token(
                        cluster.key, FakeCluster.SUBJECT, "openshell-gateway2", NOW.plusSeconds(60), "x"))))
                .isEqualTo(Reason.POD_TOKEN_AUDIENCE);
        assertThat(cluster.reviews).hasValue(0);
    }

    @Test
    void aNoIsRememberedForAWhileAndAYesNever() {
        cluster.knows = false;
        String token = good("one");
        assertThat(reason(show(token))).isEqualTo(Reason.REVIEW_REFUSED);
        assertThat(reason(show(token))).isEqualTo(Reason.REVIEW_REFUSED);
        assertThat(cluster.reviews).hasValue(1);
        cluster.knows = true;
        pass(Duration.ofSeconds(11));
        assertThat(show(token)).isInstanceOf(Outcome.Authenticated.class);
        assertThat(show(token)).isInstanceOf(Outcome.Authenticated.class);
        assertThat(cluster.reviews).hasValue(3);
    }

    @Test
    void thatNobodyAnsweredIsNotRemembered() {
        cluster.away = true;
        String token = good("one");
        assertThat(reason(show(token))).isEqualTo(Reason.CLUSTER_UNAVAILABLE);
        cluster.away = false;
        assertThat(show(token)).isInstanceOf(Outcome.Authenticated.class);
    }

    @Test
    void oneTokenShownManyTimesIsAskedAboutOnce() throws Exception {
        CountDownLatch gate = new CountDownLatch(1);
        cluster.gate = gate;
        String token = good("one");
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Outcome>> calls = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                calls.add(threads.submit(() -> show(token)));
            }
            while (cluster.underWay.get() == 0) {
                Thread.onSpinWait();
            }
            gate.countDown();
            for (Future<Outcome> call : calls) {
                assertThat(call.get()).isInstanceOf(Outcome.Authenticated.class);
            }
        }
        // Who came after the answer asks again: at worst everybody who was late to start.
        assertThat(cluster.mostUnderWay).hasValue(1);
    }

    /** One pod's calls take no more of the room that all pods share than one pod needs. */
    @Test
    void callsWithOneTokenTakeOnlySoMuchRoom() throws Exception {
        CountDownLatch gate = new CountDownLatch(1);
        cluster.gate = gate;
        String token = good("one");
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Outcome>> calls = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                calls.add(threads.submit(() -> show(token)));
            }
            // One asks and 64 wait for its answer.
            while (calls.stream().filter(Future::isDone).count() < 35) {
                Thread.onSpinWait();
            }
            gate.countDown();
            int served = 0;
            for (Future<Outcome> call : calls) {
                switch (call.get()) {
                    case Outcome.Authenticated _ -> served++;
                    case Outcome outcome -> assertThat(reason(outcome)).isEqualTo(Reason.OVERLOADED);
                }
            }
            assertThat(served).isEqualTo(65);
        }
    }

    @Test
    void manyPodsWaitForTheirTurnAndAllGetOne() throws Exception {
        PodAuthenticator patient = authenticator(4, 200, Duration.ofSeconds(60));
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Outcome>> calls = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                String token = good("pod-" + i);
                calls.add(threads.submit(() -> show(patient, token)));
            }
            for (Future<Outcome> call : calls) {
                assertThat(call.get()).isInstanceOf(Outcome.Authenticated.class);
            }
        }
        assertThat(cluster.mostUnderWay.get()).isLessThanOrEqualTo(4);
    }

    @Test
    void whoWaitsInVainIsNotToldNo() throws Exception {
        CountDownLatch gate = new CountDownLatch(1);
        cluster.gate = gate;
        PodAuthenticator narrow = authenticator(1, 1, Duration.ofMillis(50));
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            String stuck = good("stuck");
            var _ = threads.submit(() -> show(narrow, stuck));
            while (cluster.underWay.get() == 0) {
                Thread.onSpinWait();
            }
            assertThat(reason(show(narrow, good("waits")))).isEqualTo(Reason.CLUSTER_UNAVAILABLE);
            gate.countDown();
        }
    }

    @Test
    void moreThanMayWaitAreSentAway() throws Exception {
        CountDownLatch gate = new CountDownLatch(1);
        cluster.gate = gate;
        PodAuthenticator narrow = authenticator(1, 2, Duration.ofSeconds(60));
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Outcome>> calls = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                String token = good("pod-" + i);
                calls.add(threads.submit(() -> show(narrow, token)));
            }
            // One is under way and two wait: five are sent away while nothing moves.
            while (calls.stream().filter(Future::isDone).count() < 5) {
                Thread.onSpinWait();
            }
            for (Future<Outcome> call : calls) {
                if (call.isDone()) {
                    assertThat(reason(call.get())).isEqualTo(Reason.OVERLOADED);
                }
            }
            gate.countDown();
            int served = 0;
            for (Future<Outcome> call : calls) {
                served += call.get() instanceof Outcome.Authenticated ? 1 : 0;
            }
            assertThat(served).isEqualTo(3);
        }
    }
}
