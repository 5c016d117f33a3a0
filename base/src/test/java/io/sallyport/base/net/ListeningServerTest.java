package io.sallyport.base.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.ManagedChannel;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.services.HealthStatusManager;
import io.netty.channel.EventLoopGroup;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ListeningServerTest {
    @TempDir
    Path temp;

    private final EventLoopGroup loops = GrpcServers.eventLoops("test", 1);

    @AfterEach
    void stop() {
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
    }

    private ListeningServer serve(Endpoint endpoint) throws IOException {
        return ListeningServer.start(
                endpoint,
                new ListeningServer.Access(SocketFile.Neighbours.NOBODY, "rw-------"),
                loops,
                builder -> builder.addService(new HealthStatusManager().getHealthService()));
    }

    private void assertAnswers(Endpoint endpoint) {
        ManagedChannel channel = GrpcChannels.connectTo(endpoint, loops).build();
        try {
            assertThat(HealthGrpc.newBlockingStub(channel)
                            .withDeadlineAfter(10, TimeUnit.SECONDS)
                            .check(HealthCheckRequest.getDefaultInstance())
                            .getStatus())
                    .isEqualTo(ServingStatus.SERVING);
        } finally {
            channel.shutdownNow();
        }
    }

    @Test
    void overAUnixSocketForItsOwnerAlone() throws Exception {
        Endpoint.Unix endpoint = new Endpoint.Unix(temp.resolve("s.sock"));
        ListeningServer listening = serve(endpoint);
        try {
            assertThat(listening.endpoint()).isEqualTo(endpoint);
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(endpoint.path())))
                    .isEqualTo("rw-------");
            assertAnswers(endpoint);
        } finally {
            listening.server().shutdownNow();
            listening.close();
        }
        assertThat(endpoint.path()).doesNotExist();
    }

    @Test
    void overTcp() throws Exception {
        ListeningServer listening = serve(new Endpoint.Tcp("127.0.0.1", 0));
        try {
            assertAnswers(listening.endpoint());
        } finally {
            listening.server().shutdownNow();
        }
    }

    @Test
    void aSocketLeftBehindIsReplaced() throws Exception {
        Path path = temp.resolve("s.sock");
        ServerSocketChannel dead = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        dead.bind(UnixDomainSocketAddress.of(path));
        dead.close(); // the file stays
        assertThat(path).exists();
        Endpoint endpoint = new Endpoint.Unix(path);

        ListeningServer listening = serve(endpoint);
        try {
            assertAnswers(endpoint);
        } finally {
            listening.server().shutdownNow();
        }
    }

    @Test
    void aPortThatIsTakenIsNamed() throws Exception {
        ListeningServer first = serve(new Endpoint.Tcp("127.0.0.1", 0));
        try {
            assertThatThrownBy(() -> serve(first.endpoint()))
                    .isInstanceOf(IOException.class)
                    .hasMessageContainingAll(first.endpoint().toString(), "is the address taken?");
        } finally {
            first.server().shutdownNow();
        }
    }

    @Test
    void aStartThatFailsLeavesNothingBehind() throws Exception {
        assertThatThrownBy(() -> ListeningServer.start(
                        new Endpoint.Unix(temp.resolve("s.sock")),
                        new ListeningServer.Access(SocketFile.Neighbours.NOBODY, "rw-------"),
                        loops,
                        _ -> {
                            throw new IllegalStateException("no service");
                        }))
                .hasMessage("no service");
        try (Stream<Path> left = Files.list(temp)) {
            assertThat(left).isEmpty();
        }
    }
}
