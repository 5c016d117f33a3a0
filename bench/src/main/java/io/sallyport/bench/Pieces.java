package io.sallyport.bench;

import com.google.protobuf.ByteString;
import io.envoyproxy.envoy.service.ext_proc.v3.ExternalProcessorGrpc;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpBody;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpHeaders;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.grpc.Channel;
import io.grpc.stub.StreamObserver;
import java.util.concurrent.CountDownLatch;

/** Talks to a processor as Envoy does, without one. */
final class Pieces {
    private static final int SIZE = 16 * 1024;

    private Pieces() {}

    /** So many streams, one after the other, each of so many pieces; returns when all have been answered. */
    static void send(Channel channel, int streams, int pieces) throws InterruptedException {
        ProcessingRequest piece = ProcessingRequest.newBuilder()
                .setRequestBody(HttpBody.newBuilder().setBody(ByteString.copyFrom(new byte[SIZE])))
                .build();
        for (int i = 0; i < streams; i++) {
            CountDownLatch answers = new CountDownLatch(pieces + 1);
            StreamObserver<ProcessingRequest> envoy = ExternalProcessorGrpc.newStub(channel)
                    .process(new StreamObserver<>() {
                        @Override
                        public void onNext(ProcessingResponse answer) {
                            answers.countDown();
                        }

                        @Override
                        public void onError(Throwable failure) {
                            onCompleted();
                        }

                        @Override
                        public void onCompleted() {
                            while (answers.getCount() > 0) {
                                answers.countDown();
                            }
                        }
                    });
            envoy.onNext(ProcessingRequest.newBuilder()
                    .setRequestHeaders(HttpHeaders.getDefaultInstance())
                    .build());
            for (int sent = 0; sent < pieces; sent++) {
                envoy.onNext(piece);
            }
            answers.await();
            envoy.onCompleted();
        }
    }
}
