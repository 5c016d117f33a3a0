package io.sallyport.issuer.cli;

import io.sallyport.api.registry.v1.DeleteSandboxRequest;
import io.sallyport.api.registry.v1.GetSandboxRequest;
import io.sallyport.api.registry.v1.ListSandboxesRequest;
import io.sallyport.api.registry.v1.ListSandboxesResponse;
import io.sallyport.api.registry.v1.ListTokenFilesRequest;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.api.registry.v1.TokenFile;
import io.sallyport.base.net.Endpoint;
import io.sallyport.identity.KeyDirectory;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The operator's commands. Each holds its options and little else. */
public final class Commands {
    /** How many entries a list asks the registry for at a time. */
    public static final int PAGE = 200;

    private static final String REGISTRY_VARIABLE = "SALLYPORT_REGISTRY_SOCKET";

    private Commands() {}

    /**
     * Adds {@code keys}, {@code sandbox} and {@code token} to a command line.
     *
     * @param names names that nobody can guess
     * @param keyTimes how the times of a rotation are read from the issuer's settings
     */
    public static void addTo(
            CommandLine root, Console console, Supplier<String> names, KeyTimes.Source keyTimes, InstantSource clock) {
        TokenFiles files = new TokenFiles(names);
        CommandLine keys = new CommandLine(new Keys()).addSubcommand(new GenerateKeys(console));
        KeyCommands.addTo(keys, console, keyTimes, clock);
        RevocationCommands.addToKeys(keys, console);
        root.addSubcommand(keys);
        CommandLine sandboxes = new CommandLine(new Sandboxes())
                .addSubcommand(new CreateSandbox(console, files))
                .addSubcommand(new GetSandbox(console))
                .addSubcommand(new ListSandboxes(console))
                .addSubcommand(new DeleteSandbox(console, files));
        RevocationCommands.addToSandboxes(sandboxes, console);
        root.addSubcommand(sandboxes);
        CommandLine tokens = new CommandLine(new Tokens())
                .addSubcommand(new MintToken(console, files))
                .addSubcommand(new InspectToken(console));
        RevocationCommands.addToTokens(tokens, console);
        root.addSubcommand(tokens);
    }

    /** A command that only groups others: alone it is bad usage. */
    private abstract static class Group implements Runnable {
        @Spec
        @Nullable CommandSpec spec;

        @Override
        public void run() {
            CommandSpec own = Objects.requireNonNull(spec);
            throw new ParameterException(
                    own.commandLine(),
                    "expected one of: " + String.join(", ", own.subcommands().keySet()));
        }
    }

    @Command(name = "keys", description = "Makes and rotates keys; takes back what a key has signed.")
    private static final class Keys extends Group {}

    @Command(name = "sandbox", description = "Registers, shows, stops, revokes and deletes sandboxes.")
    private static final class Sandboxes extends Group {}

    @Command(
            name = "token",
            description = "Mints bootstrap tokens into files and pipes; shows what a token says; takes it back.")
    private static final class Tokens extends Group {}

    /** Where the registry is. */
    static final class RegistryOption {
        @Option(
                names = "--registry",
                paramLabel = "unix:/PATH",
                description = "The issuer's registry socket. Default: $" + REGISTRY_VARIABLE + ".")
        @Nullable String address;

        @Spec(Spec.Target.MIXEE)
        @Nullable CommandSpec spec;

        RegistryClient connect(Console console) {
            String text = address != null ? address : console.environment().get(REGISTRY_VARIABLE);
            CommandLine command = Objects.requireNonNull(spec).commandLine();
            if (text == null || text.isEmpty()) {
                throw new ParameterException(
                        command, "say where the registry is: --registry unix:/PATH, or set " + REGISTRY_VARIABLE);
            }
            try {
                Endpoint endpoint = Endpoint.parse(text.startsWith("/") ? "unix:" + text : text);
                if (endpoint instanceof Endpoint.Unix) {
                    return new RegistryClient(endpoint);
                }
                throw new ParameterException(command, "the registry is a Unix socket: unix:/PATH, not " + text);
            } catch (IllegalArgumentException e) {
                throw new ParameterException(command, "--registry: " + e.getMessage());
            }
        }
    }

