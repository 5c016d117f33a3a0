package io.sallyport.envoyconfig;

import com.google.protobuf.ByteString;
import io.envoyproxy.envoy.service.ext_proc.v3.BodyMutation;
import io.envoyproxy.envoy.service.ext_proc.v3.BodyResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.CommonResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ExternalProcessorGrpc;
import io.envoyproxy.envoy.service.ext_proc.v3.GrpcStatus;
import io.envoyproxy.envoy.service.ext_proc.v3.HeadersResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ImmediateResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.TrailersResponse;
import io.envoyproxy.envoy.type.v3.HttpStatus;
import io.envoyproxy.envoy.type.v3.StatusCode;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** A stream guard that reads nothing: it writes down what Envoy shows it, and lets go what the test lets go. */
final class FakeStreamGuard extends ExternalProcessorGrpc.ExternalProcessorImplBase {
    private static final int PATIENCE_SECONDS = 60;

    private final CopyOnWriteArrayList<Guarded> streams = new CopyOnWriteArrayList<>();
    private volatile Predicate<ProcessingRequest> answersAtOnce = request -> true;

    /** What is answered as soon as it comes, on streams from now on; the rest waits for the test. */
    void answersAtOnce(Predicate<ProcessingRequest> which) {
        answersAtOnce = which;
    }

    void holdsBodies() {
        answersAtOnce(request -> !request.hasRequestBody());
    }

    void forget() {
        streams.clear();
        answersAtOnce = request -> true;
    }

    List<Guarded> streams() {
        return List.copyOf(streams);
    }

    /** The one stream there is, once it is there. */
    Guarded only() throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (streams.isEmpty()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("the guard was not asked");
            }
            Thread.sleep(2);
        }
        return streams.getFirst();
    }

    @Override
    public StreamObserver<ProcessingRequest> process(StreamObserver<ProcessingResponse> responses) {
        Guarded stream = new Guarded(responses, answersAtOnce);
        streams.add(stream);
        return stream;
    }

    /** One stream, as Envoy shows it. */
    static final class Guarded implements StreamObserver<ProcessingRequest> {
        private final StreamObserver<ProcessingResponse> responses;
        private final Predicate<ProcessingRequest> answersAtOnce;
        private final List<ProcessingRequest> requests = new ArrayList<>();
        private int answered;
        private long bodyBytes;
        private int largestPiece;
        private @Nullable String end;

        private Guarded(StreamObserver<ProcessingResponse> responses, Predicate<ProcessingRequest> answersAtOnce) {
            this.responses = responses;
            this.answersAtOnce = answersAtOnce;
        }

        @Override
        public synchronized void onNext(ProcessingRequest request) {
            requests.add(request);
            ByteString piece = request.getRequestBody().getBody();
            bodyBytes += piece.size();
            largestPiece = Math.max(largestPiece, piece.size());
            notifyAll();
            if (answersAtOnce.test(request)) {
                answerAll();
            }
        }

        /** Lets everything go that has come, in its order. */
        synchronized void answerAll() {
            while (answered < requests.size()) {
                responses.onNext(answer(requests.get(answered++)));
            }
        }

        /** Lets everything go that has come, except the last piece. */
        synchronized void answerAllButTheLast() {
            while (answered < requests.size() - 1) {
                responses.onNext(answer(requests.get(answered++)));
            }
        }

        /** Lets go of only the beginning of what has come last, and keeps the rest for {@link #answerWith}. */
        synchronized void answerWith(ByteString body) {
            answered++;
            responses.onNext(ProcessingResponse.newBuilder()
                    .setRequestBody(BodyResponse.newBuilder()
                            .setResponse(CommonResponse.newBuilder()
                                    .setBodyMutation(BodyMutation.newBuilder().setBody(body))))
                    .build());
        }

        /** Lets the next piece go with something in front of it. */
        synchronized void answerNextWith(ByteString before) {
            answerWith(before.concat(requests.get(answered).getRequestBody().getBody()));
        }

        /** Asks Envoy to wait for longer than it would; not an answer. */
        synchronized void askForTime(Duration time) {
            responses.onNext(ProcessingResponse.newBuilder()
                    .setOverrideMessageTimeout(Protos.duration(time))
                    .build());
        }

        /** The body so far, as it was shown here. */
        synchronized ByteString body() {
            return requests.stream()
                    .map(request -> request.getRequestBody().getBody())
                    .reduce(ByteString.EMPTY, ByteString::concat);
        }

        /** Ends the stream with a status, asked or unasked. */
        synchronized void cut(Status.Code code, String text) {
            responses.onNext(ProcessingResponse.newBuilder()
                    .setImmediateResponse(ImmediateResponse.newBuilder()
                            .setStatus(HttpStatus.newBuilder().setCode(StatusCode.OK))
                            .setGrpcStatus(GrpcStatus.newBuilder().setStatus(code.value()))
                            .setBody(ByteString.copyFromUtf8(text))
                            .setDetails("cut"))
                    .build());
        }

        synchronized void fail(Status status) {
            responses.onError(status.asException());
        }

        synchronized void complete() {
            responses.onCompleted();
        }

        synchronized List<ProcessingRequest> requests() {
            return List.copyOf(requests);
        }

        synchronized long bodyBytes() {
            return bodyBytes;
        }

        synchronized int largestPiece() {
            return largestPiece;
        }

        synchronized @Nullable String end() {
            return end;
        }

        /** Waits until that much of the body has come here. */
        synchronized void awaitBody(long bytes) throws InterruptedException {
            await(() -> bodyBytes >= bytes, "that much of the body");
        }

        synchronized void await(Predicate<ProcessingRequest> which, String what) throws InterruptedException {
            await(() -> requests.stream().anyMatch(which), what);
        }

        /** Waits until Envoy has shown the last of the body. */
        synchronized void awaitBodyEnd() throws InterruptedException {
            await(request -> request.getRequestBody().getEndOfStream(), "the end of the body");
        }

        synchronized void awaitEnd() throws InterruptedException {
            await(() -> end != null, "the end");
        }

        private void await(BooleanSupplier condition, String what) throws InterruptedException {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
            while (!condition.getAsBoolean()) {
                if (System.nanoTime() > deadline) {
                    throw new AssertionError(what + " did not come; " + bodyBytes + " bytes of the body came");
                }
                wait(1000);
            }
        }

        @Override
        public synchronized void onError(Throwable failure) {
            end = String.valueOf(failure.getMessage());
            notifyAll();
        }

        @Override
        public synchronized void onCompleted() {
            end = "completed";
            notifyAll();
            responses.onCompleted();
        }

        private static ProcessingResponse answer(ProcessingRequest request) {
            ProcessingResponse.Builder response = ProcessingResponse.newBuilder();
            return switch (request.getRequestCase()) {
                case REQUEST_HEADERS ->
                    response.setRequestHeaders(HeadersResponse.getDefaultInstance())
                            .build();
                case RESPONSE_HEADERS ->
                    response.setResponseHeaders(HeadersResponse.getDefaultInstance())
                            .build();
                case REQUEST_BODY ->
                    response.setRequestBody(BodyResponse.getDefaultInstance()).build();
                case RESPONSE_BODY ->
                    response.setResponseBody(BodyResponse.getDefaultInstance()).build();
                case REQUEST_TRAILERS ->
                    response.setRequestTrailers(TrailersResponse.getDefaultInstance())
                            .build();
                case RESPONSE_TRAILERS ->
                    response.setResponseTrailers(TrailersResponse.getDefaultInstance())
                            .build();
                case REQUEST_NOT_SET -> throw new AssertionError("Envoy asks about nothing");
            };
        }
    }
}
