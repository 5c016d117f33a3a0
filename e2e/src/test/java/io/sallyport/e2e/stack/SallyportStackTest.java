package io.sallyport.e2e.stack;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Setup;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;

@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class SallyportStackTest {
    @Test
    void aTakenPortIsNamedWithTheWayOut(Arenas arenas) throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            StackOptions options = arenas.options(Setup.V0_0_TRUSTING).withPorts(taken.getLocalPort(), 0, 0);
            assertThatThrownBy(() -> SallyportStack.start(options, step -> {}))
                    .isInstanceOf(StackException.class)
                    .hasMessageContaining("port " + taken.getLocalPort())
                    .hasMessageContaining("--port N");
        }
    }

    @Test
    void aPartThatDoesNotStartIsNamedAndNothingIsLeftRunning(Arenas arenas) {
        StackOptions options = arenas.options(Setup.V0_0_TRUSTING).with(Part.EXT_AUTHZ, "no-such-setting", "x");
        assertThatThrownBy(() -> SallyportStack.start(options, step -> {}))
                .isInstanceOf(StackException.class)
                .hasMessageContaining("ext-authz ended with code 2")
                .hasMessageContaining("no-such-setting");
        assertThat(ProcessHandle.current().descendants().toList())
                .noneMatch(child -> child.info()
                        .commandLine()
                        .filter(command -> command.contains(options.state().toString()))
                        .isPresent());
    }

    @Test
    void aLongStateFolderStillHasSocketsAndIsKeptForTheNextStart(Arenas arenas) throws IOException {
        Path folder = arenas.options(Setup.V0_0_TRUSTING).state().resolve("a-rather-long-name-of-a-folder".repeat(5));
        Files.createDirectories(folder);
        StackOptions options = StackOptions.of(arenas.root(), folder, EnvoyBinary.find(arenas.root()))
                .withSandboxes(List.of());
        Path sockets;
        List<Long> processes;
        try (SallyportStack stack = SallyportStack.start(options, step -> {})) {
            sockets = stack.registrySocket().getParent();
            assertThat(sockets).isNotEqualTo(folder.resolve("sockets"));
            assertThat(Files.getPosixFilePermissions(sockets)).hasSize(3);
            stack.registry().register(io.sallyport.e2e.gateway.KnownSandbox.parse("kept"));
            processes = List.of(stack.pid(Part.ISSUER), stack.pid(Part.EXT_AUTHZ), stack.pid(Part.ENVOY));
        }
        assertThat(sockets).doesNotExist();
        assertThat(processes)
                .allSatisfy(pid -> assertThat(ProcessHandle.of(pid).filter(ProcessHandle::isAlive))
                        .isEmpty());
        try (SallyportStack stack = SallyportStack.start(options, step -> {})) {
            assertThat(stack.registry().mint("kept")).isNotEmpty();
        }
    }

    @Test
    void childrenGetNothingOfOurEnvironment(Arenas arenas) throws IOException {
        SallyportStack stack = arenas.shared(Setup.V0_0_TRUSTING).stack();
        for (Part part : Part.values()) {
            String environment = Files.readString(Path.of("/proc", Long.toString(stack.pid(part)), "environ"));
            assertThat(environment.split("\0", -1))
                    .allSatisfy(variable -> assertThat(variable).matches("|PATH=.*|LANG=.*|TMPDIR=.*"));
            String command = Files.readString(Path.of("/proc", Long.toString(stack.pid(part)), "cmdline"));
            assertThat(command).doesNotContain("eyJ");
        }
    }
}
