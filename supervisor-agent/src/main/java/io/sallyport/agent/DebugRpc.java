package io.sallyport.agent;

import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.sallyport.api.openshell01.OpenShellGrpc;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.openshell01.datamodel.WorkspaceSelector;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * {@code debug-rpc}: one call with the supervisor's own credential, for people and for tests.
 *
 * <table>
 * <caption>Exit codes</caption>
 * <tr><td>0</td><td>it worked</td></tr>
 * <tr><td>7</td><td>PERMISSION_DENIED</td></tr>
 * <tr><td>16</td><td>UNAUTHENTICATED</td></tr>
 * <tr><td>5</td><td>NOT_FOUND</td></tr>
 * <tr><td>1</td><td>anything else, bad settings and bad usage among it</td></tr>
 * </table>
 *
 * <p>It never prints a token, and the {@code show-} commands never make a call.
 */
@Command(
        name = "debug-rpc",
        mixinStandardHelpOptions = true,
        exitCodeOnInvalidInput = DebugRpc.OTHERWISE,
        exitCodeOnExecutionException = DebugRpc.OTHERWISE,
        synopsisSubcommandLabel = "COMMAND",
        description = "Makes one call with the supervisor's credential, as the environment gives it"
                + " (OPENSHELL_ENDPOINT, OPENSHELL_SANDBOX_TOKEN_FILE, …).",
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:it worked",
            "5:NOT_FOUND",
            "7:PERMISSION_DENIED",
            "16:UNAUTHENTICATED",
            "1:anything else, bad settings among it"
        })
final class DebugRpc {
    static final int OTHERWISE = 1;

    /** Longer than a refresh takes, and short enough for a person. */
    private static final Duration LOCK_PATIENCE = Duration.ofSeconds(15);

    private final Map<String, String> environment;
    private final InstantSource clock;
    private final PrintWriter out;
    private final PrintWriter err;

    DebugRpc(Map<String, String> environment, InstantSource clock, PrintWriter out, PrintWriter err) {
        this.environment = Map.copyOf(environment);
        this.clock = clock;
        this.out = out;
        this.err = err;
    }

    /** Runs one command line and returns its exit code. */
    int run(String... arguments) {
        CommandLine line = new CommandLine(this)
                .addSubcommand(new GetSandboxConfig())
                .addSubcommand(new Refresh())
                .addSubcommand(new ShowToken())
                .addSubcommand(new ShowPrincipal())
                .registerConverter(ApiGeneration.class, ApiGeneration::parse)
                .setOut(out)
                .setErr(err);
        for (CommandLine command : line.getSubcommands().values()) {
            // Subcommands inherit neither: usage mistakes are "anything else" for all of them.
            command.getCommandSpec().exitCodeOnInvalidInput(OTHERWISE).exitCodeOnExecutionException(OTHERWISE);
        }
        line.setExecutionExceptionHandler((e, command, result) -> explain(e));
        if (arguments.length == 0) {
            line.usage(err);
            return OTHERWISE;
        }
        int code = line.execute(arguments);
        out.flush();
        err.flush();
        return code;
    }

    private int explain(Exception e) {
        switch (e) {
            case StatusRuntimeException call -> {
                err.println(call.getStatus().getCode() + words(call.getStatus()));
                return exitCode(call.getStatus());
            }
            case AgentSettingsException settings -> settings.problems().forEach(err::println);
            case TokenUnavailableException token -> {
                err.println(token.getMessage());
                return token.code().map(code -> exitCode(code.toStatus())).orElse(OTHERWISE);
            }
            case IOException file -> err.println("a certificate or key cannot be used: " + file.getMessage());
            default -> err.println("failed: " + e.getClass().getSimpleName());
        }
        return OTHERWISE;
    }

    static int exitCode(Status status) {
        return switch (status.getCode()) {
            case OK -> 0;
            case NOT_FOUND, PERMISSION_DENIED, UNAUTHENTICATED ->
                status.getCode().value();
            default -> OTHERWISE;
        };
    }

