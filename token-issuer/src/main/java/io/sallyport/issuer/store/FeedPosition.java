package io.sallyport.issuer.store;

import java.util.Objects;

/**
 * A place in the event log of one database.
 *
 * @param storeId whose numbers these are; another database has another one
 * @param seq the number of the last event before this place; 0 before the first
 */
public record FeedPosition(String storeId, long seq) {
    public FeedPosition {
        Objects.requireNonNull(storeId, "storeId is null");
    }
}
