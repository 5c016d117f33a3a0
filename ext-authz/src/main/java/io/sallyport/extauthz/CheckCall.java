package io.sallyport.extauthz;

import java.nio.ByteBuffer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What Envoy asks about one request: the parts of a {@code CheckRequest} that a decision is made of.
 *
 * @param path the request's {@code :path} as it came, query included; "" when Envoy sent none
 * @param authorization the {@code authorization} header; several are joined by a comma
 * @param contentType {@code content-type}
 * @param sandboxHeader {@code x-sandbox-id}
 * @param requestId {@code x-request-id}
 * @param partialMark {@code x-envoy-auth-partial-body}, which Envoy alone can set; null where no body was asked for
 * @param size bytes of the body that reached Envoy ({@code http.size}); -1 when unknown
 * @param body the body as far as Envoy sent it ({@code http.raw_body})
 * @param policyDigest the digest in the route's context extensions
 * @param sourceAddress of the far end of the downstream connection; "" when it has none
 * @param sourcePort of the far end of the downstream connection
 */
record CheckCall(
        String path,
        @Nullable AuthorizationHeader authorization,
        @Nullable String contentType,
        @Nullable String sandboxHeader,
        @Nullable String requestId,
        @Nullable String partialMark,
        long size,
        ByteBuffer body,
        @Nullable String policyDigest,
        String sourceAddress,
        int sourcePort) {
    CheckCall {
        Objects.requireNonNull(path, "path is null");
        Objects.requireNonNull(body, "body is null");
        Objects.requireNonNull(sourceAddress, "sourceAddress is null");
    }

    /** Whether the body is all there: what Envoy sent is as long as what Envoy received, and not marked as a part. */
    boolean bodyIsWhole() {
        return size == body.remaining() && (partialMark == null || partialMark.equals("false"));
    }

    /** The downstream connection, {@code address:port} of its far end; "" when that has no address. */
    String connection() {
        return sourceAddress.isEmpty() ? "" : sourceAddress + ":" + sourcePort;
    }

    /** Neither the credential nor the body, nor anything else a caller can put a secret into. */
    @Override
    public String toString() {
        return "CheckCall[" + body.remaining() + " of " + size + " bytes]";
    }
}
