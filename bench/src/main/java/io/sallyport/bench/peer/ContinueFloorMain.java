package io.sallyport.bench.peer;

import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerServiceDefinition;
import io.grpc.ServiceDescriptor;
import io.grpc.Status;
import io.sallyport.base.net.PreparedMessage;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;

/**
 * The floor of the stream guard: what a processor on grpc-java costs that does nothing at all, with the transport, the flags
 * and the health service of ext-authz.
 *
 * <p>It looks at the first byte of what Envoy says, which tells what it is about, leaves the rest unread, and answers with
 * bytes made beforehand. Nobody could look at a message for less; what ext-authz costs more than this is what guarding costs.
 */
public final class ContinueFloorMain {
    private static final String SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor";

    private ContinueFloorMain() {}

    /** Serves on the endpoint that is its one argument. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        PeerServer.serveProcessor("continue-floor", arguments[0], process());
    }

    private static ServerServiceDefinition process() {
        MethodDescriptor<Answer, Answer> method = MethodDescriptor.<Answer, Answer>newBuilder()
                .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
                .setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, "Process"))
                .setRequestMarshaller(new Messages())
                .setResponseMarshaller(new Messages())
                .build();
        return ServerServiceDefinition.builder(
                        ServiceDescriptor.newBuilder(SERVICE).addMethod(method).build())
                .addMethod(method, (call, _) -> {
                    call.sendHeaders(new Metadata());
                    call.request(Integer.MAX_VALUE);
                    return new Continuing(call);
                })
                .build();
    }

    /** The answer to a message of Envoy's; field numbers are those of {@code external_processor.proto}. */
    @SuppressWarnings("ImmutableEnumChecker") // nobody writes to the bytes
    private enum Answer {
        REQUEST_HEADERS(2, 1),
        REQUEST_BODY(4, 3),
        REQUEST_TRAILERS(6, 5),
        RESPONSE_TRAILERS(7, 6);

        private final int firstByte;
        private final byte[] bytes;

        Answer(int field, int answer) {
            firstByte = field << 3 | 2;
            bytes = new byte[] {(byte) (answer << 3 | 2), 0};
        }

        static Answer to(int firstByte) {
            for (Answer answer : ALL) {
                if (answer.firstByte == firstByte) {
                    return answer;
                }
            }
            throw new IllegalArgumentException("a message that begins with " + firstByte);
        }

        // The likeliest first.
        private static final List<Answer> ALL =
                List.of(REQUEST_BODY, REQUEST_HEADERS, REQUEST_TRAILERS, RESPONSE_TRAILERS);
    }

    private static final class Messages implements MethodDescriptor.Marshaller<Answer> {
        @Override
        public Answer parse(InputStream message) {
            try {
                return Answer.to(message.read());
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public InputStream stream(Answer answer) {
            return new PreparedMessage(answer.bytes);
        }
    }

    private static final class Continuing extends ServerCall.Listener<Answer> {
        private final ServerCall<Answer, Answer> call;

        Continuing(ServerCall<Answer, Answer> call) {
            this.call = call;
        }

        @Override
        public void onMessage(Answer answer) {
            call.sendMessage(answer);
        }

        @Override
        public void onHalfClose() {
            call.close(Status.OK, new Metadata());
        }
    }
}
