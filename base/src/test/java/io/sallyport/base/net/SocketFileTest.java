package io.sallyport.base.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.base.net.SocketFile.Neighbours;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A socket appears with its permissions, in a directory nobody else writes, and never over another's. */
class SocketFileTest {
    @TempDir
    private Path directory;

    @Test
    void theSocketIsBoundWhereNobodyElseCanEnterAndAppearsRestricted() throws Exception {
        Path path = directory.resolve("run/registry.sock");
        try (SocketFile socket = SocketFile.prepare(path, Neighbours.NOBODY);
                ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            assertThat(permissions(directory.resolve("run"))).isEqualTo("rwx------");
            assertThat(permissions(socket.bindAt().path().resolveSibling("."))).isEqualTo("rwx------");
            server.bind(UnixDomainSocketAddress.of(socket.bindAt().path()));
            assertThat(path).doesNotExist();

            socket.publish("rw-------");

            assertThat(permissions(path)).isEqualTo("rw-------");
            try (Stream<Path> left = Files.list(directory.resolve("run"))) {
                assertThat(left).containsExactly(path);
            }
        }
        assertThat(path).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"rwxrwx---", "rwxrwxrwx", "rwx----w-"})
    void aDirectoryThatOthersWriteIsRefusedWhereNobodyElseMayWrite(String mode) throws Exception {
        Path run = Files.createDirectory(directory.resolve("run"));
        Files.setPosixFilePermissions(run, PosixFilePermissions.fromString(mode));

        assertThatThrownBy(() -> SocketFile.prepare(run.resolve("s.sock"), Neighbours.NOBODY))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("can be written by others");
        try (Stream<Path> left = Files.list(run)) {
            assertThat(left).isEmpty();
        }
        SocketFile.prepare(run.resolve("s.sock"), Neighbours.ANYBODY).close();
    }

    @Test
    void aLinkToAnOpenDirectoryIsJudgedByTheDirectory() throws Exception {
        Path open = Files.createDirectory(directory.resolve("open"));
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
        Path link = Files.createSymbolicLink(directory.resolve("link"), open);

        assertThatThrownBy(() -> SocketFile.prepare(link.resolve("s.sock"), Neighbours.NOBODY))
                .hasMessageContaining("can be written by others");
    }

    @Test
    void whatIsNotASocketStays() throws Exception {
        Path file = Files.writeString(directory.resolve("s.sock"), "precious");
        Path link = Files.createSymbolicLink(directory.resolve("l.sock"), file);
        Path pipe = directory.resolve("p.sock");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        for (Path taken : List.of(file, link, directory, pipe)) {
            assertThatThrownBy(() -> SocketFile.prepare(taken, Neighbours.ANYBODY))
                    .hasMessageContainingAll(taken.toString(), "not a socket");
        }
        assertThat(file).hasContent("precious");
        assertThat(Files.exists(pipe)).isTrue();
    }

    @Test
    void aLiveSocketIsNotTakenOverAndADeadOneIs() throws Exception {
        Path path = directory.resolve("s.sock");
        try (ServerSocketChannel other = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            other.bind(UnixDomainSocketAddress.of(path));
            assertThatThrownBy(() -> SocketFile.prepare(path, Neighbours.ANYBODY))
                    .hasMessageContaining("is in use");
        }
        assertThat(Files.exists(path, LinkOption.NOFOLLOW_LINKS)).isTrue();
        try (SocketFile socket = SocketFile.prepare(path, Neighbours.ANYBODY);
                ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket.bindAt().path()));
            socket.publish("rw-rw----");
            assertThat(permissions(path)).isEqualTo("rw-rw----");
        }
    }

    @Test
    void theWayToALongPathIsNotLonger() throws Exception {
        Path path = directory.resolve("s.sock");
        try (SocketFile socket = SocketFile.prepare(path, Neighbours.ANYBODY);
                SocketFile second = SocketFile.prepare(path, Neighbours.ANYBODY)) {
            assertThat(socket.bindAt().path().toString())
                    .hasSizeLessThan(path.toString().length());
            assertThat(second.bindAt()).isNotEqualTo(socket.bindAt());
        }
    }

    @Test
    void stoppingLeavesTheSocketOfASuccessor() throws Exception {
        Path path = directory.resolve("s.sock");
        SocketFile first = SocketFile.prepare(path, Neighbours.ANYBODY);
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                ServerSocketChannel successor = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(first.bindAt().path()));
            first.publish("rw-------");
            Files.delete(path);
            successor.bind(UnixDomainSocketAddress.of(path));

            first.close();

            assertThat(Files.exists(path, LinkOption.NOFOLLOW_LINKS)).isTrue();
        }
    }

    @Test
    void aDirectoryTooLongForTheWayThereIsNamed() throws Exception {
        int room = 107 - directory.toString().length() - "/".length() - "/s".length();
        Path deep = Files.createDirectory(directory.resolve("d".repeat(room)));

        assertThatThrownBy(() -> SocketFile.prepare(deep.resolve("s"), Neighbours.ANYBODY))
                .isInstanceOf(IOException.class)
                .hasMessageContainingAll(deep.toString(), "choose a shorter directory");
        try (Stream<Path> left = Files.list(deep)) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void aMissingParentIsNotMadeUp() {
        assertThatThrownBy(() -> SocketFile.prepare(directory.resolve("a/b/s.sock"), Neighbours.NOBODY))
                .hasMessageContaining("make it");
    }

    private static String permissions(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS));
    }
}
