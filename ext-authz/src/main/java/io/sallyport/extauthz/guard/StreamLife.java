package io.sallyport.extauthz.guard;

import io.sallyport.base.Reason;
import io.sallyport.extauthz.guard.LineageSource.Answer;
import io.sallyport.extauthz.guard.LineageSource.Successor;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Ends streams whose time is over, whatever goes through them: it looks at every open stream, several times a second.
 *
 * <p>A stream ends when its token, lineage, sandbox or key was taken back; when its sandbox was stopped or deleted; when
 * the issuer was not heard for too long; when it is older than a stream may be. At the end of its token it ends unless its
 * lineage lives on: the issuer is asked, and asked again at the end that it names. From then on the stream lives by the
 * token that ends then, and ends when that one is taken back. Where the issuer cannot be asked, the
 * stream goes on for as long as we may go on without hearing of revocations, and ends then.
 */
public final class StreamLife {
    /** How often to look. A revocation that the feed tells is to end a stream within a second. */
    public static final Duration INTERVAL = Duration.ofMillis(250);

    /** Questions of each kind under way at a time. */
    private static final int MOST_QUESTIONS = 32;

    private final Guard guard;
    private final LineageSource lineages;
    private final Duration maxStaleness;
    private final Optional<Duration> maxAge;
    private final Questions<SandboxId> ownersAsked;
    private final Questions<Line> lineagesAsked;

    /** @param maxStaleness how long a stream may go on after the end of its token while the issuer cannot be asked */
    public StreamLife(Guard guard, LineageSource lineages, Duration maxStaleness, Optional<Duration> maxAge) {
        this.guard = guard;
        this.lineages = lineages;
        this.maxStaleness = maxStaleness;
        this.maxAge = maxAge;
        this.ownersAsked = new Questions<>(MOST_QUESTIONS, guard.nanoTime());
        this.lineagesAsked = new Questions<>(MOST_QUESTIONS, guard.nanoTime());
    }

    /** A place in a sandbox's lineage. */
    private record Line(SandboxId sandbox, Lineage place) {}

    /**
     * Looks at every stream once. Whatever goes wrong ends the stream that it went wrong with, or all of them where that
     * cannot be told; it never ends the looking, without which nothing would be cut any more.
     */
    public void look() {
        try {
            lookAtEach();
        } catch (RuntimeException | Error e) {
            endAll(e);
        }
    }

    private void endAll(Throwable cause) {
        for (GuardedStream stream : guard.streams()) {
            try {
                stream.fail(cause);
            } catch (RuntimeException | Error e) {
                // It is over as far as we are concerned: from now on it gets no answer. The others are to hear of it.
                cause.addSuppressed(e);
            }
        }
    }

    private void lookAtEach() {
        Instant now = guard.clock().instant();
        Map<Line, List<GuardedStream>> ended = new HashMap<>();
        Set<SandboxId> unsure = new HashSet<>();
        for (GuardedStream stream : guard.streams()) {
            Announcement announcement = stream.announcement();
            if (announcement == null) {
                // About to be let in, or not.
                continue;
            }
            try {
                SandboxClaims token = announcement.token();
                Refusal refusal = refusal(stream, token, unsure, now);
                if (refusal != null) {
                    stream.cut(refusal);
                } else if (now.isAfter(stream.goodUntil())) {
                    Line line = new Line(token.sandbox(), token.lineage().orElseThrow());
                    ended.computeIfAbsent(line, _ -> new ArrayList<>()).add(stream);
                }
            } catch (RuntimeException | Error e) {
                stream.fail(e);
            }
        }
        guard.streams().insist();
        ownersAsked.keepOnly(unsure);
        lineagesAsked.keepOnly(ended.keySet());
        ended.forEach((line, streams) -> lineagesAsked.ask(
                line,
                () -> lineages.ask(line.sandbox(), line.place())
                        .handle((answer, failure) -> settle(
                                streams, failure == null ? answer : new Answer.Unavailable(failure.toString())))));
    }

    private @Nullable Refusal refusal(GuardedStream stream, SandboxClaims token, Set<SandboxId> unsure, Instant now) {
        SandboxClaims successor = stream.livesBy();
        if (successor != null
                && guard.owners().remembered(successor) instanceof Owner.Barred(Reason reason, String detail)) {
            return new Refusal(
                    reason, detail + "; it lived by jti=" + successor.tokenId().orElse("-"));
        }
        switch (guard.owners().remembered(token)) {
            case Owner.Living _ -> {}
            case Owner.Barred(Reason reason, String detail) -> {
                return new Refusal(reason, detail);
            }
            case Owner.Unsure _ -> {
                unsure.add(token.sandbox());
                ownersAsked.ask(
                        token.sandbox(),
                        () -> guard.owners().ask(token).thenApply(answer -> !(answer instanceof Owner.Unsure)));
            }
        }
        if (maxAge.isPresent() && now.isAfter(stream.since().plus(maxAge.get()))) {
            return new Refusal(Reason.STREAM_TOO_OLD, "streams.max-age is " + maxAge.get());
        }
        // Instant.MAX has no later.
        return now.minus(maxStaleness).isAfter(stream.goodUntil())
                ? new Refusal(
                        Reason.TOKEN_EXPIRED, "the issuer could not be asked for too long whether its lineage lives on")
                : null;
    }

    /** Whether that was an answer. */
    private boolean settle(List<GuardedStream> streams, Answer answer) {
        switch (answer) {
            case Answer.Revoked() -> cut(streams, new Refusal(Reason.TOKEN_REVOKED, "its lineage is revoked"));
            case Answer.Newest(Successor token) -> {
                if (guard.clock().instant().isAfter(guard.goodUntil(token.ends()))) {
                    cut(
                            streams,
                            new Refusal(
                                    Reason.TOKEN_EXPIRED, "the newest token of its lineage ended at " + token.ends()));
                } else {
                    streams.forEach(stream -> stream.liveBy(token));
                }
            }
            case Answer.Unknown() ->
                cut(streams, new Refusal(Reason.TOKEN_EXPIRED, "the issuer knows no such lineage"));
            case Answer.Unavailable(String _) -> {
                return false;
            }
        }
        return true;
    }

    private static void cut(List<GuardedStream> streams, Refusal refusal) {
        streams.forEach(stream -> stream.cut(refusal));
    }
}
