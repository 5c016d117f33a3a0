package io.sallyport.bench.peer;

import io.envoyproxy.envoy.service.ext_proc.v3.BodyResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ExternalProcessorGrpc;
import io.envoyproxy.envoy.service.ext_proc.v3.HeadersResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.TrailersResponse;
import io.grpc.stub.StreamObserver;
import java.io.IOException;

/**
 * The peer of the stream guard: an ordinary processor on the generated classes that lets everything go on, with the
 * transport, the flags and the health service of ext-authz. It hears what Envoy says and builds each answer once;
 * {@link ContinueFloorMain} does not even hear.
 */
public final class AlwaysContinueMain {
    private AlwaysContinueMain() {}

    /** Serves on the endpoint that is its one argument. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        PeerServer.serveProcessor("always-continue", arguments[0], new AlwaysContinue().bindService());
    }

    private static final class AlwaysContinue extends ExternalProcessorGrpc.ExternalProcessorImplBase {
        private static final ProcessingResponse HEADERS = ProcessingResponse.newBuilder()
                .setRequestHeaders(HeadersResponse.getDefaultInstance())
                .build();
        private static final ProcessingResponse BODY = ProcessingResponse.newBuilder()
                .setRequestBody(BodyResponse.getDefaultInstance())
                .build();
        private static final ProcessingResponse TRAILERS = ProcessingResponse.newBuilder()
                .setRequestTrailers(TrailersResponse.getDefaultInstance())
                .build();
        private static final ProcessingResponse RESPONSE_TRAILERS = ProcessingResponse.newBuilder()
                .setResponseTrailers(TrailersResponse.getDefaultInstance())
                .build();

        @Override
        public StreamObserver<ProcessingRequest> process(StreamObserver<ProcessingResponse> envoy) {
            return new StreamObserver<>() {
                @Override
                public void onNext(ProcessingRequest request) {
                    envoy.onNext(answer(request));
                }

                @Override
                public void onError(Throwable failure) {
                    // Envoy has left.
                }

                @Override
                public void onCompleted() {
                    envoy.onCompleted();
                }
            };
        }

        private static ProcessingResponse answer(ProcessingRequest request) {
            return switch (request.getRequestCase()) {
                case REQUEST_BODY -> BODY;
                case REQUEST_HEADERS -> HEADERS;
                case REQUEST_TRAILERS -> TRAILERS;
                case RESPONSE_TRAILERS -> RESPONSE_TRAILERS;
                case RESPONSE_HEADERS, RESPONSE_BODY, REQUEST_NOT_SET ->
                    throw new IllegalArgumentException("a message about " + request.getRequestCase());
            };
        }
    }
}
