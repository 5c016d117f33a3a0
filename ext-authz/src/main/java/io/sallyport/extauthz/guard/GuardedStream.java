package io.sallyport.extauthz.guard;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.Status;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.extauthz.guard.ProcessMessage.BodyMode;
import io.sallyport.extauthz.guard.ProcessMessage.Modes;
import io.sallyport.extauthz.guard.ProcessMessage.Piece;
import io.sallyport.extauthz.guard.ProcessMessage.RequestHeaders;
import io.sallyport.extauthz.guard.ProcessMessage.RequestTrailers;
import io.sallyport.extauthz.guard.ProcessMessage.ResponseTrailers;
import io.sallyport.extauthz.guard.ProcessMessage.Unexpected;
import io.sallyport.identity.Principal;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.policy.MethodRule;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * One stream, from its headers to its end, as Envoy tells it.
 *
 * <p>Envoy holds each piece until it is answered, and takes the answers in the order of the pieces, whatever they mean. So
 * there is one answer for a piece, and it is given once every message that the piece is part of has been found good: the
 * pieces of an unfinished message wait together; the end of a large one waits here ({@link Remainder}). The first thing
 * that is not as it must be ends the stream: what waits never goes on.
 *
 * <p>To Envoy, a guard that ends in peace is one that has no more objections. So this one never ends before Envoy does, but
 * by a failure. A refusal says why, and leaves Envoy a moment to end the stream by it, so that nothing else can be what
 * the client hears.
 *
 * <p>While a question about the sandbox is under way nothing more is taken from Envoy. Safe for all threads; each message
 * and each cut is one step.
 */
final class GuardedStream {
    /** The call that Envoy made about this stream. */
    interface Envoy {
        void answer(ProcessAnswer answer);

        /** Asks for one more message. */
        void next();

        /** Ends the call with an error, which closes the gate. */
        void fail(Status status);

        /** Ends the call, once Envoy has. */
        void finish();
    }

    private enum Phase {
        /** Nothing is known of it yet. */
        NEW,
        /** Known, and not let through yet. */
        OPENING,
        OPEN,
        /** Refused, which Envoy has been told and has not taken note of yet. */
        ENDING,
        OVER
    }

    /** How long Envoy may take to end a stream that was refused, before the call about it fails. */
    private static final Duration TO_END = Duration.ofSeconds(1);