    /** Where a token goes: into a file or into a pipe, not both. */
    private static final class DeliveryOptions {
        @ArgGroup(exclusive = false)
        @Nullable FileOptions file;

        @Option(
                names = "--token-fd",
                paramLabel = "N",
                required = true,
                description = "Write the token, and nothing else, to this inherited pipe or socket (3 or above).")
        @Nullable Integer descriptor;

        static final class FileOptions {
            @Option(
                    names = "--token-file",
                    paramLabel = "F",
                    required = true,
                    description =
                            "Write the token to this file: whole or not at all, mode 0400, never through a symlink.")
            @Nullable Path path;

            @Option(names = "--owner", paramLabel = "UID:GID", description = "Give the file to this user and group.")
            @Nullable String owner;
        }

        /** Checks the place, before a token is made. */
        Delivery check(TokenFiles files, String sandbox, CommandLine command) throws CommandFailedException {
            if (descriptor != null) {
                return new Delivery.ToDescriptor(descriptor, PassedDescriptor.check(descriptor));
            }
            if (file == null || file.path == null) {
                throw new ParameterException(command, "say where the token goes: --token-file F or --token-fd N");
            }
            Optional<FileOwner> owner;
            try {
                owner = Optional.ofNullable(file.owner).map(FileOwner::parse);
            } catch (IllegalArgumentException e) {
                throw new ParameterException(command, "--owner: " + e.getMessage());
            }
            return new Delivery.ToFile(files, files.check(file.path, sandbox, owner), owner);
        }
    }

    /** What all commands share: a failure is a message and the exit code 1. */
    abstract static class Work implements Callable<Integer> {
        final Console console;

        @Spec
        @Nullable CommandSpec spec;

        Work(Console console) {
            this.console = console;
        }

        abstract void run() throws CommandFailedException;

        CommandLine command() {
            return Objects.requireNonNull(spec).commandLine();
        }

        @Override
        public Integer call() {
            try {
                run();
                return CommandLine.ExitCode.OK;
            } catch (CommandFailedException e) {
                console.err().println(e.getMessage());
                return CommandLine.ExitCode.SOFTWARE;
            } finally {
                console.out().flush();
                console.err().flush();
            }
        }
    }

    @Command(
            name = "generate",
            description = "Makes DIR/jwt (signs sandbox tokens) and DIR/assertion (signs ext-authz's assertions).")
    private static final class GenerateKeys extends Work {
        @Parameters(paramLabel = "DIR", description = "Where; neither of the two may be there yet.")
        @Nullable Path directory;

        GenerateKeys(Console console) {
            super(console);
        }

        @Override
        void run() throws CommandFailedException {
            Path parent = Objects.requireNonNull(directory).toAbsolutePath();
            Path tokens = parent.resolve("jwt");
            Path assertion = parent.resolve("assertion");
            for (Path taken : List.of(tokens, assertion)) {
                if (Files.exists(taken, LinkOption.NOFOLLOW_LINKS)) {
                    throw new CommandFailedException(
                            taken + " exists, and keys are never overwritten; choose another directory");
                }
            }
            try {
                String tokenKey = KeyDirectory.generate(tokens);
                String assertionKey = KeyDirectory.generate(assertion);
                console.out().println(tokens + " kid=" + tokenKey);
                console.out().println("  signing half: the token issuer. Public half: ext-authz, and the gateway.");
                console.out().println(assertion + " kid=" + assertionKey);
                console.out().println("  signing half: ext-authz. Public half: the token issuer.");
            } catch (IOException e) {
                throw new CommandFailedException(String.valueOf(e.getMessage()));
            }
        }
    }

