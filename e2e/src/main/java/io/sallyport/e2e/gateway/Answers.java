package io.sallyport.e2e.gateway;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import io.grpc.StatusException;
import java.util.Map;

/** What one generation of the gateway API answers. */
interface Answers {
    /** Every unary method that is served, by {@code /package.Service/Method}. */
    Map<String, Unary> unary();

    /** Every streaming method that is served. */
    Map<String, Streaming> streaming();

    /** Answers one message with one. */
    @FunctionalInterface
    interface Unary {
        MessageLite answer(byte[] request) throws InvalidProtocolBufferException, StatusException;
    }

    /** What a streaming method does. */
    enum Streaming {
        /** Takes messages until the client ends, then answers with one empty message. */
        COLLECT,
        /** Answers the first message with a session, and keeps the stream. */
        SESSION,
        /** Sends every message back. */
        ECHO
    }
}