    private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9._-]{1,128}");
    private static final String ANONYMOUS = PrincipalHeader.format(new Principal.Anonymous());

    private final Guard guard;
    private final Envoy envoy;
    private final long arrived;

    private Phase phase = Phase.NEW;

    /** How the call is to fail once the stream was refused. */
    private Status refused = Status.UNAVAILABLE;

    private long endBy;

    /** What ext_authz said of it, once that was read. */
    private @Nullable Announcement announced;

    /** Envoy's {@code x-request-id}, if there is one. */
    private @Nullable String requestId;

    /** Set when the stream has become one of the open ones, and from then on. */
    private volatile @Nullable Opened opened;

    /** Pieces that wait for their answer. */
    private int held;

    /** Whether a question about the owner is under way, and something waits for its answer. */
    private boolean asking;

    private boolean requestEnded;
    private boolean responseEnded;
    private long bytes;
    private volatile Instant goodUntil = Instant.MIN;

    /** The token that took the place of its own, once that one had ended. */
    private volatile @Nullable SandboxClaims livesBy;

    GuardedStream(Guard guard, Envoy envoy) {
        this.guard = guard;
        this.envoy = envoy;
        this.arrived = guard.nanoTime().getAsLong();
    }

    /** What is known of a stream from its headers. */
    private record Opened(
            Announcement announcement,
            MethodRule rule,
            Pin pin,
            MessageAssembler messages,
            Remainder remainder,
            Instant since) {}

    /** Takes what Envoy says next. */
    synchronized void take(ProcessMessage message) {
        if (phase == Phase.ENDING) {
            // It was on its way; what Envoy says last comes behind it.
            envoy.next();
        }
        if (isOver()) {
            return;
        }
        try {
            switch (message) {
                case RequestHeaders headers -> open(headers);
                case Piece piece -> take(piece);
                case RequestTrailers() -> refuse(new Refusal(Reason.STREAM_TRAILERS, ""));
                case ResponseTrailers() -> endResponse();
                case Unexpected(String what) -> refuse(unguarded(what));
            }
        } catch (RuntimeException | Error e) {
            fail(e);
        }
    }

    /** Envoy has ended the call. */
    synchronized void envoyEnded() {
        switch (phase) {
            case OVER -> {}
            case ENDING -> failCall();
            case NEW, OPENING, OPEN -> {
                boolean inPeace = phase == Phase.OPEN && held == 0 && !asking;
                leave(Phase.OVER);
                guard.counts().ended();
                if (inPeace) {
                    envoy.finish();
                } else {
                    envoy.fail(Status.UNAVAILABLE.withDescription("ended before all was answered"));
                }
            }
        }
    }

    /** The call was cancelled, or its connection is gone. */
    synchronized void cancelled() {
        if (phase == Phase.ENDING) {
            guard.streams().ended(this);
        } else if (phase != Phase.OVER) {
            leave(Phase.OVER);
            guard.counts().ended();
        }
        phase = Phase.OVER;
    }

    /** Ends the stream, at any time. */
    synchronized void cut(Refusal refusal) {
        if (!isOver()) {
            refuse(refusal);
        }
    }

    /** Ends the stream, since something went wrong here. */
    synchronized void fail(Throwable e) {
        if (!isOver()) {
            refuse(guard.failed(e));
        }
    }

    /** Fails the call if Envoy has not ended the stream although it had the time. */
    synchronized void insist() {
        if (phase == Phase.ENDING && guard.nanoTime().getAsLong() - endBy >= 0) {
            failCall();
        }
    }

    private void failCall() {
        phase = Phase.OVER;
        guard.streams().ended(this);
        envoy.fail(refused);
    }

    private boolean isOver() {
        return phase == Phase.ENDING || phase == Phase.OVER;
    }

    private void open(RequestHeaders headers) {
        if (phase != Phase.NEW) {
            refuse(unguarded("headers came twice"));
            return;
        }
        Opened entering;
        try {
            entering = enter(headers);
        } catch (RejectedException e) {
            refuse(new Refusal(e.reason(), e.detail()));
            return;
        }
        withOwner(entering, _ -> {
            phase = Phase.OPEN;
            envoy.answer(ProcessAnswer.HEADERS_GO_ON);
            envoy.next();
        });
    }

    private Opened enter(RequestHeaders headers) throws RejectedException {
        requestId = REQUEST_ID.matcher(headers.requestId()).matches() ? headers.requestId() : null;
        Announcement announcement = Announcement.read(headers.said());
        announced = announcement;
        MethodRule rule = guard.rule(announcement);
        checkModes(headers.modes(), rule);
        goodUntil = guard.goodUntil(announcement.token().expiresAt());
        OpenStreams.Share share =
                guard.streams().enter(this, announcement.token().sandbox());
        Opened entered = new Opened(
                announcement,
                rule,
                new Pin(rule),
                new MessageAssembler(rule.messageLimit(), share),
                new Remainder(share),
                guard.clock().instant());
        opened = entered;
        phase = Phase.OPENING;
        return entered;
    }

    private static void checkModes(Modes modes, MethodRule rule) throws RejectedException {
        BodyMode expected = rule.messages().opaque() ? BodyMode.NONE : BodyMode.STREAMED;
        if (modes.request() != expected || modes.response() != BodyMode.NONE || modes.early()) {
            throw new RejectedException(
                    Reason.STREAM_UNGUARDED,
                    "Envoy is set to hand over bodies as " + modes.request() + " and "
                            + modes.response() + ", expected " + expected
                            + " and NONE; generate its configuration anew");
        }
    }

    private void take(Piece piece) {
        Opened stream = opened;
        if (phase != Phase.OPEN
                || stream == null
                || requestEnded
                || stream.rule().messages().opaque()) {
            refuse(unguarded("a piece of the body where there is none"));
        } else if (stream.pin().isPinned()) {
            look(stream, piece);
        } else {
            // Before there is an answer to a question, other pieces lie where this one did.
            Piece kept = piece.kept();
            withOwner(stream, living -> {
                stream.pin().own(living);
                look(stream, kept);
            });
        }
    }

    private void look(Opened stream, Piece piece) {
        MessageAssembler messages = stream.messages();
        Refusal refusal = messages.take(piece.bytes(), piece.at(), piece.length(), stream.pin());
        bytes += piece.length();
        guard.counts().piece(piece.length(), messages.endedInLastPiece());
        if (refusal == null && piece.isLast() && !messages.isBetweenMessages()) {
            refusal = new Refusal(Reason.FRAME_MALFORMED, "the request ends within a message");
        }
        if (refusal != null) {
            refuse(refusal);
            return;
        }
        requestEnded = piece.isLast();
        Remainder remainder = stream.remainder();
        if (remainder.isThere() && held == 0 && !remainder.add(piece.bytes(), piece.at(), piece.length())) {
            refuse(new Refusal(Reason.TOO_MUCH_UNFINISHED, "in front of a piece of " + piece.length() + " bytes"));
            return;
        }
        if (messages.isBetweenMessages()) {
            goOn(remainder, held + 1);
            held = 0;
        } else if (messages.endedInLastPiece() == 0) {
            held++;
        } else if (piece.length() <= Remainder.WAITS_IN_ENVOY) {
            goOn(remainder, held);
            held = 1;
        } else if (!divide(remainder, piece, messages.wholeInLastPiece())) {
            refuse(new Refusal(Reason.TOO_MUCH_UNFINISHED, "at the end of a piece of " + piece.length() + " bytes"));
            return;
        }
        envoy.next();
    }

    /** Lets the whole messages of a piece go on, and takes the rest out of Envoy; whether there was room. */
    private boolean divide(Remainder remainder, Piece piece, int whole) {
        goOn(remainder, held);
        held = 0;
        ByteString front = ByteString.EMPTY;
        if (remainder.isThere()) {
            byte[] kept = remainder.take();
            front = ByteString.copyFrom(kept, 0, kept.length - piece.length());
        }
        int end = piece.at() + piece.length();
        if (!remainder.keep(piece.bytes(), piece.at() + whole, end)) {
            return false;
        }
        envoy.answer(ProcessAnswer.pieceGoesOnAs(front.concat(ByteString.copyFrom(piece.bytes(), piece.at(), whole))));
        return true;
    }

    /** Answers so many pieces; what was taken out before them goes on with the first. */
    private void goOn(Remainder remainder, int pieces) {
        for (int i = 0; i < pieces; i++) {
            envoy.answer(
                    remainder.isThere()
                            ? ProcessAnswer.pieceGoesOnAs(UnsafeByteOperations.unsafeWrap(remainder.take()))
                            : ProcessAnswer.PIECE_GOES_ON);
        }
    }

    private void endResponse() {
        if (phase != Phase.OPEN || responseEnded) {
            refuse(unguarded("response trailers out of place"));
            return;
        }
        responseEnded = true;
        envoy.answer(ProcessAnswer.RESPONSE_ENDS);
        envoy.next();
    }

    /** Goes on once it is known that the stream's owner may; nothing else is taken until then. */
    private void withOwner(Opened stream, Consumer<Owner.Living> then) {
        Owner owner = guard.owners().remembered(stream.announcement().token());
        if (!(owner instanceof Owner.Unsure)) {
            settle(owner, then);
            return;
        }
        asking = true;
        var _ = guard.owners()
                .ask(stream.announcement().token())
                .whenComplete((answer, failure) ->
                        resume(failure == null ? answer : new Owner.Unsure(failure.toString()), then));
    }

    private synchronized void resume(Owner owner, Consumer<Owner.Living> then) {
        if (isOver()) {
            return;
        }
        asking = false;
        try {
            settle(owner, then);
        } catch (RuntimeException | Error e) {
            fail(e);
        }
    }

    private void settle(Owner owner, Consumer<Owner.Living> then) {
        switch (owner) {
            case Owner.Living living -> then.accept(living);
            case Owner.Barred(Reason reason, String detail) -> refuse(new Refusal(reason, detail));
            case Owner.Unsure(String cause) -> refuse(new Refusal(Reason.ISSUER_UNAVAILABLE, cause));
        }
    }

    private void refuse(Refusal refusal) {
        long noticed = opened == null || phase == Phase.OPENING
                ? arrived
                : guard.nanoTime().getAsLong();
        refused = refusal.reason().status();
        endBy = guard.nanoTime().getAsLong() + TO_END.toNanos();
        leave(Phase.ENDING);
        guard.streams().ending(this);
        guard.counts().ended(refusal.reason());
        Announcement who = announced;
        guard.report(
                refusal,
                who == null ? ANONYMOUS : who.principal(),
                who == null ? "(not known)" : who.method(),
                requestId,
                noticed);
        envoy.answer(ProcessAnswer.end(refusal));
        envoy.next();
    }

    private void leave(Phase next) {
        phase = next;
        Opened stream = opened;
        if (stream != null) {
            stream.messages().forget();
            stream.remainder().forget();
            guard.streams().leave(this, stream.announcement().token().sandbox());
        }
    }

    private static Refusal unguarded(String what) {
        return new Refusal(Reason.STREAM_UNGUARDED, what);
    }

    /** What is known of it; null before its headers. */
    @Nullable Announcement announcement() {
        Opened stream = opened;
        return stream == null ? null : stream.announcement();
    }

    String method() {
        Opened stream = opened;
        return stream == null ? "" : stream.rule().path();
    }

    /** Until when its lineage is known to be good. */
    Instant goodUntil() {
        return goodUntil;
    }

    /** Its own token has ended, and its lineage goes on by this one. */
    void liveBy(LineageSource.Successor token) {
        Opened stream = opened;
        if (stream != null) {
            livesBy = token.after(stream.announcement().token());
            goodUntil = guard.goodUntil(token.ends());
        }
    }

    /** The token that it lives by instead of its own; null while it lives by that. */
    @Nullable SandboxClaims livesBy() {
        return livesBy;
    }

    /** When it opened. */
    Instant since() {
        return Objects.requireNonNull(opened, "not open").since();
    }

    /** Messages of the client's that have gone on, or were refused. */
    synchronized long messages() {
        Opened stream = opened;
        return stream == null ? 0 : stream.pin().messages();
    }

    /** Bytes of the client's that came. */
    synchronized long bytes() {
        return bytes;
    }
}
