package io.sallyport.extauthz.guard;

import io.grpc.KnownLength;
import io.grpc.MethodDescriptor;
import java.io.IOException;
import java.io.InputStream;

/** {@code envoy.service.ext_proc.v3.ExternalProcessor/Process}, with marshallers that copy a piece once and build nothing. */
final class ProcessMethod {
    static final String SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor";

    private ProcessMethod() {}

    static MethodDescriptor<ProcessMessage, ProcessAnswer> descriptor() {
        return MethodDescriptor.<ProcessMessage, ProcessAnswer>newBuilder()
                .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
                .setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, "Process"))
                .setRequestMarshaller(new Messages())
                .setResponseMarshaller(new Answers())
                .build();
    }

    private static final class Messages implements MethodDescriptor.Marshaller<ProcessMessage> {
        @Override
        public ProcessMessage parse(InputStream message) {
            try {
                return ProcessMessageReader.read(bytes(message));
            } catch (IOException e) {
                return new ProcessMessage.Unexpected("a message that cannot be read");
            }
        }

        private static byte[] bytes(InputStream message) throws IOException {
            if (!(message instanceof KnownLength)) {
                return message.readAllBytes();
            }
            byte[] bytes = new byte[message.available()];
            int read = message.readNBytes(bytes, 0, bytes.length);
            if (read != bytes.length || message.read() >= 0) {
                throw new IOException("a message is not as long as it says");
            }
            return bytes;
        }

        @Override
        public InputStream stream(ProcessMessage message) {
            throw new UnsupportedOperationException("Envoy's messages only come in");
        }
    }

    private static final class Answers implements MethodDescriptor.Marshaller<ProcessAnswer> {
        @Override
        public InputStream stream(ProcessAnswer answer) {
            return answer.stream();
        }

        @Override
        public ProcessAnswer parse(InputStream message) {
            throw new UnsupportedOperationException("answers only go out");
        }
    }
}
