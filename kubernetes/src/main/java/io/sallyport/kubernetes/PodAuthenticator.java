package io.sallyport.kubernetes;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.Authenticator;
import io.sallyport.identity.Digests;
import io.sallyport.identity.ForeignToken;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;

/**
 * Knows pods by their ServiceAccount tokens, and which sandbox each is: for the one method that a pod begins with. It
 * blocks, for as long as the API server takes.
 *
 * <p>The API server is spared what it need not be asked. A token is looked at here first: one that is not a JWT, not for
 * us, at its end, of another account, or not signed by a key that the cluster publishes is refused early; nothing is ever
 * accepted by that. A "no" is remembered for some seconds. Whoever comes with the same token at the same time waits for one
 * answer. So many are asked after at once, and no more; others wait for their turn, and are never told to slow down.
 */
public final class PodAuthenticator implements Authenticator, AutoCloseable {
    private static final String METHOD = "/IssueSandboxToken";

    /** As the API server's clock and ours may differ; what is in between is for it to say. */
    private static final Duration LEEWAY = Duration.ofSeconds(60);

    private static final Duration REMEMBER_NO = Duration.ofSeconds(10);
    private static final int REMEMBERED = 10_000;

    /** How many may wait for the answer about one token: a pod has no use for more, and the room is for all pods. */
    private static final int FOLLOWERS = 64;

    /** The most questions that one pod costs: the keys, and the four of {@link PodCheck} with one repeated. */
    private static final int QUESTIONS = 5;

    private static final String ACCOUNT = "system:serviceaccount:";

    private final KubernetesSettings settings;
    private final PodCheck check;
    private final ClusterKeys keys;
    private final InstantSource clock;
    private final Runnable end;
    private final Semaphore places;
    private final AtomicInteger waiting = new AtomicInteger();
    private final ConcurrentMap<String, Asking> underWay = new ConcurrentHashMap<>();
    private final Cache<String, Outcome> noes;

    PodAuthenticator(
            KubernetesSettings settings, Cluster cluster, InstantSource clock, LongSupplier nanos, Runnable end) {
        this.settings = settings;
        this.check = new PodCheck(cluster, settings);
        this.keys = new ClusterKeys(cluster, nanos);
        this.clock = clock;
        this.end = end;
        // Fair, so that nobody who came first waits for long.
        this.places = new Semaphore(settings.concurrent(), true);
        this.noes = Caffeine.newBuilder()
                .maximumSize(REMEMBERED)
                .expireAfterWrite(REMEMBER_NO)
                .ticker(nanos::getAsLong)
                .executor(Runnable::run)
                .build();
    }

    /**
     * Asks the cluster that the settings name; connects at the first question.
     *
     * @throws IllegalArgumentException when the settings do not say how to reach it
     */
    public static PodAuthenticator connect(KubernetesSettings settings, InstantSource clock, LongSupplier nanos) {
        ApiServerCluster cluster = ApiServerCluster.connect(settings.cluster());
        return new PodAuthenticator(settings, cluster, clock, nanos, cluster::close);
    }

    @Override
    public Outcome authenticate(Credential credential) {
        if (!credential.scheme().equals("bearer") || !credential.method().endsWith(METHOD)) {
            return new Outcome.Declined();
        }
        try {
            lookAt(ForeignToken.parse(credential.value()));
        } catch (RejectedException e) {
            return new Outcome.Rejected(e.reason(), e.detail());
        }
        String digest = Digests.sha256(settings.audience() + "\n" + credential.value());
        Outcome no = noes.getIfPresent(digest);
        return no != null ? no : askOnce(credential.value(), digest);
    }

