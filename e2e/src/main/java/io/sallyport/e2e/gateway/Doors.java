package io.sallyport.e2e.gateway;

import io.netty.channel.Channel;
import java.util.ArrayList;
import java.util.List;

/** The streams of which nothing is read for a while. Thread-safe. */
final class Doors {
    private final List<Channel> shut = new ArrayList<>();

    /** Reads nothing of a stream any more; what comes stays with whoever sends it, as far as HTTP/2 can hold it up. */
    synchronized void shut(Channel stream) {
        stream.config().setAutoRead(false);
        shut.add(stream);
    }

    /** Reads all of them again. */
    synchronized void open() {
        shut.forEach(stream -> stream.config().setAutoRead(true));
        shut.clear();
    }
}
