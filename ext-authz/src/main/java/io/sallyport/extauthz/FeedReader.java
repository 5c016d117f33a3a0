package io.sallyport.extauthz;

import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.api.registry.v1.Revocation;
import io.sallyport.api.registry.v1.Sandbox;
import java.time.Instant;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Takes in what the issuer says, message by message.
 *
 * <p>A whole (after a reset) is gathered aside and takes the place of what was known only once it is complete: a whole
 * that breaks off changes nothing. Changes are taken in at once: to hear of one twice does no harm. Used by one thread at
 * a time.
 */
final class FeedReader {
    /** Looking through a hundred thousand takes milliseconds, and answers come every second. */
    static final int EXPIRE_SECONDS = 60;

    private final Revocations revocations;
    private final SandboxRecords records;
    private final Freshness freshness;

    private Revocations.@Nullable Set whole;
    private String cursor = "";
    private long expiredAt;
    private final AtomicLong learnedAnew = new AtomicLong();

    FeedReader(Revocations revocations, SandboxRecords records, Freshness freshness) {
        this.revocations = revocations;
        this.records = records;
        this.freshness = freshness;
    }

    /** Where to resume. */
    String cursor() {
        return cursor;
    }

    /** How often everything was learned anew. */
    long resets() {
        return learnedAnew.get();
    }

    /** A stream begins: what the last one left half said is forgotten. */
    void begin() {
        whole = null;
    }

    /**
     * Takes in one message.
     *
     * @return whether it was a complete answer, to be acknowledged
     * @throws FeedBrokenException when this stream is not to be listened to any more
     */
    boolean take(WatchResponse message) throws FeedBrokenException {
        if (message.getReset()) {
            whole = new Revocations.Set();
        } else if (whole == null && cursor.isEmpty()) {
            throw new FeedBrokenException("changes came before there was a whole");
        }
        for (Revocation revocation : message.getRevocationsList()) {
            if (whole == null) {
                revocations.add(revocation);
            } else {
                whole.add(revocation);
            }
        }
        for (Sandbox sandbox : message.getSandboxesList()) {
            SandboxRecord record = FeedMessages.record(sandbox);
            if (record == null) {
                throw new FeedBrokenException("a record has no id or a state that is not known here");
            }
            // Together with a whole, all records are forgotten anyway, those that are being asked for too.
            if (whole == null) {
                records.changed(record);
            }
        }
        if (!message.getComplete()) {
            return false;
        }
        if (message.getCursor().isEmpty()) {
            throw new FeedBrokenException("a complete answer has no cursor");
        }
        if (whole != null) {
            revocations.replaceBy(whole);
            records.forgetAll();
            whole = null;
            learnedAnew.incrementAndGet();
        }
        cursor = message.getCursor();
        if (message.hasNow()) {
            forgetWhatIsOver(message.getNow().getSeconds());
        }
        // Last: it is this that lets callers pass.
        freshness.answered(message.getStamp());
        return true;
    }

    /**
     * By the issuer's clock, which says when they are over there too. Ours could be days ahead for a while, and what was
     * forgotten then would pass again once it is set right.
     */
    private void forgetWhatIsOver(long now) {
        if (now < expiredAt || now >= expiredAt + EXPIRE_SECONDS) {
            expiredAt = now;
            revocations.expire(Instant.ofEpochSecond(now));
        }
    }
}
