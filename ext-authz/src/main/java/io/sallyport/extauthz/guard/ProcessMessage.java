package io.sallyport.extauthz.guard;

import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;

/** What Envoy says about a stream: a {@code ProcessingRequest}, as far as the guard reads it. */
sealed interface ProcessMessage {
    /** The request begins; read as a whole, since it comes once. */
    record RequestHeaders(ProcessingRequest request) implements ProcessMessage {}

    /** Some bytes of the request's body, where they lie in the message that brought them. */
    final class Piece implements ProcessMessage {
        private final byte[] bytes;
        private final int at;
        private final int length;
        private final boolean last;

        /**
         * @param bytes never written to afterwards
         * @param last whether the request ends with it
         */
        Piece(byte[] bytes, int at, int length, boolean last) {
            this.bytes = bytes;
            this.at = at;
            this.length = length;
            this.last = last;
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
