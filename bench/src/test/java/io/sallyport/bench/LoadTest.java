package io.sallyport.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.envoyproxy.envoy.service.auth.v3.AuthorizationGrpc;
import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.envoyproxy.envoy.service.auth.v3.DeniedHttpResponse;
import io.envoyproxy.envoy.service.auth.v3.OkHttpResponse;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A fast wrong answer is no result. */
class LoadTest {
    private static final int CALLS = 1000;
    private static final Load.Request QUESTION =
            Checks.request(CheckRequest.getDefaultInstance().toByteArray());

    @TempDir
    Path folder;

    private final EventLoopGroup loops = GrpcServers.eventLoops("test", 1);
    private final AtomicInteger asked = new AtomicInteger();
    private volatile Answering answering = Answering.WELL;
    private Server server;
    private ManagedChannel channel;

    /** How the server answers one call in the middle of all. */
    enum Answering {
        WELL,
        WITH_A_DENIAL,
        WITH_AN_ERROR
    }

    @BeforeEach
    void start() throws IOException {
        Endpoint socket = new Endpoint.Unix(folder.resolve("s"));
        server = GrpcServers.listenOn(socket, loops)
                .directExecutor()
                .addService(new AuthorizationGrpc.AuthorizationImplBase() {
                    @Override
                    public void check(CheckRequest request, StreamObserver<CheckResponse> answer) {
                        boolean odd = asked.incrementAndGet() == CALLS / 2;
                        if (odd && answering == Answering.WITH_AN_ERROR) {
                            answer.onError(Status.UNAVAILABLE.asRuntimeException());
                            return;
                        }
                        answer.onNext(
                                odd && answering == Answering.WITH_A_DENIAL
                                        ? CheckResponse.newBuilder()
                                                .setDeniedResponse(DeniedHttpResponse.getDefaultInstance())
                                                .build()
                                        : CheckResponse.newBuilder()
                                                .setOkResponse(OkHttpResponse.getDefaultInstance())
                                                .build());
                        answer.onCompleted();
                    }
                })
                .build()
                .start();
        channel = GrpcChannels.connectTo(socket, loops).directExecutor().build();
    }

    @AfterEach
    void stop() {
        channel.shutdownNow();
        server.shutdownNow();
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
    }

    @Test
    void everyCallIsCountedOnce() throws InterruptedException {
        Load.Result result = new Load(channel, Checks.METHOD, 16, Checks.allOk()).runTimes(QUESTION, CALLS);
        assertThat(result.answers()).isEqualTo(CALLS);
        assertThat(asked).hasValue(CALLS);
        assertThat(result.p99()).isGreaterThanOrEqualTo(result.p50());
    }

    @ParameterizedTest
    @EnumSource(
            value = Answering.class,
            names = {"WITH_A_DENIAL", "WITH_AN_ERROR"})
    void oneWrongAnswerAmongMillionsEndsTheMeasurement(Answering how) {
        answering = how;
        assertThatThrownBy(() -> new Load(channel, Checks.METHOD, 16, Checks.allOk()).runTimes(QUESTION, CALLS))
                .isInstanceOf(Load.WrongAnswerException.class);
        assertThat(asked.get()).isBetween(CALLS / 2, CALLS / 2 + 16);
    }
}
