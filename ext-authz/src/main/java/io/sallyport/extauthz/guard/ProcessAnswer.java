package io.sallyport.extauthz.guard;

import com.google.protobuf.ByteString;
import io.sallyport.base.Reason;
import io.sallyport.base.net.PreparedMessage;
import io.sallyport.extauthz.envoy.Fields;
import java.io.InputStream;
import java.util.EnumMap;
import java.util.Map;

/**
 * A {@code ProcessingResponse}, built beforehand: the guard changes nothing, so it has few things to say. Field numbers are
 * those of {@code external_processor.proto} and of what it imports.
 */
final class ProcessAnswer {
    private static final int REQUEST_HEADERS = 1;
    private static final int REQUEST_BODY = 3;
    private static final int RESPONSE_TRAILERS = 6;
    private static final int IMMEDIATE_RESPONSE = 7;

    /** {@code BodyResponse}, {@code CommonResponse}, {@code BodyMutation}. */
    private static final int BODY_RESPONSE = 1;

    private static final int COMMON_BODY_MUTATION = 3;
    private static final int MUTATION_BODY = 1;

    /** {@code ImmediateResponse}. */
    private static final int IMMEDIATE_STATUS = 1;

    private static final int IMMEDIATE_BODY = 3;
    private static final int IMMEDIATE_GRPC_STATUS = 4;
    private static final int IMMEDIATE_DETAILS = 5;
    private static final int HTTP_STATUS_CODE = 1;
    private static final int GRPC_STATUS_STATUS = 1;

    static final ProcessAnswer HEADERS_GO_ON = of(Fields.NONE.with(REQUEST_HEADERS, Fields.NONE));
    static final ProcessAnswer PIECE_GOES_ON = of(Fields.NONE.with(REQUEST_BODY, Fields.NONE));
    static final ProcessAnswer RESPONSE_ENDS = of(Fields.NONE.with(RESPONSE_TRAILERS, Fields.NONE));

    /** Filled once, and from then on only read: safe for all threads. */
    private static final Map<Reason, ProcessAnswer> ENDS = new EnumMap<>(Reason.class);

    static {
        for (Reason reason : Reason.values()) {
            ENDS.put(reason, of(end(reason)));
        }
    }

    private final byte[] bytes;

    private ProcessAnswer(byte[] bytes) {
        this.bytes = bytes;
    }

    private static ProcessAnswer of(Fields response) {
        return new ProcessAnswer(response.toByteArray());
    }

    /** Ends the stream: towards the client with the reason's status and text, towards the gateway with a reset. */
    static ProcessAnswer end(Refusal refusal) {
        ProcessAnswer end = ENDS.get(refusal.reason());
        if (end == null) {
            throw new IllegalStateException("a reason without an answer");
        }
        return end;
    }

    private static Fields end(Reason reason) {
        return Fields.NONE.with(
                IMMEDIATE_RESPONSE,
                Fields.NONE
                        // As gRPC has it. Envoy takes a 403 on these routes for an outage (docs/envoy.md).
                        .with(IMMEDIATE_STATUS, Fields.NONE.with(HTTP_STATUS_CODE, 200))
                        .with(
                                IMMEDIATE_GRPC_STATUS,
                                Fields.NONE.with(
                                        GRPC_STATUS_STATUS, reason.statusCode().value()))
                        .with(IMMEDIATE_BODY, reason.text())
                        .with(IMMEDIATE_DETAILS, "sallyport_" + reason.code()));
    }

    /** The piece goes on as something else: more or less of what the client sent, in its order. */
    static ProcessAnswer pieceGoesOnAs(ByteString bytes) {
        return new ProcessAnswer(
                Fields.nested(bytes, REQUEST_BODY, BODY_RESPONSE, COMMON_BODY_MUTATION, MUTATION_BODY));
    }

    byte[] bytes() {
        return bytes.clone();
    }

    /** What gRPC sends. */
    InputStream stream() {
        return new PreparedMessage(bytes);
    }
}
