package io.sallyport.issuer.store;

import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/**
 * One who listens to the feed, an ext-authz.
 *
 * @param replica its name, as long as it runs
 * @param heard up to where it has taken in what happened; empty when that is not known
 * @param until by when it believes nothing any more, unless it has listened again: the end of its lease
 */
public record Listener(String replica, Optional<FeedPosition> heard, Instant until) {
    public Listener {
        Objects.requireNonNull(replica, "replica is null");
        Objects.requireNonNull(heard, "heard is null");
        Objects.requireNonNull(until, "until is null");
    }
}
