package io.sallyport.extauthz;

import io.sallyport.extauthz.guard.OpenStreams;
import io.sallyport.extauthz.guard.StreamCounts;
import java.util.Locale;

/** What is going on, in numbers (Prometheus text format 0.0.4). */
final class MetricsPage {
    static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

    private final Feed feed;
    private final FeedReader reader;
    private final Freshness freshness;
    private final Revocations revocations;
    private final SandboxRecords records;
    private final DecisionCounts counts;
    private final OpenStreams streams;
    private final StreamCounts streamCounts;

    MetricsPage(
            Feed feed,
            FeedReader reader,
            Freshness freshness,
            Revocations revocations,
            SandboxRecords records,
            DecisionCounts counts,
            OpenStreams streams,
            StreamCounts streamCounts) {
        this.feed = feed;
        this.reader = reader;
        this.freshness = freshness;
        this.revocations = revocations;
        this.records = records;
        this.counts = counts;
        this.streams = streams;
        this.streamCounts = streamCounts;
    }

    String text() {
        StringBuilder page = new StringBuilder(2048);
        gauge(
                page,
                "sallyport_feed_staleness_seconds",
                "How old what is known of the issuer may be; +Inf before anything is.",
                freshness.everHeard()
                        ? String.format(
                                Locale.ROOT, "%.3f", freshness.staleness().toMillis() / 1000.0)
                        : "+Inf");
        gauge(
                page,
                "sallyport_feed_max_staleness_seconds",
                "How old it may be (max-staleness).",
                Long.toString(freshness.maxStaleness().toSeconds()));
        gauge(page, "sallyport_feed_connected", "Whether an issuer is listened to.", bit(feed.isConnected()));
        gauge(page, "sallyport_feed_stale", "Whether what is known is too old.", bit(!freshness.isFresh()));
        gauge(page, "sallyport_admitting", "Whether sandboxes may pass.", bit(freshness.admits()));
        counter(page, "sallyport_feed_resets_total", "How often everything was learned anew.", reader.resets());
        gauge(
                page,
                "sallyport_revocations",
                "Revocations that are not over yet.",
                Integer.toString(revocations.size()));
        gauge(page, "sallyport_sandbox_records", "Records that are kept.", Long.toString(records.size()));
        head(page, "counter", "sallyport_decisions_total", "Requests decided about, by what came of it.");
        line(page, "sallyport_decisions_total{reason=\"allowed\"}", Long.toString(counts.allowedSoFar()));
        counts.deniedSoFar()
                .forEach((reason, count) -> line(
                        page, "sallyport_decisions_total{reason=\"" + reason.code() + "\"}", Long.toString(count)));
        addStreams(page);
        return page.toString();
    }

    private void addStreams(StringBuilder page) {
        head(page, "gauge", "sallyport_streams_open", "Guarded streams that are open, by method.");
        streams.perMethod()
                .forEach((method, open) ->
                        line(page, "sallyport_streams_open{method=\"" + method + "\"}", Integer.toString(open)));
        gauge(
                page,
                "sallyport_streams_unfinished_bytes",
                "Room taken by messages that have begun and not ended.",
                Long.toString(streams.unfinishedBytes()));
        head(page, "counter", "sallyport_streams_ended_total", "Guarded streams that ended or were refused, by why.");
        line(page, "sallyport_streams_ended_total{reason=\"ended\"}", Long.toString(streamCounts.ordinaryEndsSoFar()));
        streamCounts
                .endsSoFar()
                .forEach((reason, count) -> line(
                        page, "sallyport_streams_ended_total{reason=\"" + reason.code() + "\"}", Long.toString(count)));
        counter(page, "sallyport_stream_pieces_total", "Pieces that Envoy handed over.", streamCounts.piecesSoFar());
        counter(page, "sallyport_stream_messages_total", "Messages that were read.", streamCounts.messagesSoFar());
        counter(page, "sallyport_stream_bytes_total", "Bytes that were read.", streamCounts.bytesSoFar());
    }

    private static void counter(StringBuilder page, String name, String help, long value) {
        metric(page, "counter", name, help, Long.toString(value));
    }

    private static void gauge(StringBuilder page, String name, String help, String value) {
        metric(page, "gauge", name, help, value);
    }

    private static void metric(StringBuilder page, String type, String name, String help, String value) {
        head(page, type, name, help);
        line(page, name, value);
    }

    private static void head(StringBuilder page, String type, String name, String help) {
        page.append("# HELP ").append(name).append(' ').append(help).append('\n');
        page.append("# TYPE ").append(name).append(' ').append(type).append('\n');
    }

    private static void line(StringBuilder page, String name, String value) {
        page.append(name).append(' ').append(value).append('\n');
    }

    private static String bit(boolean yes) {
        return yes ? "1" : "0";
    }
}
