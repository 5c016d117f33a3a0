package io.sallyport.extauthz.guard;

/** The open streams, a line of JSON for each: whose, which method, since when, how much has come. */
public final class StreamsPage {
    public static final String CONTENT_TYPE = "application/x-ndjson";

    private final OpenStreams streams;

    public StreamsPage(OpenStreams streams) {
        this.streams = streams;
    }

    /** Only ids, paths and numbers, none of which needs escaping. */
    public String text() {
        StringBuilder page = new StringBuilder(4096);
        for (GuardedStream stream : streams) {
            Announcement announcement = stream.announcement();
            if (announcement != null) {
                page.append("{\"sandbox\":\"")
                        .append(announcement.token().sandbox().value())
                        .append("\",\"method\":\"")
                        .append(stream.method())
                        .append("\",\"since\":\"")
                        .append(stream.since())
                        .append("\",\"messages\":")
                        .append(stream.messages())
                        .append(",\"bytes\":")
                        .append(stream.bytes())
                        .append("}\n");
            }
        }
        return page.toString();
    }
}