    @Command(name = "create", description = "Registers a sandbox; hands its bootstrap token over if told where to.")
    private static final class CreateSandbox extends Work {
        @Mixin
        RegistryOption registry = new RegistryOption();

        @Parameters(paramLabel = "ID", description = "1 to 128 of [A-Za-z0-9._-].")
        String id = "";

        @Option(names = "--name", paramLabel = "N", description = "Its name. Default: the id.")
        String name = "";

        @Option(names = "--workspace", paramLabel = "W", description = "Its workspace. Default: default.")
        String workspace = "";

        @ArgGroup(exclusive = true)
        @Nullable DeliveryOptions delivery;

        private final TokenFiles files;

        CreateSandbox(Console console, TokenFiles files) {
            super(console);
            this.files = files;
        }

        @Override
        void run() throws CommandFailedException {
            Delivery checked = delivery == null ? null : delivery.check(files, id, command());
            try (RegistryClient client = registry.connect(console)) {
                Sandbox sandbox = client.call(stub -> stub.registerSandbox(RegisterSandboxRequest.newBuilder()
                        .setId(id)
                        .setName(name)
                        .setWorkspace(workspace)
                        .build()));
                if (checked == null) {
                    console.out().println(line(sandbox));
                    return;
                }
                try {
                    console.out().println(checked.deliver(client, id));
                } catch (CommandFailedException e) {
                    throw new CommandFailedException(
                            e.getMessage() + "\n" + id + " is registered, but has no token yet: see token mint");
                }
            }
        }
    }

    @Command(name = "get", description = "Shows a sandbox; a deleted one too.")
    private static final class GetSandbox extends Work {
        @Mixin
        RegistryOption registry = new RegistryOption();

        @Parameters(paramLabel = "ID")
        String id = "";

        GetSandbox(Console console) {
            super(console);
        }

        @Override
        void run() throws CommandFailedException {
            try (RegistryClient client = registry.connect(console)) {
                console.out()
                        .println(line(client.call(stub -> stub.getSandbox(
                                GetSandboxRequest.newBuilder().setId(id).build()))));
            }
        }
    }

    @Command(name = "list", description = "Lists sandboxes, one a line, in the order of their ids.")
    private static final class ListSandboxes extends Work {
        @Mixin
        RegistryOption registry = new RegistryOption();

        @Option(names = "--all", description = "Deleted ones too.")
        boolean all;

        ListSandboxes(Console console) {
            super(console);
        }

        @Override
        void run() throws CommandFailedException {
            try (RegistryClient client = registry.connect(console)) {
                String next = "";
                do {
                    ListSandboxesRequest request = ListSandboxesRequest.newBuilder()
                            .setPageSize(PAGE)
                            .setPageToken(next)
                            .setIncludeDeleted(all)
                            .build();
                    ListSandboxesResponse page = client.call(stub -> stub.listSandboxes(request));
                    page.getSandboxesList().forEach(sandbox -> console.out().println(line(sandbox)));
                    next = page.getNextPageToken();
                } while (!next.isEmpty());
            }
        }
    }

    @Command(
            name = "delete",
            description = "Ends a sandbox for good, and removes the token files that were written for it.")
    private static final class DeleteSandbox extends Work {
        @Mixin
        RegistryOption registry = new RegistryOption();

        @Parameters(paramLabel = "ID")
        String id = "";

        private final TokenFiles files;

        DeleteSandbox(Console console, TokenFiles files) {
            super(console);
            this.files = files;
        }

