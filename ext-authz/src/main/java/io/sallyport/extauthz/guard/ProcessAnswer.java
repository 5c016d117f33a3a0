package io.sallyport.extauthz.guard;

import com.google.protobuf.ByteString;
import io.envoyproxy.envoy.service.ext_proc.v3.BodyMutation;
import io.envoyproxy.envoy.service.ext_proc.v3.BodyResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.CommonResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.GrpcStatus;
import io.envoyproxy.envoy.service.ext_proc.v3.HeadersResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ImmediateResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.TrailersResponse;
import io.envoyproxy.envoy.type.v3.HttpStatus;
import io.envoyproxy.envoy.type.v3.StatusCode;
import io.grpc.Drainable;
import io.grpc.KnownLength;
import io.sallyport.base.Reason;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.EnumMap;
import java.util.Map;

/** A {@code ProcessingResponse}, built beforehand: the guard changes nothing, so it has few things to say. */
final class ProcessAnswer {
    static final ProcessAnswer HEADERS_GO_ON = new ProcessAnswer(ProcessingResponse.newBuilder()
            .setRequestHeaders(HeadersResponse.getDefaultInstance())
            .build());
    static final ProcessAnswer PIECE_GOES_ON = new ProcessAnswer(ProcessingResponse.newBuilder()
            .setRequestBody(BodyResponse.getDefaultInstance())
            .build());
    static final ProcessAnswer RESPONSE_ENDS = new ProcessAnswer(ProcessingResponse.newBuilder()
            .setResponseTrailers(TrailersResponse.getDefaultInstance())
            .build());

    /** Filled once, and from then on only read: safe for all threads. */
    private static final Map<Reason, ProcessAnswer> ENDS = new EnumMap<>(Reason.class);

    static {
        for (Reason reason : Reason.values()) {
            ENDS.put(reason, new ProcessAnswer(end(reason)));
        }
    }

    private final byte[] bytes;

    private ProcessAnswer(ProcessingResponse response) {
        this.bytes = response.toByteArray();
    }

    /** Ends the stream: towards the client with the reason's status and text, towards the gateway with a reset. */
    static ProcessAnswer end(Refusal refusal) {
        ProcessAnswer end = ENDS.get(refusal.reason());
        if (end == null) {
            throw new IllegalStateException("a reason without an answer");
        }
        return end;
    }

    private static ProcessingResponse end(Reason reason) {
        return ProcessingResponse.newBuilder()
                .setImmediateResponse(ImmediateResponse.newBuilder()
                        // As gRPC has it. Envoy takes a 403 on these routes for an outage (docs/envoy.md).
                        .setStatus(HttpStatus.newBuilder().setCode(StatusCode.OK))
                        .setGrpcStatus(GrpcStatus.newBuilder()
                                .setStatus(reason.statusCode().value()))
                        .setBody(ByteString.copyFromUtf8(reason.text()))
                        .setDetails("sallyport_" + reason.code()))
                .build();
    }

    /** The piece goes on as something else: more or less of what the client sent, in its order. */
    static ProcessAnswer pieceGoesOnAs(ByteString bytes) {
        return new ProcessAnswer(ProcessingResponse.newBuilder()
                .setRequestBody(BodyResponse.newBuilder()
                        .setResponse(CommonResponse.newBuilder()
                                .setBodyMutation(BodyMutation.newBuilder().setBody(bytes))))
                .build());
    }

    byte[] bytes() {
        return bytes.clone();
    }

    /** What gRPC sends. It takes the short way of {@link Drainable}. */
    InputStream stream() {
        return new Stream(bytes);
    }

    private static final class Stream extends ByteArrayInputStream implements Drainable, KnownLength {
        Stream(byte[] bytes) {
            super(bytes);
        }

        @Override
        public int drainTo(OutputStream target) throws IOException {
            int left = available();
            target.write(buf, pos, left);
            pos += left;
            return left;
        }
    }
}
