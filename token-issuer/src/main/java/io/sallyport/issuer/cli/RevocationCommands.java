package io.sallyport.issuer.cli;

import io.sallyport.api.registry.v1.ListRevocationsRequest;
import io.sallyport.api.registry.v1.ListRevocationsResponse;
import io.sallyport.api.registry.v1.Revocation;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.api.registry.v1.RevokeRequest;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.api.registry.v1.SetSandboxStateRequest;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The operator's commands that take passes back, or hold them back for a while. */
final class RevocationCommands {
    private RevocationCommands() {}

    /** Adds {@code revoke} and {@code revocations}. */
    static void addToTokens(CommandLine tokens, Console console) {
        tokens.addSubcommand(new RevokeToken(console)).addSubcommand(new ListRevocations(console));
    }

    /** Adds {@code revoke}, {@code stop} and {@code start}. */
    static void addToSandboxes(CommandLine sandboxes, Console console) {
        sandboxes
                .addSubcommand(new RevokeSandbox(console))
                .addSubcommand(new StopSandbox(console))
                .addSubcommand(new StartSandbox(console));
    }

    /** Adds {@code taint}. */
    static void addToKeys(CommandLine keys, Console console) {
        keys.addSubcommand(new TaintKey(console));
    }

    /** A command that revokes something. */
    private abstract static class Revoke extends Commands.Work {
        @Mixin
        Commands.RegistryOption registry = new Commands.RegistryOption();

        @Option(
                names = "--reason",
                required = true,
                paramLabel = "TEXT",
                description = "Why, in 1 to 200 printable characters. Kept with the revocation, and in the audit log.")
        String reason = "";

        Revoke(Console console) {
            super(console);
        }

        void revoke(RevocationSubject.Builder subject) throws CommandFailedException {
            try (RegistryClient client = registry.connect(console)) {
                Revocation revocation = client.call(stub -> stub.revoke(RevokeRequest.newBuilder()
                        .setSubject(subject)
                        .setReason(reason)
                        .build()));
                console.out().println(line(revocation));
            }
        }
    }

    @Command(
            name = "revoke",
            description = "Takes back one token, or everything in a lineage: what its bootstrap token was or will be"
                    + " exchanged for, too.")
    private static final class RevokeToken extends Revoke {
        @ArgGroup(exclusive = true, multiplicity = "1")
        Subject subject = new Subject();

        static final class Subject {
            @Option(names = "--id", paramLabel = "JTI", required = true, description = "One token, by its jti.")
            @Nullable String tokenId;

            @Option(
                    names = "--lineage",
                    paramLabel = "LIN",
                    required = true,
                    description = "Every token of a lineage, by its lin.")
            @Nullable String lineage;

            @Option(
                    names = "--file",
                    paramLabel = "F",
                    required = true,
                    description = "The token in a file; -: standard input. What it was renewed into is not taken back.")
            @Nullable String file;
        }

        RevokeToken(Console console) {
            super(console);
        }

        @Override
        void run() throws CommandFailedException {
            if (subject.tokenId != null) {
                revoke(RevocationSubject.newBuilder().setTokenId(subject.tokenId));
            } else if (subject.lineage != null) {
                revoke(RevocationSubject.newBuilder().setLineage(subject.lineage));
            } else if (subject.file != null) {
                TokenText token = Commands.readToken(console, subject.file);
                revoke(RevocationSubject.newBuilder().setTokenId(token.tokenId()));
                token.lineage()
                        .ifPresent(lineage -> console.err()
                                .println("what it was renewed into is still good; to take that back too:"
                                        + " token revoke --lineage " + lineage));
            }
        }
    }

    @Command(
            name = "revoke",
            description =
                    "Takes back every token the sandbox was given so far. It lives: token mint gives it a new one.")
    private static final class RevokeSandbox extends Revoke {
        @Parameters(paramLabel = "ID")
        String id = "";

        RevokeSandbox(Console console) {
            super(console);
        }

        @Override
        void run() throws CommandFailedException {
            revoke(RevocationSubject.newBuilder().setSandboxId(id));
        }
    }

    @Command(
            name = "taint",
            description =
                    "Takes back every token that a key has signed, for ever and everywhere; nothing is signed with it"
                            + " again. If it is the one that signs, also let another take over: keys rotate DIR taint KID.")
    private static final class TaintKey extends Revoke {
        @Parameters(paramLabel = "KID")
        String keyId = "";

        TaintKey(Console console) {
            super(console);
        }

        @Override
        void run() throws CommandFailedException {
            revoke(RevocationSubject.newBuilder().setKeyId(keyId));
        }
    }

    @Command(name = "revocations", description = "Lists what was taken back, as long as it matters, one a line.")
    private static final class ListRevocations extends Commands.Work {
        @Mixin
        Commands.RegistryOption registry = new Commands.RegistryOption();

        ListRevocations(Console console) {
            super(console);
        }

        @Override
        void run() throws CommandFailedException {
            try (RegistryClient client = registry.connect(console)) {
                String next = "";
                do {
                    ListRevocationsRequest request = ListRevocationsRequest.newBuilder()
                            .setPageSize(Commands.PAGE)
                            .setPageToken(next)
                            .build();
                    ListRevocationsResponse page = client.call(stub -> stub.listRevocations(request));
                    page.getRevocationsList()
                            .forEach(revocation -> console.out().println(line(revocation)));
                    next = page.getNextPageToken();
                } while (!next.isEmpty());
            }
        }
    }

    /** A command that sets a sandbox's state. */
    private abstract static class SetState extends Commands.Work {
        @Mixin
        Commands.RegistryOption registry = new Commands.RegistryOption();

        @Parameters(paramLabel = "ID")
        String id = "";

        private final SandboxState state;

        SetState(Console console, SandboxState state) {
            super(console);
            this.state = state;
        }

        @Override
        void run() throws CommandFailedException {
            try (RegistryClient client = registry.connect(console)) {
                Sandbox sandbox = client.call(stub -> stub.setSandboxState(SetSandboxStateRequest.newBuilder()
                        .setId(id)
                        .setState(state)
                        .build()));
                console.out().println(Commands.line(sandbox));
            }
        }
    }

    @Command(name = "stop", description = "Holds a sandbox's tokens back: they pass nothing and renew nothing.")
    private static final class StopSandbox extends SetState {
        StopSandbox(Console console) {
            super(console, SandboxState.SANDBOX_STATE_STOPPED);
        }
    }

    @Command(name = "start", description = "Lets a stopped sandbox go on.")
    private static final class StartSandbox extends SetState {
        StartSandbox(Console console) {
            super(console, SandboxState.SANDBOX_STATE_ACTIVE);
        }
    }

    private static String line(Revocation revocation) {
        RevocationSubject subject = revocation.getSubject();
        String what = switch (subject.getSubjectCase()) {
            case TOKEN_ID -> "token=" + subject.getTokenId();
            case LINEAGE -> "lineage=" + subject.getLineage();
            case SANDBOX_ID -> "sandbox=" + subject.getSandboxId();
            case KEY_ID -> "key=" + subject.getKeyId();
            case SUBJECT_NOT_SET -> "nothing";
        };
        return what + " revoked=" + Commands.instant(revocation.getRevoked()) + " until="
                + (revocation.hasUntil() ? Commands.instant(revocation.getUntil()) : "ever") + " reason="
                + revocation.getReason();
    }
}
