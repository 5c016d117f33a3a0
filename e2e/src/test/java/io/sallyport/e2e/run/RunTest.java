package io.sallyport.e2e.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.e2e.Generation;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.stack.StackOptions;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Setup;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@ExtendWith(Arenas.Resolver.class)
class RunTest {
    private static final int LINES = 19;

    /** A space and a quote: nothing on the way may take the path apart. */
    @TempDir
    Path folder;

    private record Ended(int code, String output) {}

    @ParameterizedTest
    @CsvSource({"openshell-0.0, 2", "openshell-0.1, 1"})
    void onceIsTheWholeWalkAndASecondTimeKeepsTheState(String preset, int times, Arenas arenas) throws Exception {
        Path state = folder.resolve("it's a state");
        byte[] key = {};
        for (int time = 1; time <= times; time++) {
            Ended run = run(arenas, state, "--once", "--preset", preset);
            assertThat(run.code()).as(run.output()).isZero();
            assertThat(run.output().lines().filter(line -> line.contains(" ✓ ")))
                    .as(run.output())
                    .hasSize(LINES);
            assertThat(run.output()).doesNotContain("✗").doesNotContain("eyJ");

            String kid = Files.readString(state.resolve("keys/jwt/active")).strip();
            byte[] found =
                    Files.readAllBytes(state.resolve("keys/jwt").resolve(kid).resolve("public.pem"));
            assertThat(time == 1 ? found : key).isEqualTo(found);
            key = found;
        }
        assertThat(sourced(state.resolve("run.env"), "ALPHA_TOKEN_FILE"))
                .isEqualTo(state.resolve("tokens/alpha.token").toString());
        assertThat(sourced(state.resolve("run.env"), "SALLYPORT_GATEWAY_ID")).isEqualTo("local");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(state.resolve("tokens/alpha.token"))))
                .isEqualTo("r--------");
        assertThat(left(state)).isEmpty();
    }

    @Test
    void aTakenPortIsSaidInOneLineAndNothingIsLeft(Arenas arenas) throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Ended run = run(arenas, folder.resolve("s"), "--once", "--port", Integer.toString(taken.getLocalPort()));
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.output())
                    .contains("port " + taken.getLocalPort() + " on 127.0.0.1 is taken")
                    .doesNotContain("Exception");
        }
        assertThat(folder.resolve("s/run.env")).doesNotExist();
        assertThat(left(folder.resolve("s"))).isEmpty();
    }

    @Test
    void badUsageIsTwo(Arenas arenas) throws Exception {
        Ended run = run(arenas, folder.resolve("s"), "--preset", "openshell-9");
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.output()).contains("openshell-9").contains("openshell-0.1");
    }

    /** Were the lines right by themselves, this would find none that is wrong. */
    @Test
    void aSallyportThatRefusesEverybodyIsNotAsExpected(Arenas arenas) throws IOException {
        StackOptions options = walkable(arenas).with(Part.EXT_AUTHZ, "tokens.max-lifetime", "10m");
        assertThat(unexpectedLines(options)).isEqualTo(14);
    }

    /** A gateway that is reached though nobody should reach it, or with nobody's name, shows in the last column. */
    @Test
    void aWalkAroundEnvoyIsNotAsExpected(Arenas arenas) throws IOException {
        try (SallyportStack stack = SallyportStack.start(walkable(arenas), step -> {})) {
            assertThat(unexpectedLines(stack, "127.0.0.1:" + stack.gatewayPort()))
                    .isEqualTo(LINES);
        }
    }

    private static StackOptions walkable(Arenas arenas) {
        return arenas.options(Setup.V0_0_TRUSTING).withGeneration(Generation.V0_0);
    }

    private static int unexpectedLines(StackOptions options) throws IOException {
        try (SallyportStack stack = SallyportStack.start(options, step -> {})) {
            return unexpectedLines(stack, stack.endpoint());
        }
    }

    private static int unexpectedLines(SallyportStack stack, String endpoint) throws IOException {
        String guest = "guest";
        List<String> tokens = new ArrayList<>();
        for (String id : List.of("alpha", "beta", guest)) {
            tokens.add(stack.admit(io.sallyport.e2e.gateway.KnownSandbox.parse(id)));
        }
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8);
        int unexpected;
        try (Client client = Client.to(endpoint)) {
            WrongTokens wrong = new WrongTokens(stack.options().gatewayId(), stack.tokenKeys(), InstantSource.system());
            unexpected = new WalkThrough(stack, client, wrong, out)
                    .run(
                            tokens.get(0),
                            tokens.get(1),
                            guest,
                            tokens.get(2),
                            () -> stack.registry()
                                    .revoke(RevocationSubject.newBuilder()
                                            .setSandboxId(guest)
                                            .build()),
                            () -> stack.registry().delete(guest));
        }
        assertThat(printed.toString(StandardCharsets.UTF_8).lines().filter(line -> line.contains(" ✗ ")))
                .hasSize(unexpected);
        return unexpected;
    }

    /** The program as {@code ./run} starts it; a build inside a test would disturb the one that runs the test. */
    private Ended run(Arenas arenas, Path state, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                RunMain.class.getName(),
                "--http-port=0",
                "--state=" + state));
        if (!List.of(arguments).contains("--port")) {
            command.add("--port=0");
        }
        command.addAll(List.of(arguments));
        Path output = folder.resolve("output");
        Process process = new ProcessBuilder(command)
                .directory(arenas.root().toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            assertThat(process.waitFor(3, TimeUnit.MINUTES)).isTrue();
            return new Ended(process.exitValue(), Files.readString(output));
        } finally {
            process.destroyForcibly();
        }
    }

    private static List<String> left(Path state) {
        return ProcessHandle.allProcesses()
                .flatMap(process -> process.info().commandLine().stream())
                .filter(line -> line.contains(state.toString()))
                .toList();
    }

    /** What a shell makes of a variable in the file. */
    private static String sourced(Path file, String variable) throws IOException {
        Process shell =
                new ProcessBuilder("sh", "-c", ". \"$0\" && printf %s \"$" + variable + "\"", file.toString()).start();
        return new String(shell.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
}
