package io.sallyport.extauthz.guard;

import io.grpc.MethodDescriptor;
import io.sallyport.base.net.RawMarshallers;

/** {@code envoy.service.ext_proc.v3.ExternalProcessor/Process}, with marshallers that copy a piece once and build nothing. */
final class ProcessMethod {
    static final String SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor";

    /** A piece as large as a stream's window, and what Envoy says along with it. */
    private static final int LARGEST_USUAL = 72 * 1024;

    private ProcessMethod() {}

    static MethodDescriptor<ProcessMessage, ProcessAnswer> descriptor() {
        return MethodDescriptor.<ProcessMessage, ProcessAnswer>newBuilder()
                .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
                .setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, "Process"))
                .setRequestMarshaller(RawMarshallers.passing(
                        LARGEST_USUAL,
                        ProcessMessageReader::read,
                        () -> new ProcessMessage.Unexpected("a message that cannot be read")))
                .setResponseMarshaller(RawMarshallers.outgoing(ProcessAnswer::stream))
                .build();
    }
}