        @Override
        void run() throws CommandFailedException {
            try (RegistryClient client = registry.connect(console)) {
                // First the record: from now on the tokens are worth nothing, wherever they are.
                console.out()
                        .println(line(client.call(stub -> stub.deleteSandbox(
                                DeleteSandboxRequest.newBuilder().setId(id).build()))));
                List<TokenFile> written = client.call(stub -> stub.listTokenFiles(
                                ListTokenFilesRequest.newBuilder().setId(id).build()))
                        .getTokenFilesList();
                boolean whole = true;
                for (String path :
                        new TreeSet<>(written.stream().map(TokenFile::getPath).toList())) {
                    whole &= remove(Path.of(path));
                }
                if (!whole) {
                    throw new CommandFailedException("the sandbox is deleted, but not every token file is");
                }
            }
        }

        private boolean remove(Path path) {
            try {
                // Of whichever lineage: a sandbox that writes its refreshed tokens back may have begun a new one.
                TokenFiles.Removal outcome =
                        files.remove(path, token -> token.sandbox().equals(Optional.of(id)));
                switch (outcome) {
                    case REMOVED -> console.out().println("removed " + path);
                    case REPLACED -> console.out().println("left " + path + ": it holds something else by now");
                    case ABSENT -> {}
                }
                return true;
            } catch (CommandFailedException e) {
                console.err().println(e.getMessage());
                return false;
            }
        }
    }

    @Command(name = "mint", description = "Mints a new bootstrap token for a sandbox and hands it over.")
    private static final class MintToken extends Work {
        @Mixin
        RegistryOption registry = new RegistryOption();

        @Parameters(paramLabel = "ID")
        String id = "";

        @ArgGroup(exclusive = true, multiplicity = "1")
        DeliveryOptions delivery = new DeliveryOptions();

        private final TokenFiles files;

        MintToken(Console console, TokenFiles files) {
            super(console);
            this.files = files;
        }

        @Override
        void run() throws CommandFailedException {
            Delivery checked = delivery.check(files, id, command());
            try (RegistryClient client = registry.connect(console)) {
                console.out().println(checked.deliver(client, id));
            }
        }
    }

    @Command(
            name = "inspect",
            description = "Shows what a token says of itself, unverified; never the token nor its signature.")
    private static final class InspectToken extends Work {
        @Parameters(
                paramLabel = "FILE",
                arity = "0..1",
                description = "A file with a token. Default, or -: standard input.")
        String file = "-";

        InspectToken(Console console) {
            super(console);
        }

        @Override
        void run() throws CommandFailedException {
            console.out().println(readToken(console, file).toJson());
            console.err().println("UNVERIFIED: this is what the token says, not what is known to be true");
        }
    }

    /**
     * What the token in a file says.
     *
     * @param file {@code -} for standard input
     */
    static TokenText readToken(Console console, String file) throws CommandFailedException {
        String text;
        try (InputStream in = file.equals("-") ? console.in() : Files.newInputStream(Path.of(file))) {
            text = new String(in.readNBytes(TokenText.MAX_LENGTH + 1), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw new CommandFailedException(
                    TokenText.read(file).isPresent()
                            ? "a token on the command line is seen by every user of the machine; give a file, or"
                                    + " standard input"
                            : file + " cannot be read (" + e.getClass().getSimpleName() + ")");
        }
        return TokenText.read(text).orElseThrow(() -> new CommandFailedException("this is not a token"));
    }

    static String line(Sandbox sandbox) {
        String name = sandbox.getName().isEmpty() ? "-" : sandbox.getWorkspace() + "/" + sandbox.getName();
        String line = "sandbox=" + sandbox.getId() + " name=" + name + " state=" + state(sandbox.getState())
                + " created=" + instant(sandbox.getCreated());
        return sandbox.hasDeleted() ? line + " deleted=" + instant(sandbox.getDeleted()) : line;
    }

    private static String state(SandboxState state) {
        return state.name().substring("SANDBOX_STATE_".length()).toLowerCase(Locale.ROOT);
    }

    static Instant instant(com.google.protobuf.Timestamp timestamp) {
        return Instant.ofEpochSecond(timestamp.getSeconds(), timestamp.getNanos());
    }
}
