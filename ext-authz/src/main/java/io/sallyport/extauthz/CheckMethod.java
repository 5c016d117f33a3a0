package io.sallyport.extauthz;

import io.grpc.MethodDescriptor;
import io.sallyport.base.net.RawMarshallers;

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
                .setRequestMarshaller(RawMarshallers.incoming(
                        message -> new Question.Asked(CheckCallReader.read(message)), Question.Garbled::new))
                .setResponseMarshaller(RawMarshallers.outgoing(Answer::stream))
                .build();
    }
}