    /** What the server said; for a failure on this side, such as a refused connection, also what was behind it. */
    private static String words(Status status) {
        String text = status.getDescription() == null ? "" : ": " + printable(status.getDescription());
        Throwable cause = status.getCause();
        while (cause != null && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause == null || cause.getMessage() == null ? text : text + " (" + printable(cause.getMessage()) + ")";
    }

    /** A server's words without what would steer a terminal. */
    private static String printable(String text) {
        return text.replaceAll("\\p{Cntrl}", "?");
    }

    /** The token at hand; a ServiceAccount's is none before an exchange, which only a call may bring about. */
    private String shown(TokenSource tokens) throws TokenUnavailableException {
        if (tokens instanceof ServiceAccountTokenSource) {
            throw new TokenUnavailableException(
                    tokens + ": holds a ServiceAccount token, which is exchanged at a call and"
                            + " not to be shown; use refresh");
        }
        return tokens.token();
    }

    private TokenSource source(int timeoutSeconds) throws AgentSettingsException {
        return TokenSource.fromEnvironment(environment, clock, token -> exchange(token, timeoutSeconds));
    }

    private String exchange(String serviceAccountToken, int timeoutSeconds) throws IOException {
        try {
            return new GatewayExchange(GatewaySettings.fromEnvironment(environment), timeoutSeconds)
                    .sandboxTokenFor(serviceAccountToken);
        } catch (AgentSettingsException e) {
            throw new IllegalStateException("the settings were good a moment ago", e);
        }
    }

    /** What the environment says: where to call, and with what. */
    private record Supervisor(GatewaySettings settings, TokenSource tokens) {}

    /** Both, or everything that is wrong with either. */
    private Supervisor supervisor(int timeoutSeconds) throws AgentSettingsException {
        List<String> problems = new ArrayList<>();
        GatewaySettings settings = collect(() -> GatewaySettings.fromEnvironment(environment), problems);
        TokenSource tokens = collect(() -> source(timeoutSeconds), problems);
        if (settings == null || tokens == null) {
            throw new AgentSettingsException(problems);
        }
        return new Supervisor(settings, tokens);
    }

    /** Makes a call over a channel of its own. */
    private <T> T call(int timeoutSeconds, Call<T> call) throws Exception {
        Supervisor supervisor = supervisor(timeoutSeconds);
        supervisor.tokens().token(); // a missing token is said plainly, before anything is sent
        return onChannel(
                supervisor.settings(),
                channel -> call.make(
                        channel,
                        new SandboxCallCredentials(
                                supervisor.tokens(), supervisor.settings().sandboxId()),
                        timeoutSeconds));
    }

    /** A channel of its own for one piece of work. */
    private static <T> T onChannel(GatewaySettings settings, ChannelWork<T> work) throws Exception {
        ManagedChannel channel = GatewayChannel.open(settings);
        try {
            return work.run(channel);
        } finally {
            channel.shutdownNow();
            channel.awaitTermination(1, TimeUnit.SECONDS);
        }
    }

    private static <T> @Nullable T collect(SettingsReader<T> reader, List<String> problems) {
        try {
            return reader.read();
        } catch (AgentSettingsException e) {
            problems.addAll(e.problems());
            return null;
        }
    }

    @FunctionalInterface
    private interface SettingsReader<T> {
        T read() throws AgentSettingsException;
    }

    @FunctionalInterface
    private interface ChannelWork<T> {
        T run(ManagedChannel channel) throws Exception;
    }

    @FunctionalInterface
    private interface Call<T> {
        T make(ManagedChannel channel, SandboxCallCredentials credentials, int timeoutSeconds);
    }

    private Optional<String> own(@Nullable String given, String variable) {
        return Optional.ofNullable(given)
                .or(() -> Optional.ofNullable(environment.get(variable)).map(String::strip))
                .filter(text -> !text.isEmpty());
    }

    @Command(name = "get-sandbox-config", description = "Asks for the configuration of a sandbox, by id or by name.")
    private final class GetSandboxConfig implements Callable<Integer> {
        @Option(
                names = "--sandbox-id",
                paramLabel = "ID",
                description = "the sandbox, for --api 0.0 (default: $OPENSHELL_SANDBOX_ID)")
        private @Nullable String sandboxId;

        @Option(
                names = "--name",
                paramLabel = "NAME",
                description = "the sandbox, for --api 0.1 (default: $OPENSHELL_SANDBOX)")
        private @Nullable String name;

        @Option(
                names = "--workspace",
                paramLabel = "WORKSPACE",
                description = "the workspace of the name, for --api 0.1 (default: the gateway's default)")
        private @Nullable String workspace;

        @Option(
                names = "--api",
                paramLabel = "0.0|0.1",
                description = "the gateway's generation (default: 0.1 with --name, else 0.0)")
        private @Nullable ApiGeneration api;

        @Option(names = "--timeout", paramLabel = "SECONDS", defaultValue = "10", description = "default: 10")
        private int timeoutSeconds;

        @Override
        public Integer call() throws Exception {
            ApiGeneration generation =
                    api != null ? api : name != null ? ApiGeneration.OPENSHELL_0_1 : ApiGeneration.OPENSHELL_0_0;
            switch (generation) {
                case OPENSHELL_0_0 -> byId();
                case OPENSHELL_0_1 -> byName();
            }
            return 0;
        }

        private void byId() throws Exception {
            Optional<String> id = own(sandboxId, EnvironmentNames.SANDBOX_ID);
            if (id.isEmpty() || name != null || workspace != null) {
                throw new AgentSettingsException(
                        List.of("--api 0.0 asks by id: give --sandbox-id, and neither --name" + " nor --workspace"));
            }
            var request = io.sallyport.api.openshell00.sandbox.GetSandboxConfigRequest.newBuilder()
                    .setSandboxId(id.get())
                    .build();
            var config = DebugRpc.this.call(
                    timeoutSeconds,
                    (channel, credentials, timeout) -> io.sallyport.api.openshell00.OpenShellGrpc.newBlockingStub(
                                    channel)
                            .withCallCredentials(credentials)
                            .withDeadlineAfter(timeout, TimeUnit.SECONDS)
                            .getSandboxConfig(request));
            print(config.getVersion(), config.getPolicyHash(), config.getConfigRevision(), config.getWorkspace());
        }

        private void byName() throws Exception {
            Optional<String> target = own(name, EnvironmentNames.SANDBOX_NAME);
            if (target.isEmpty() || sandboxId != null) {
                throw new AgentSettingsException(
                        List.of("--api 0.1 asks by name: give --name (and --workspace), not --sandbox-id"));
            }
            var request = io.sallyport.api.openshell01.sandbox.GetSandboxConfigRequest.newBuilder()
                    .setName(target.get());
            if (workspace != null) {
                request.setWorkspaceScope(WorkspaceSelector.newBuilder().setWorkspace(workspace));
            }
            var config = DebugRpc.this.call(
                    timeoutSeconds,
                    (channel, credentials, timeout) -> OpenShellGrpc.newBlockingStub(channel)
                            .withCallCredentials(credentials)
                            .withDeadlineAfter(timeout, TimeUnit.SECONDS)
                            .getSandboxConfig(request.build()));
            print(config.getVersion(), config.getPolicyHash(), config.getConfigRevision(), config.getWorkspace());
        }

        private void print(int version, String policyHash, long revision, String workspace) {
            out.println("version: " + Integer.toUnsignedString(version));
            out.println("policy_hash: " + printable(policyHash));
            out.println("config_revision: " + Long.toUnsignedString(revision));
            out.println("workspace: " + printable(workspace));
        }
    }

    @Command(
            name = "refresh",
            description =
                    "Refreshes the token and shows the fingerprint and expiry of the new one. A token file is given"
                            + " the new token, under a lock, so that the supervisor beside us goes on with it.")
    private final class Refresh implements Callable<Integer> {
        @Option(names = "--timeout", paramLabel = "SECONDS", defaultValue = "10", description = "default: 10")
        private int timeoutSeconds;

        @Override
        public Integer call() throws Exception {
            Supervisor supervisor = supervisor(timeoutSeconds);
            TokenSource source = supervisor.tokens();
            String held = source.token();
            Optional<SharedTokenFile> shared = source instanceof FileTokenSource file
                    ? Optional.of(new SharedTokenFile(file.path(), LOCK_PATIENCE))
                            .filter(SharedTokenFile::writable)
                    : Optional.empty();
            // An exchanged token is ours alone, a lineage beside the supervisor's.
            if (shared.isEmpty()
                    && !(source instanceof ServiceAccountTokenSource)
                    && UnverifiedToken.read(held).stream().anyMatch(token -> token.generation() > 0)) {
                throw new TokenUnavailableException(source + ": refreshing would take this token away from the"
                        + " supervisor that holds it, and the new one cannot be written back; use a token file in a"
                        + " directory that this user can write");
            }
            // The channel first: a certificate that cannot be read is no trouble of the token file's.
            String refreshed = onChannel(
                    supervisor.settings(),
                    channel -> shared.isPresent()
                            ? shared.get().refresh(held, token -> ask(channel, supervisor.settings(), token))
                            : ask(channel, supervisor.settings(), held));
            out.println("fingerprint: " + UnverifiedToken.fingerprint(refreshed));
            out.println("expires_at: "
                    + UnverifiedToken.read(refreshed)
                            .map(token ->
                                    token.expiresAt().map(Instant::toString).orElse("never"))
                            .orElse("unknown"));
            shared.ifPresent(file -> out.println("written: " + file));
            return 0;
        }

        private String ask(ManagedChannel channel, GatewaySettings settings, String token) {
            return OpenShellGrpc.newBlockingStub(channel)
                    .withCallCredentials(new SandboxCallCredentials(new FixedTokenSource(token), settings.sandboxId()))
                    .withDeadlineAfter(timeoutSeconds, TimeUnit.SECONDS)
                    .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance())
                    .getToken();
        }
    }

    @Command(
            name = "show-token",
            description = "Shows where the token comes from and its fingerprint, never the token.")
    private final class ShowToken implements Callable<Integer> {
        @Override
        public Integer call() throws Exception {
            TokenSource tokens = source(0);
            out.println("fingerprint: " + UnverifiedToken.fingerprint(shown(tokens)));
            out.println("source: " + tokens);
            return 0;
        }
    }

    @Command(name = "show-principal", description = "Shows whom the token says it is for, without verifying it.")
    private final class ShowPrincipal implements Callable<Integer> {
        @Override
        public Integer call() throws Exception {
            Optional<UnverifiedToken> token = UnverifiedToken.read(shown(source(0)));
            if (token.isEmpty()) {
                throw new TokenUnavailableException("the credential is not a JWT; it cannot be looked into");
            }
            out.println(
                    "subject: " + token.get().subject().map(DebugRpc::printable).orElse("-"));
            out.println("sandbox_id: "
                    + token.get().sandboxId().map(DebugRpc::printable).orElse("-"));
            out.println("expires_at: "
                    + token.get().expiresAt().map(Instant::toString).orElse("never"));
            out.println("verified: no");
            return 0;
        }
    }
}
