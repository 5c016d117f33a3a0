package io.sallyport.extauthz.guard;

import com.google.protobuf.InvalidProtocolBufferException;
import io.envoyproxy.envoy.service.ext_proc.v3.CommonResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.grpc.Status;
import java.io.ByteArrayOutputStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import org.jspecify.annotations.Nullable;

/** Envoy's side of one stream: holds pieces until they are answered, and lets them go on in order, as the real one does. */
final class FakeEnvoy implements GuardedStream.Envoy {
    /** Everything that was answered, in words. */
    final List<String> said = Collections.synchronizedList(new ArrayList<>());

    final ByteArrayOutputStream passed = new ByteArrayOutputStream();
    final Queue<byte[]> waiting = new ArrayDeque<>();
    int asked = 1;
    volatile @Nullable ProcessingResponse ended;
    volatile @Nullable Status status;

    @Override
    public void answer(ProcessAnswer answer) {
        ProcessingResponse response;
        try {
            response = ProcessingResponse.parseFrom(answer.bytes());
        } catch (InvalidProtocolBufferException e) {
            throw new AssertionError(e);
        }
        switch (response.getResponseCase()) {
            case REQUEST_HEADERS -> said.add("headers");
            case REQUEST_BODY -> {
                said.add("piece");
                byte[] piece = waiting.remove();
                CommonResponse common = response.getRequestBody().getResponse();
                passed.writeBytes(
                        common.hasBodyMutation()
                                ? common.getBodyMutation().getBody().toByteArray()
                                : piece);
            }
            case RESPONSE_TRAILERS -> said.add("trailers");
            case IMMEDIATE_RESPONSE -> {
                said.add("end");
                ended = response;
            }
            default -> throw new AssertionError(response.toString());
        }
    }

    @Override
    public void next() {
        asked++;
    }

    @Override
    public void fail(Status status) {
        this.status = status;
        said.add("fail");
    }

    @Override
    public void finish() {
        status = Status.OK;
        said.add("finish");
    }

    /** How the call was ended; it has to have been. */
    Status.Code closedWith() {
        return Objects.requireNonNull(status, "the call goes on").getCode();
    }

    /** The client is told this, and the gate is closed. */
    int grpcStatus() {
        ProcessingResponse response = ended;
        return response == null
                ? -1
                : response.getImmediateResponse().getGrpcStatus().getStatus();
    }
}
