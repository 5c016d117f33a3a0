package io.sallyport.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Server;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.netty.channel.Channel;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.openshell00.OpenShellGrpc;
import io.sallyport.api.openshell00.PushSandboxLogsRequest;
import io.sallyport.api.openshell00.PushSandboxLogsResponse;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.bench.StreamLoad.Caller;
import io.sallyport.bench.StreamLoad.Kind;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whatever was sent has arrived, or there is no result. */
class StreamLoadTest {
    private static final String PUSH = "/openshell.v1.OpenShell/PushSandboxLogs";
    private static final List<Caller> THREE = Collections.nCopies(3, new Caller("sandbox-0", "token"));

    private final EventLoopGroup loops = GrpcServers.eventLoops("test", 2);

    @AfterEach
    void stop() {
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
    }

    @ParameterizedTest
    @CsvSource({
        PUSH + ", 200, 1",
        PUSH + ", 200, 80",
        PUSH + ", 16384, 3",
        PUSH + ", 16379, 1",
        PUSH + ", 16380, 1",
        PUSH + ", 40000, 1",
        StreamSink.ECHO + ", 200, 1",
        StreamSink.ECHO + ", 16384, 1"
    })
    void everythingArrivesAndIsCounted(String path, int size, int atOnce) throws Exception {
        try (StreamSink sink = new StreamSink(loops, 0)) {
            // Many times the windows of a stream and of a connection.
            int times = (24 << 20) / size;
            StreamLoad.Result result = new StreamLoad(loops, sink.endpoint())
                    .runTimes(Kind.of(path, new byte[size], atOnce), THREE, times);
            assertThat(result.messages()).isGreaterThanOrEqualTo(3L * times).isEqualTo(sink.messages());
            assertThat(result.bytes()).isEqualTo(result.messages() * (size + 5));
        }
    }

    @Test
    void oneMessageLostEndsTheMeasurement() throws Exception {
        try (StreamSink sink = new StreamSink(loops, 1)) {
            StreamLoad load = new StreamLoad(loops, sink.endpoint());
            assertThatThrownBy(() -> load.runTimes(Kind.of(PUSH, new byte[200], 1), THREE, 1000))
                    .isInstanceOf(Load.WrongAnswerException.class)
                    .hasMessageContaining("messages");
        }
    }

    @Test
    void aRefusalEndsTheMeasurement() throws Exception {
        Server server = refusing();
        try {
            StreamLoad load = new StreamLoad(loops, new Endpoint.Tcp("127.0.0.1", server.getPort()));
            assertThatThrownBy(() -> load.runTimes(Kind.of(PUSH, new byte[0], 1), THREE, 1000))
                    .isInstanceOf(Load.WrongAnswerException.class)
                    .hasMessageContaining("status 7");
        } finally {
            server.shutdownNow();
        }
    }

    /** A gRPC library understands what we send. */
    private Server refusing() throws IOException {
        return GrpcServers.listenOn(new Endpoint.Tcp("127.0.0.1", 0), loops)
                .directExecutor()
                .addService(new OpenShellGrpc.OpenShellImplBase() {
                    @Override
                    public StreamObserver<PushSandboxLogsRequest> pushSandboxLogs(
                            StreamObserver<PushSandboxLogsResponse> answer) {
                        return new StreamObserver<>() {
                            private int left = 500;

                            @Override
                            public void onNext(PushSandboxLogsRequest message) {
                                if (--left == 0) {
                                    answer.onError(Status.PERMISSION_DENIED.asRuntimeException());
                                }
                            }

                            @Override
                            public void onError(Throwable failure) {}

                            @Override
                            public void onCompleted() {}
                        };
                    }
                })
                .build()
                .start();
    }

    @Test
    void heldStreamsSendOneMessageEach() throws Exception {
        try (StreamSink sink = new StreamSink(loops, 0)) {
            Channel held = new StreamLoad(loops, sink.endpoint()).hold(Kind.of(PUSH, new byte[200], 1), THREE);
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (sink.messages() < 3 && System.nanoTime() < end) {
                Thread.sleep(5);
            }
            assertThat(sink.messages()).isEqualTo(3);
            assertThat(held.isActive()).isTrue();
            held.close().awaitUninterruptibly();
        }
    }
}
