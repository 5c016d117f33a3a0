package io.sallyport.extauthz;

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
                return new Question.Asked(CheckCallReader.read(message.readAllBytes()));
            } catch (IOException e) {
                return new Question.Garbled();
            }
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
