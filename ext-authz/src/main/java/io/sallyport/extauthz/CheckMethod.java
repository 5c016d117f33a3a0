package io.sallyport.extauthz;

import io.grpc.KnownLength;
import io.grpc.MethodDescriptor;
import java.io.IOException;
import java.io.InputStream;

/** {@code envoy.service.auth.v3.Authorization/Check} with marshallers that read and write no more than is needed. */
final class CheckMethod {
    static final String SERVICE = "envoy.service.auth.v3.Authorization";

    /** What came in. */
    sealed interface Question {
        /** A call, to be decided. */
        record Asked(CheckCall call) implements Question {}

        /** Not a {@code CheckRequest}: whatever it is, it is not allowed. */
        record Garbled() implements Question {}
    }

    private CheckMethod() {}

    static MethodDescriptor<Question, Answer> descriptor() {
        return MethodDescriptor.<Question, Answer>newBuilder()
                .setType(MethodDescriptor.MethodType.UNARY)
                .setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, "Check"))
                .setRequestMarshaller(new Questions())
                .setResponseMarshaller(new AnswerBytes())
                .build();
    }

    private static final class Questions implements MethodDescriptor.Marshaller<Question> {
        @Override
        public Question parse(InputStream message) {
            try {
                return new Question.Asked(CheckCallReader.read(bytes(message)));
            } catch (IOException e) {
                return new Question.Garbled();
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
        public InputStream stream(Question question) {
            throw new UnsupportedOperationException("questions only come in");
        }
    }

    private static final class AnswerBytes implements MethodDescriptor.Marshaller<Answer> {
        @Override
        public InputStream stream(Answer answer) {
            return answer.stream();
        }

        @Override
        public Answer parse(InputStream message) {
            throw new UnsupportedOperationException("answers only go out");
        }
    }
}
