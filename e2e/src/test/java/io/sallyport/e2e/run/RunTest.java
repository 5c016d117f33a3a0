package io.sallyport.e2e.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.e2e.Generation;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.Ports;
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
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@ExtendWith(Arenas.Resolver.class)
class RunTest {
    private static final int LINES = 19;
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    /** A space and a quote: nothing on the way may take the path apart. */
    @TempDir
    Path folder;

    private record Ended(int code, String output) {}

    @Test
    void onceIsTheWholeWalkAndItsCodeSaysWhetherAllWasRight(Arenas arenas) throws Exception {
        Path state = folder.resolve("it's a state");
        Ended run = run(arenas, state, Map.of(), "--once", "--preset", "openshell-0.1");
        assertThat(run.code()).as(run.output()).isZero();
        assertAllRight(run.output());
        assertThat(sourced(state.resolve("run.env"), "ALPHA_TOKEN_FILE"))
                .isEqualTo(state.resolve("tokens/alpha.token").toString());
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(state.resolve("tokens/alpha.token"))))
                .isEqualTo("r--------");
        assertThat(left(state)).isEmpty();

        // An Envoy that lets no sandbox pass.
        Path strict = Files.writeString(
                folder.resolve("envoy"),
                "#!/bin/sh\nsed -i 's/prefix: sandbox;id=/prefix: sandbox;no=/' \"$2\"\nexec '"
                        + arenas.options(Setup.V0_1_TRUSTING).envoy() + "' \"$@\"\n");
        Files.setPosixFilePermissions(strict, PosixFilePermissions.fromString("rwx------"));
        Ended wrong = run(arenas, state, Map.of("ENVOY", strict.toString()), "--once", "--preset", "openshell-0.1");
        assertThat(wrong.code()).as(wrong.output()).isEqualTo(1);
        assertThat(wrong.output()).contains(" ✗ ").contains(" lines NOT as expected");
    }

    /** The first is ended by SIGKILL and leaves its children behind; the second one has the same state and ports. */
    @Test
    void itStaysUpUntilCtrlCAndFindsEverythingAgain(Arenas arenas) throws Exception {
        Path state = folder.resolve("s");
        String port = Integer.toString(Ports.choose(0));
        Path output = folder.resolve("output");
        List<byte[]> keys = new ArrayList<>();
        List<ProcessHandle> children = new ArrayList<>();
        for (boolean killed : new boolean[] {true, false}) {
            Process process = start(arenas, state, output, Map.of(), "--port", port);
            try {
                Instant end = Instant.now().plus(PATIENCE);
                while (!Files.readString(output).contains("Ctrl-C stops all of it")
                        && process.isAlive()
                        && Instant.now().isBefore(end)) {
                    Thread.sleep(50);
                }
                String printed = Files.readString(output);
                assertAllRight(printed);
                assertThat(printed).contains("Ctrl-C stops all of it");
                assertThat(sourced(state.resolve("run.env"), "SALLYPORT_ENDPOINT"))
                        .isEqualTo("http://127.0.0.1:" + port);
                assertThat(sourced(state.resolve("run.env"), "SALLYPORT_GATEWAY_ID"))
                        .isEqualTo("local");
                assertAlive(state, "ALPHA");
                assertAlive(state, "BETA");
                String kid = Files.readString(state.resolve("keys/jwt/active")).strip();
                keys.add(Files.readAllBytes(
                        state.resolve("keys/jwt").resolve(kid).resolve("public.pem")));
                process.children().forEach(children::add);
                if (killed) {
                    process.destroyForcibly().waitFor();
                    assertThat(children)
                            .as("children that nobody ended")
                            .hasSize(Part.values().length)
                            .allMatch(ProcessHandle::isAlive);
                } else {
                    assertThat(children.subList(0, Part.values().length)).noneMatch(ProcessHandle::isAlive);
                    // As a terminal does it: to the children as well.
                    signalGroup("INT", process);
                    assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
                    assertThat(process.exitValue()).isEqualTo(128 + 2);
                    assertThat(Files.readString(output)).isEqualTo(printed);
                }
            } catch (Exception | AssertionError e) {
                signalGroup("KILL", process);
                throw e;
            }
        }
        assertThat(children).noneMatch(ProcessHandle::isAlive);
        assertThat(keys.getFirst()).isEqualTo(keys.getLast());
    }

    private static void signalGroup(String signal, Process leader) throws IOException, InterruptedException {
        new ProcessBuilder("sh", "-c", "kill -" + signal + " -" + leader.pid())
                .start()
                .waitFor();
    }

    private static void assertAllRight(String output) {
        assertThat(output.lines().filter(line -> line.contains(" ✓ ")))
                .as(output)
                .hasSize(LINES);
        assertThat(output).doesNotContain("✗").doesNotContain("eyJ");
    }

    /** A sandbox of the walk-through, by what the file for scripts says of it. */
    private static void assertAlive(Path state, String which) throws IOException {
        Path env = state.resolve("run.env");
        String address = sourced(env, "SALLYPORT_ENDPOINT").substring("http://".length());
        String token =
                Files.readString(Path.of(sourced(env, which + "_TOKEN_FILE"))).strip();
        try (Client client = Client.to(address)) {
            assertThat(client.call(
                                    Requests.GET_CONFIG,
                                    Requests.config(Generation.V0_0, sourced(env, which + "_ID")),
                                    token)
                            .status())
                    .isEqualTo(Status.OK);
        }
    }

    @Test
    void aTakenPortIsSaidInOneLineAndNothingIsLeft(Arenas arenas) throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            Ended run = run(
                    arenas, folder.resolve("s"), Map.of(), "--once", "--port", Integer.toString(taken.getLocalPort()));
            assertThat(run.code()).isEqualTo(1);
            assertThat(run.output())
                    .contains("port " + taken.getLocalPort() + " on 127.0.0.1 is taken")
                    .doesNotContain("Exception");
        }
        assertThat(folder.resolve("s/run.env")).doesNotExist();
        assertThat(left(folder.resolve("s"))).isEmpty();
    }

    @Test
    void onePortForTwoIsSaidInOneLine(Arenas arenas) throws Exception {
        Ended run = run(arenas, folder.resolve("s"), Map.of(), "--once", "--port", "7", "--gateway-port", "7");
        assertThat(run.code()).isEqualTo(1);
        assertThat(run.output())
                .contains("port 7 is asked for by --port and by --gateway-port")
                .doesNotContain("Exception");
    }

    @ParameterizedTest
    @CsvSource({"--preset, openshell-9, openshell-0.1", "--port, 65536, 0 to 65535", "--port, -1, 0 to 65535"})
    void badUsageIsTwo(String option, String value, String remedy, Arenas arenas) throws Exception {
        Ended run = run(arenas, folder.resolve("s"), Map.of(), option, value);
        assertThat(run.code()).isEqualTo(2);
        assertThat(run.output())
                .contains(option)
                .contains(value)
                .contains(remedy)
                .doesNotContain("\tat ");
    }

    /** Were the lines right by themselves, this would find none that is wrong. */
    @Test
    void whatIsNotAsExpectedIsFound(Arenas arenas) throws IOException {
        // Every token lives too long for it.
        StackOptions options = walkable(arenas).with(Part.EXT_AUTHZ, "tokens.max-lifetime", "10m");
        try (SallyportStack stack = SallyportStack.start(options, step -> {})) {
            assertThat(unexpectedLines(stack, stack.endpoint(), "guest"))
                    .as("a Sallyport that refuses everybody")
                    .isEqualTo(14);
            // A gateway that is reached though nobody should reach it, or with nobody's name, shows in the last column.
            assertThat(unexpectedLines(stack, "127.0.0.1:" + stack.gatewayPort(), "other-guest"))
                    .as("a walk around Envoy")
                    .isEqualTo(LINES);
        }
    }

    private static StackOptions walkable(Arenas arenas) {
        return arenas.options(Setup.V0_0_TRUSTING).withGeneration(Generation.V0_0);
    }

    private static int unexpectedLines(SallyportStack stack, String endpoint, String guest) throws IOException {
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

    private Ended run(Arenas arenas, Path state, Map<String, String> environment, String... arguments)
            throws Exception {
        Path output = folder.resolve("output");
        Process process = start(arenas, state, output, environment, arguments);
        try {
            assertThat(process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
            return new Ended(process.exitValue(), Files.readString(output));
        } finally {
            process.destroyForcibly();
        }
    }

    /** The program as {@code ./run} starts it; a build inside a test would disturb the one that runs the test. */
    private static Process start(
            Arenas arenas, Path state, Path output, Map<String, String> environment, String... arguments)
            throws IOException {
        // A process group of its own, for signals; and SIGINT as a terminal's children have it.
        List<String> command = new ArrayList<>(List.of("setsid", "env", "--default-signal=INT"));
        command.addAll(List.of(
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
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(arenas.root().toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile());
        builder.environment().putAll(environment);
        return builder.start();
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
