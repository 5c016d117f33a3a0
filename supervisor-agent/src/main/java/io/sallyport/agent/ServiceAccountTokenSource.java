package io.sallyport.agent;

import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A sandbox token that a pod's ServiceAccount token was exchanged for: once, at the first call, however many ask at once,
 * and again when the gateway no longer takes what came of it.
 *
 * <p>The file is read at each exchange, because the kubelet replaces what is in it, and what it holds is given to the
 * {@link Exchange} alone. Between two exchanges there is a pause, one second at first and doubled as long as they come
 * close together, or longer if the gateway says so: a gateway that refuses every token, or none has reached, is not
 * stormed. In the pause every caller gets the answer that the last one got.
 */
public final class ServiceAccountTokenSource implements TokenSource {
    private static final String REMEDY = "mount the pod's projected ServiceAccount token there, readable by this user";
    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

    /** A hint beyond this is not believed. */
    private static final Duration LONGEST_HINT = Duration.ofMinutes(5);

    /** Exchanges further apart than this have nothing to do with each other. */
    private static final Duration CALM = Duration.ofMinutes(2);

    /** Seconds, as in HTTP (RFC 9110, 10.2.3). */
    static final Metadata.Key<String> RETRY_AFTER = Metadata.Key.of("retry-after", Metadata.ASCII_STRING_MARSHALLER);

    /** Milliseconds, as gRPC has them. */
    static final Metadata.Key<String> PUSHBACK =
            Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);

    /** Asks the gateway for a sandbox token: IssueSandboxToken, and nothing else. */
    @FunctionalInterface
    public interface Exchange {
        /**
         * The sandbox token for {@code serviceAccountToken}; both are secrets.
         *
         * @throws StatusRuntimeException when the gateway refuses, or does not answer
         * @throws IOException when a certificate or key cannot be used
         */
        String sandboxTokenFor(String serviceAccountToken) throws IOException;
    }

    private final Path file;
    private final Exchange exchange;
    private final InstantSource clock;
    private @Nullable String token;
    private @Nullable TokenUnavailableException failure;
    private @Nullable Instant lastExchange;
    private Duration pause = FIRST_PAUSE;
    private Instant next = Instant.MIN;

    public ServiceAccountTokenSource(Path file, Exchange exchange, InstantSource clock) {
        this.file = Objects.requireNonNull(file, "file is null");
        this.exchange = Objects.requireNonNull(exchange, "exchange is null");
        this.clock = Objects.requireNonNull(clock, "clock is null");
    }

    /** Who comes while another exchanges waits for what that one gets. */
    @Override
    public synchronized String token() throws TokenUnavailableException {
        if (token != null) {
            return token;
        }
        if (clock.instant().isBefore(next)) {
            throw failure != null
                    ? failure
                    : new TokenUnavailableException(
                            file + ": the gateway refused the token it had just given; asked again in a moment");
        }
        String serviceAccount = TokenText.read(file, REMEDY);
        begin();
        try {
            String answer = exchange.sandboxTokenFor(serviceAccount);
            if (!TokenText.isToken(answer)) {
                throw fail("was exchanged, but the answer holds no bearer token; ask the gateway's operator", null);
            }
            failure = null;
            token = answer;
            return answer;
        } catch (StatusRuntimeException e) {
            heed(e.getTrailers());
            Status status = e.getStatus();
            throw fail(
                    "was not exchanged for a sandbox token: " + status.getCode() + words(status, serviceAccount)
                            + remedy(status.getCode()),
                    status.getCode());
        } catch (IOException e) {
            throw fail(
                    "was not exchanged: a certificate or key cannot be used ("
                            + e.getClass().getSimpleName() + ")",
                    null);
        } catch (RuntimeException e) {
            // Not the exception itself: a message could quote the token.
            throw fail("was not exchanged (" + e.getClass().getSimpleName() + "); try again", null);
        }
    }

    /** The next call exchanges anew, unless somebody has done so meanwhile. */
    @Override
    public synchronized void rejected(String refused) {
        if (refused.equals(token)) {
            token = null;
        }
    }

    /**
     * The token to go on with: the successor of {@code held}; what another caller has put in its place meanwhile; or, when
     * the gateway answers UNAUTHENTICATED, the first of a new lineage.
     *
     * @throws StatusRuntimeException when the refresh fails otherwise; {@code held} serves on
     * @throws TokenUnavailableException when there is no token to go on with
     */
    public synchronized String refresh(String held, SharedTokenFile.Refresh refresh) throws TokenUnavailableException {
        if (!held.equals(token)) {
            return token();
        }
        String successor;
        try {
            successor = refresh.successorOf(held);
        } catch (StatusRuntimeException e) {
            if (e.getStatus().getCode() != Status.Code.UNAUTHENTICATED) {
                throw e;
            }
            token = null;
            return token();
        }
        if (!TokenText.isToken(successor)) {
            throw new TokenUnavailableException(
                    file + ": the refresh's answer holds no bearer token; ask the gateway's operator");
        }
        token = successor;
        return successor;
    }

    private void begin() {
        Instant now = clock.instant();
        boolean close = lastExchange != null && now.isBefore(lastExchange.plus(CALM));
        Duration doubled = pause.multipliedBy(2);
        pause = !close ? FIRST_PAUSE : doubled.compareTo(LONGEST_PAUSE) < 0 ? doubled : LONGEST_PAUSE;
        lastExchange = now;
        next = now.plus(pause);
    }

    private void heed(@Nullable Metadata trailers) {
        if (trailers == null) {
            return;
        }
        Duration seconds = hint(trailers.get(RETRY_AFTER)).multipliedBy(1000);
        Duration millis = hint(trailers.get(PUSHBACK));
        Duration wanted = seconds.compareTo(millis) > 0 ? seconds : millis;
        Instant until = clock.instant().plus(wanted.compareTo(LONGEST_HINT) < 0 ? wanted : LONGEST_HINT);
        next = until.isAfter(next) ? until : next;
    }

    /** As milliseconds; zero when it says nothing that is a number of sane length. */
    private static Duration hint(@Nullable String text) {
        return text != null && text.matches("[0-9]{1,9}") ? Duration.ofMillis(Long.parseLong(text)) : Duration.ZERO;
    }

    private TokenUnavailableException fail(String what, Status.@Nullable Code code) {
        failure = new TokenUnavailableException(file + ": " + what, code);
        return failure;
    }

    /** The server's words without what would steer a terminal; none if they quote what was sent. */
    private static String words(Status status, String secret) {
        String text = status.getDescription();
        return text == null || text.contains(secret) ? "" : ": " + text.replaceAll("\\p{Cntrl}", "?");
    }

    private static String remedy(Status.Code code) {
        return switch (code) {
            case UNAUTHENTICATED, PERMISSION_DENIED -> "; the gateway's audit log has the reason";
            default -> "; try again";
        };
    }

    @Override
    public String toString() {
        return file.toString();
    }
}
