package io.sallyport.extauthz.guard;

import io.sallyport.extauthz.envoy.DynamicMetadata;
import java.util.Arrays;

/** What Envoy says about a stream: a {@code ProcessingRequest}, as far as the guard reads it. */
sealed interface ProcessMessage {
    /**
     * The request begins.
     *
     * @param requestId Envoy's {@code x-request-id}; empty when there is none
     * @param said what ext_authz said of it
     * @param modes how the rest will come
     */
    record RequestHeaders(String requestId, DynamicMetadata said, Modes modes) implements ProcessMessage {}

    /**
     * How Envoy hands over what comes behind the headers: a {@code ProtocolConfiguration}.
     *
     * @param early whether it does not wait for our answer to the headers
     */
    record Modes(BodyMode request, BodyMode response, boolean early) {}

    /** {@code BodySendMode}, in the order of its numbers. */
    enum BodyMode {
        NONE,
        STREAMED,
        BUFFERED,
        BUFFERED_PARTIAL,
        FULL_DUPLEX_STREAMED,
        UNKNOWN
    }

    /**
     * Some bytes of the request's body, where they lie in the message that brought them: good until whoever is handed it
     * returns.
     */
    final class Piece implements ProcessMessage {
        private final byte[] bytes;
        private final int at;
        private final int length;
        private final boolean last;

        /**
         * @param last whether the request ends with it
         */
        Piece(byte[] bytes, int at, int length, boolean last) {
            this.bytes = bytes;
            this.at = at;
            this.length = length;
            this.last = last;
        }

        /** The same for as long as anybody likes. */
        Piece kept() {
            return new Piece(Arrays.copyOfRange(bytes, at, at + length), 0, length, last);
        }

        byte[] bytes() {
            return bytes;
        }

        int at() {
            return at;
        }

        int length() {
            return length;
        }

        boolean isLast() {
            return last;
        }

        /** Nothing of what the client said. */
        @Override
        public String toString() {
            return "Piece[" + length + " bytes" + (last ? ", the last" : "") + "]";
        }
    }

    /** The request ends with trailers. */
    record RequestTrailers() implements ProcessMessage {}

    /** The gateway's answer ends. */
    record ResponseTrailers() implements ProcessMessage {}

    /**
     * Anything else.
     *
     * @param what for the audit log
     */
    record Unexpected(String what) implements ProcessMessage {}
}
