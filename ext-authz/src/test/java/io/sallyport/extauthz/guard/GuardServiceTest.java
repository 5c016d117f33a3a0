package io.sallyport.extauthz.guard;

import static io.sallyport.extauthz.guard.GuardStage.LOGS;
import static io.sallyport.extauthz.guard.GuardStage.RELAY;
import static io.sallyport.extauthz.guard.GuardStage.frame;
import static io.sallyport.extauthz.guard.GuardStage.logs;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.envoyproxy.envoy.service.ext_proc.v3.ExternalProcessorGrpc;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpBody;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse.ResponseCase;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.Reason;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The service on a real Unix socket, spoken to as Envoy speaks to it. */
@Timeout(60)
class GuardServiceTest {
    @TempDir
    Path directory;

    private final EventLoopGroup loops = GrpcServers.eventLoops("test", 1);
    private final GuardStage stage = new GuardStage();
    private final GuardService service = new GuardService(stage.guard);
    private Server server;
    private ManagedChannel channel;

    @BeforeEach
    void start() throws IOException {
        Endpoint socket = new Endpoint.Unix(directory.resolve("s"));
        server = GrpcServers.listenOn(socket, loops)
                .directExecutor()
                .maxInboundMessageSize(4 << 20)
                .addService(service.definition())
                .build()
                .start();
        channel = GrpcChannels.connectTo(socket, loops).directExecutor().build();
    }

    @AfterEach
    void stop() {
        channel.shutdownNow();
        server.shutdownNow();
        var _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    /** One call of Envoy's. */
    private final class Call implements StreamObserver<ProcessingResponse> {
        final BlockingQueue<ProcessingResponse> answers = new LinkedBlockingQueue<>();
        final CompletableFuture<Status> end = new CompletableFuture<>();
        final StreamObserver<ProcessingRequest> requests;

        Call() {
            requests = ExternalProcessorGrpc.newStub(channel).process(this);
        }

        Call open(String sandbox, String method) throws InterruptedException {
            requests.onNext(stage.stream(sandbox, method).headers());
            assertThat(answers.take().getResponseCase()).isEqualTo(ResponseCase.REQUEST_HEADERS);
            return this;
        }

        void piece(byte[] bytes) {
            requests.onNext(ProcessingRequest.newBuilder()
                    .setRequestBody(HttpBody.newBuilder().setBody(ByteString.copyFrom(bytes)))
                    .build());
        }

        @Override
        public void onNext(ProcessingResponse answer) {
            answers.add(answer);
        }

        @Override
        public void onError(Throwable failure) {
            end.complete(Status.fromThrowable(failure));
        }

        @Override
        public void onCompleted() {
            end.complete(Status.OK);
        }
    }

    @Test
    void piecesGoOnAndEnvoyEndsFirst() throws Exception {
        Call call = new Call().open("alpha", LOGS);
        byte[] one = frame(logs("alpha", "alpha").toByteArray());
        call.piece(Arrays.copyOf(one, 7));
        call.piece(Arrays.copyOfRange(one, 7, one.length));
        assertThat(call.answers.take().getResponseCase()).isEqualTo(ResponseCase.REQUEST_BODY);
        assertThat(call.answers.take().getResponseCase()).isEqualTo(ResponseCase.REQUEST_BODY);
        assertThat(call.end).isNotDone();
        call.requests.onCompleted();

        assertThat(call.end.get()).isEqualTo(Status.OK);
        assertThat(stage.streams.size()).isZero();
    }

    @Test
    void aRefusalIsSaidAndThenTheCallFails() throws Exception {
        Call call = new Call().open("alpha", LOGS);
        call.piece(frame(logs("beta").toByteArray()));
        ProcessingResponse answer = call.answers.take();

        assertThat(answer.getImmediateResponse().getGrpcStatus().getStatus()).isEqualTo(7);
        assertThat(answer.getImmediateResponse().getBody().toStringUtf8()).isEqualTo(Reason.CROSS_SANDBOX.text());
        assertThat(call.end).isNotDone();
        call.requests.onCompleted();
        assertThat(call.end.get().getCode()).isEqualTo(Status.Code.PERMISSION_DENIED);
    }

    @Test
    void aCutComesUnasked() throws Exception {
        Call call = new Call().open("alpha", RELAY);
        stage.streams.forEach(stream -> stream.cut(new Refusal(Reason.TOKEN_REVOKED, "")));

        assertThat(call.answers.take().getImmediateResponse().getGrpcStatus().getStatus())
                .isEqualTo(16);
        stage.time.advance(Duration.ofSeconds(1));
        stage.streams.insist();
        assertThat(call.end.get().getCode()).isEqualTo(Status.Code.UNAUTHENTICATED);
    }

    @Test
    void whoeverDrainsLeavesNoGateOpen() throws Exception {
        Call before = new Call().open("alpha", RELAY);
        service.drain();
        Call after = new Call();
        after.requests.onNext(stage.stream("alpha", RELAY).headers());
        server.shutdown();

        for (Call call : List.of(before, after)) {
            assertThat(call.answers
                            .take()
                            .getImmediateResponse()
                            .getGrpcStatus()
                            .getStatus())
                    .isEqualTo(14);
            call.requests.onCompleted();
            assertThat(call.end.get().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
        }
    }

    @Test
    void aLostConnectionLeavesNothingBehind() throws Exception {
        Call call = new Call().open("alpha", LOGS);
        call.piece(new byte[] {0, 0, 1, 0, 0, 10, 10, 10});
        Call pinned = new Call().open("alpha", LOGS);
        pinned.piece(frame(logs("alpha").toByteArray()));
        var _ = pinned.answers.take();
        channel.shutdownNow();
        server.shutdownNow();
        assertThat(server.awaitTermination(30, TimeUnit.SECONDS)).isTrue();
        assertThat(call.end.get().isOk()).isFalse();
        // The server counts as ended a moment before the loop tells each call so.
        while (stage.streams.size() > 0) {
            Thread.sleep(5);
        }

        assertThat(stage.streams.unfinishedBytes()).isZero();
    }

    @Test
    void garbleFailsTheCall() throws Exception {
        Call call = new Call();
        call.requests.onNext(ProcessingRequest.getDefaultInstance());
        call.requests.onCompleted();
        assertThat(call.end.get().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
    }

    /** Nobody waits for anybody: many streams, each with a message begun, on the threads that were there before. */
    @Test
    void manyStreamsHoldNoThreads() throws Exception {
        new Call().open("warm", LOGS).piece(new byte[] {0});
        int threads = Thread.activeCount();
        List<Call> calls = new ArrayList<>();
        for (int i = 0; i < 900; i++) {
            Call call = new Call().open("sandbox-" + i / 20, LOGS);
            call.piece(new byte[] {0, 0, 0, 0, 100, 10});
            calls.add(call);
        }
        assertThat(stage.streams.size()).isEqualTo(901);
        assertThat(Thread.activeCount()).isLessThanOrEqualTo(threads + 2);
        assertThat(calls).allMatch(call -> !call.end.isDone());
    }
}