    /** What can be seen without asking. */
    private void lookAt(ForeignToken token) throws RejectedException {
        if (!token.audience().contains(settings.audience())) {
            throw new RejectedException(Reason.POD_TOKEN_AUDIENCE, "not for " + settings.audience());
        }
        Instant expires = token.expiresAt();
        if (expires != null && !clock.instant().isBefore(expires.plus(LEEWAY))) {
            throw new RejectedException(Reason.POD_TOKEN_EXPIRED, "expired at " + expires);
        }
        if (!mayBeSandbox(token.subject())) {
            throw new RejectedException(Reason.POD_TOKEN_SUBJECT, "not of an account that sandboxes run as");
        }
        switch (keys.judge(token)) {
            case PLAUSIBLE -> {}
            case FORGED -> throw new RejectedException(Reason.POD_TOKEN_FORGED, "not signed by a key of the cluster's");
            case UNSURE ->
                throw new RejectedException(
                        Reason.CLUSTER_UNAVAILABLE, "the cluster did not publish the token's key a moment ago");
        }
    }

    private boolean mayBeSandbox(String subject) {
        if (!subject.startsWith(ACCOUNT)) {
            return false;
        }
        String[] parts = subject.substring(ACCOUNT.length()).split(":", -1);
        return parts.length == 2
                && settings.cluster().namespaces().accepts(parts[0])
                && settings.accounts().contains(parts[1]);
    }

    /** A token that is being asked about, and how many wait for that beside the one who asks. */
    private record Asking(CompletableFuture<Outcome> answer, AtomicInteger followers) {}

    private Outcome askOnce(String token, String digest) {
        Asking mine = new Asking(new CompletableFuture<>(), new AtomicInteger());
        Asking others = underWay.putIfAbsent(digest, mine);
        if (others != null) {
            return follow(others);
        }
        Outcome outcome = new Outcome.Rejected(Reason.INTERNAL, "the check of a pod failed");
        try {
            outcome = askInTurn(token);
            if (outcome instanceof Outcome.Rejected rejected && isNo(rejected.reason())) {
                noes.put(digest, outcome);
            }
        } finally {
            // Remembered first, forgotten then: nobody comes in between and asks again.
            underWay.remove(digest, mine);
            mine.answer().complete(outcome);
        }
        return outcome;
    }

    private static boolean isNo(Reason reason) {
        return reason.statusCode() == io.grpc.Status.Code.UNAUTHENTICATED;
    }

    private Outcome follow(Asking others) {
        if (others.followers().incrementAndGet() > FOLLOWERS) {
            return new Outcome.Rejected(
                    Reason.OVERLOADED, "more than " + FOLLOWERS + " calls with this token wait for an answer");
        }
        Duration longest = settings.turn().plus(settings.cluster().timeout().multipliedBy(QUESTIONS));
        try {
            return others.answer().get(longest.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException e) {
            return new Outcome.Rejected(Reason.CLUSTER_UNAVAILABLE, "another call with this token got no answer");
        } catch (InterruptedException e) {
            return interrupted();
        }
    }

    private Outcome askInTurn(String token) {
        try {
            if (!places.tryAcquire()) {
                if (waiting.incrementAndGet() > settings.waiting()) {
                    waiting.decrementAndGet();
                    return new Outcome.Rejected(
                            Reason.OVERLOADED, "more than " + settings.waiting() + " pods wait for the API server");
                }
                boolean admitted;
                try {
                    admitted = places.tryAcquire(settings.turn().toMillis(), TimeUnit.MILLISECONDS);
                } finally {
                    waiting.decrementAndGet();
                }
                if (!admitted) {
                    return new Outcome.Rejected(
                            Reason.CLUSTER_UNAVAILABLE,
                            "waited " + settings.turn() + " for the API server to answer others");
                }
            }
        } catch (InterruptedException e) {
            return interrupted();
        }
        try {
            return new Outcome.Authenticated(check.check(token));
        } catch (RejectedException e) {
            return new Outcome.Rejected(e.reason(), e.detail());
        } catch (ClusterUnavailableException e) {
            return new Outcome.Rejected(Reason.CLUSTER_UNAVAILABLE, String.valueOf(e.getMessage()));
        } finally {
            places.release();
        }
    }

    private static Outcome interrupted() {
        Thread.currentThread().interrupt();
        return new Outcome.Rejected(Reason.SHUTTING_DOWN, "");
    }

    /** Ends the connections to the API server. */
    @Override
    public void close() {
        end.run();
    }
}
