package io.sallyport.e2e.gateway;

import com.google.protobuf.ByteString;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * One HTTP/2 stream that reached the gateway, with everything it carried so far.
 *
 * <p>A credential is never kept: the value of {@code authorization} (and of every header that holds a signed token) is
 * replaced by {@code sha256:…} of what stood there.
 *
 * @param number place in the order of arrival, from 1
 * @param headers as they arrived, pseudo headers first
 * @param data every byte of every DATA frame, as far as {@code dataLength} was kept
 * @param dataLength bytes that arrived, which may be more than were kept
 * @param trailers of the request; empty for a well-behaved client
 * @param end how the request ended, as far as the gateway has seen
 * @param answer the gRPC status that the gateway gave, such as {@code OK}; empty while it has not
 */
public record Sighting(
        long number,
        List<Header> headers,
        ByteString data,
        long dataLength,
        List<Header> trailers,
        End end,
        String answer) {
    public Sighting {
        headers = List.copyOf(headers);
        trailers = List.copyOf(trailers);
        Objects.requireNonNull(data, "data is null");
        Objects.requireNonNull(end, "end is null");
        Objects.requireNonNull(answer, "answer is null");
    }

    /** One header line. */
    public record Header(String name, String value) {}

    /** How a request ended. */
    public enum End {
        OPEN,
        HALF_CLOSED,
        RESET
    }

    /** {@code :path}, or "" when there was none. */
    public String path() {
        return header(":path").orElse("");
    }

    /** The first header of that name. */
    public Optional<String> header(String name) {
        return headers.stream()
                .filter(header -> header.name().equals(name))
                .map(Header::value)
                .findFirst();
    }

    /** The messages in the data, without their frames; a frame that is not whole is left out. */
    public List<ByteString> messages() {
        List<ByteString> found = new ArrayList<>();
        ByteString rest = data;
        while (rest.size() >= Frames.PREFIX) {
            int length = Frames.length(rest.substring(0, Frames.PREFIX).toByteArray(), 0);
            if (length < 0 || rest.size() - Frames.PREFIX < length) {
                break;
            }
            found.add(rest.substring(Frames.PREFIX, Frames.PREFIX + length));
            rest = rest.substring(Frames.PREFIX + length);
        }
        return found;
    }

    @Override
    public String toString() {
        return "#" + number + " " + headers + " data(" + dataLength + ")="
                + HexFormat.of().formatHex(data.toByteArray()) + " " + end + " " + answer;
    }
}
