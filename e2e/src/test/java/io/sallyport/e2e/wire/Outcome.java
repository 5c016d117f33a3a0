package io.sallyport.e2e.wire;

import io.grpc.Status;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How a call ended, as the client sees it.
 *
 * @param headers of the answer, with its trailers
 * @param body every byte of the answer's DATA frames, as ISO 8859-1
 * @param reset the error code of an RST_STREAM, or {@link #CLOSED}
 */
public record Outcome(Map<String, String> headers, String body, OptionalLong reset) {
    /** In place of an error code: the connection ended. */
    public static final long CLOSED = -1;

    /** The gRPC status, when there is one; its text is the body where Envoy answers a call that was not gRPC. */
    public Optional<Status> status() {
        return Optional.ofNullable(headers.get("grpc-status"))
                .map(code -> Status.fromCodeValue(Integer.parseInt(code)).withDescription(text()));
    }

    private String text() {
        String message = headers.get("grpc-message");
        if (message != null) {
            return URLDecoder.decode(message.replace("+", "%2B"), StandardCharsets.UTF_8);
        }
        return headers.getOrDefault("content-type", "").equals("text/plain") ? body : "";
    }

    /** Whether the call was answered with OK. */
    public boolean isOk() {
        return status().map(Status::isOk).orElse(false);
    }

    /** In words, for comparison and messages: {@code PERMISSION_DENIED: text}, {@code reset 8}, {@code http 404}. */
    public String inWords() {
        return status().map(status -> status.getCode() + ": " + status.getDescription())
                .orElseGet(() -> reset.isPresent()
                        ? (reset.getAsLong() == CLOSED ? "connection closed" : "reset " + reset.getAsLong())
                        : "http " + headers.get(":status"));
    }

    @Override
    public String toString() {
        return inWords() + " (" + headers + ", " + body.length() + " bytes)";
    }
}
