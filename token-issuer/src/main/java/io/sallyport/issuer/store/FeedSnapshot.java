package io.sallyport.issuer.store;

import java.util.List;

/**
 * All revocations there are, at one moment.
 *
 * @param position the place in the event log that this moment is
 * @param revocations in the order of their kinds and names
 */
public record FeedSnapshot(FeedPosition position, List<Revocation> revocations) {
    public FeedSnapshot {
        revocations = List.copyOf(revocations);
    }
}
