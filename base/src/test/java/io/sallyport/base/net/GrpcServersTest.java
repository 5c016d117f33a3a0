package io.sallyport.base.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.ManagedChannel;
import io.grpc.Server;
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
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GrpcServersTest {
    @TempDir
    Path temp;

    private final EventLoopGroup loops = GrpcServers.eventLoops("test", 1);

    @AfterEach
    void stop() {
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
    }

    private Server serve(Endpoint endpoint) throws IOException {
        return GrpcServers.listenOn(endpoint, loops)
                .addService(new HealthStatusManager().getHealthService())
                .build()
                .start();
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
        Server server = serve(endpoint);
        try {
            GrpcServers.restrict(endpoint, "rw-------");
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(endpoint.path())))
                    .isEqualTo("rw-------");
            assertAnswers(endpoint);
        } finally {
            server.shutdownNow();
        }
    }

    @Test
    void overTcp() throws Exception {
        Server server = serve(new Endpoint.Tcp("127.0.0.1", 0));
        try {
            assertAnswers(new Endpoint.Tcp("127.0.0.1", server.getPort()));
        } finally {
            server.shutdownNow();
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

        Server server = serve(endpoint);
        try {
            assertAnswers(endpoint);
        } finally {
            server.shutdownNow();
        }
    }

    @Test
    void aSocketInUseIsNotTakenAway() throws Exception {
        Path path = temp.resolve("s.sock");
        try (ServerSocketChannel alive = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            alive.bind(UnixDomainSocketAddress.of(path));

            assertThatThrownBy(() -> serve(new Endpoint.Unix(path)))
                    .isInstanceOf(IOException.class)
                    .hasMessageContainingAll(path.toString(), "served by a running process");
            assertThat(path).exists();
        }
    }

    @Test
    void nothingElseIsRemoved() throws Exception {
        Path file = Files.writeString(temp.resolve("file"), "precious");
        Path pipe = temp.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        Path link = Files.createSymbolicLink(temp.resolve("link"), file);

        for (Path path : new Path[] {file, pipe, link}) {
            assertThatThrownBy(() -> serve(new Endpoint.Unix(path)))
                    .isInstanceOf(IOException.class)
                    .hasMessageContainingAll(path.toString(), "is not a socket");
        }
        assertThat(file).hasContent("precious");
        assertThat(Files.exists(pipe)).isTrue();
    }
}
