package io.sallyport.issuer.store;

import java.util.List;

/**
 * What happened between two places of the event log.
 *
 * @param events in order; what has been pruned since has none any more
 * @param upTo the place behind these events
 * @param complete whether {@code upTo} was the end of the log when this was read; if not, ask again from there
 */
public record FeedDelta(List<FeedEvent> events, FeedPosition upTo, boolean complete) {
    public FeedDelta {
        events = List.copyOf(events);
    }
}
