package io.sallyport.bench;

import com.google.protobuf.InvalidProtocolBufferException;
import io.envoyproxy.envoy.service.auth.v3.AuthorizationGrpc;
import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.grpc.Channel;
import io.grpc.Metadata;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;

/** Calls of {@code Check} as bytes. */
final class Checks {
    static final String METHOD = AuthorizationGrpc.getCheckMethod().getFullMethodName();

    private Checks() {}

    static Load.Request request(byte[] question) {
        return new Load.Request(question, new Metadata());
    }

    /** Asks once and waits; whether the answer allows. */
    static boolean ask(Channel channel, byte[] question) {
        try {
            return isOk(AuthorizationGrpc.newBlockingStub(channel)
                    .check(CheckRequest.parseFrom(question))
                    .toByteArray());
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalArgumentException("not a question", e);
        }
    }

    /** Whether an answer allows. */
    static boolean isOk(byte[] answer) {
        try {
            CheckResponse response = CheckResponse.parseFrom(answer);
            return response.getStatus().getCode() == 0 && response.hasOkResponse();
        } catch (InvalidProtocolBufferException e) {
            return false;
        }
    }

    /** The same for answers that are all alike: only the first one is read, the others are compared with it. */
    static Predicate<byte[]> allOk() {
        AtomicReference<byte[]> known = new AtomicReference<>(new byte[0]);
        return answer -> {
            if (Arrays.equals(answer, known.get())) {
                return true;
            }
            known.set(answer);
            return isOk(answer);
        };
    }
}
