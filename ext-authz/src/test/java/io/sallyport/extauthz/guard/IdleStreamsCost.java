package io.sallyport.extauthz.guard;

import io.envoyproxy.envoy.service.ext_proc.v3.ExternalProcessorGrpc;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/** Prints what an idle stream costs: heap after a collection, both ends of the calls in one process, so an upper bound. */
public final class IdleStreamsCost {
    private static final int STREAMS = 1000;

    private IdleStreamsCost() {}

    /** Measures three times; the first time everything is new. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        GuardStage stage = new GuardStage();
        EventLoopGroup loops = GrpcServers.eventLoops("idle", 1);
        Endpoint socket = new Endpoint.Unix(Files.createTempDirectory("idle-").resolve("s"));
        Server server = GrpcServers.listenOn(socket, loops)
                .directExecutor()
                .addService(new GuardService(stage.guard).definition())
                .build()
                .start();
        ManagedChannel channel =
                GrpcChannels.connectTo(socket, loops).directExecutor().build();
        List<StreamObserver<ProcessingRequest>> open = new ArrayList<>();
        for (int round = 0; round < 3; round++) {
            long before = heap();
            CountDownLatch answered = new CountDownLatch(STREAMS);
            for (int i = 0; i < STREAMS / 2; i++) {
                for (String method : List.of(GuardStage.RELAY, GuardStage.LOGS)) {
                    StreamObserver<ProcessingRequest> requests =
                            ExternalProcessorGrpc.newStub(channel).process(new Answered(answered));
                    requests.onNext(
                            stage.stream("sandbox-" + round + "-" + i, method).headers());
                    open.add(requests);
                }
            }
            answered.await();
            long bytes = (heap() - before) / STREAMS;
            System.out.println("bytes per idle stream, both ends: " + bytes + ", with " + open.size() + " open");
        }
        channel.shutdownNow();
        server.shutdownNow();
        System.exit(0);
    }

    private static long heap() {
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    private record Answered(CountDownLatch latch) implements StreamObserver<ProcessingResponse> {
        @Override
        public void onNext(ProcessingResponse answer) {
            latch.countDown();
        }

        @Override
        public void onError(Throwable failure) {
            // The measurement is over, or it never will be: there is nothing to count.
        }

        @Override
        public void onCompleted() {}
    }
}
