package io.sallyport.envoyconfig;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.envoyproxy.envoy.type.v3.StatusCode;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCalls;
import io.sallyport.base.net.RawMarshallers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/** What an ordinary gRPC client makes of the answers that a real Envoy gives itself. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class EnvoyGrpcClientTest {
    private LiveEnvoy live;
    private ManagedChannel channel;

    @BeforeAll
    void start(@TempDir Path directory) throws Exception {
        // What Envoy says of a late decision is another test's question.
        live = LiveEnvoy.start(directory, new SettingsText().with("limits", "{authorization: 5s}"));
        channel = NettyChannelBuilder.forAddress("127.0.0.1", live.envoy().port())
                .usePlaintext()
                .build();
    }

    @AfterAll
    void stop() {
        if (live != null) {
            channel.shutdownNow();
            live.close();
        }
    }

    @BeforeEach
    void forget() {
        live.forget();
    }

    @Test
    void anAnswerOfTheGateway() {
        assertThat(call(ProbePolicy.SANDBOX, new byte[7])).isEqualTo("pong");
    }

    @Test
    void aClosedMethodIsUnimplemented() {
        assertStatus(Code.UNIMPLEMENTED, "unknown method", () -> call(ProbePolicy.OPERATOR, new byte[0]));
    }

    @Test
    void aBodyOverTheLimitIsResourceExhausted() {
        assertStatus(
                Code.RESOURCE_EXHAUSTED,
                "the request body is over the limit of its method",
                () -> call(ProbePolicy.SANDBOX, new byte[4 << 20]));
    }

    @Test
    void aMethodThatTakesTooLongIsDeadlineExceeded() {
        live.gateway().silent(true);

        assertStatus(Code.DEADLINE_EXCEEDED, "downstream duration timeout", () -> call(ProbePolicy.BRIEF, new byte[0]));
    }

    @Test
    void aDenialIsItself() {
        live.extAuthz().decide(FakeExtAuthz.deny(StatusCode.Forbidden, Code.PERMISSION_DENIED, "100 % not yours"));

        assertStatus(Code.PERMISSION_DENIED, "100 % not yours", () -> call(ProbePolicy.SANDBOX, new byte[0]));
    }

    @Test
    void anOutageIsUnavailable() {
        live.extAuthz().decide(answer -> answer.onError(Status.INTERNAL.asException()));

        assertStatus(
                Code.UNAVAILABLE,
                "authorization is unavailable, try again",
                () -> call(ProbePolicy.SANDBOX, new byte[0]));
    }

    private static void assertStatus(Code code, String text, Runnable call) {
        assertThatThrownBy(call::run).isInstanceOfSatisfying(StatusRuntimeException.class, failure -> {
            assertThat(failure.getStatus().getCode()).isEqualTo(code);
            assertThat(failure.getStatus().getDescription()).isEqualTo(text);
        });
    }

    private String call(String path, byte[] message) {
        MethodDescriptor<byte[], byte[]> method = MethodDescriptor.<byte[], byte[]>newBuilder()
                .setType(MethodType.UNARY)
                .setFullMethodName(path.substring(1))
                .setRequestMarshaller(RawMarshallers.unread())
                .setResponseMarshaller(RawMarshallers.unread())
                .build();
        byte[] answer = ClientCalls.blockingUnaryCall(
                channel, method, CallOptions.DEFAULT.withDeadlineAfter(15, TimeUnit.SECONDS), message);
        return new String(answer, StandardCharsets.UTF_8);
    }
}
