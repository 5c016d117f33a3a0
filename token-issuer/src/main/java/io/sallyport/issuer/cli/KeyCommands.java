package io.sallyport.issuer.cli;

import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Settings;
import io.sallyport.identity.KeyRotation;
import io.sallyport.identity.KeyRotation.Phase;
import io.sallyport.identity.KeyRotation.Standing;
import io.sallyport.issuer.cli.Commands.Work;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The commands that rotate the keys of a directory. */
final class KeyCommands {
    private KeyCommands() {}

    /** Adds them to {@code keys}. */
    static void addTo(CommandLine keys, Console console, KeyTimes.Source settings, InstantSource clock) {
        keys.addSubcommand(new Status(console, settings, clock))
                .addSubcommand(new Rotate(console, settings, clock))
                .addSubcommand(new Export(console, settings, clock));
    }

    /** Durations as everywhere else: {@code 500ms}, {@code 30s}, {@code 5m}, {@code 24h}, {@code 7d}. */
    static final class DurationConverter implements ITypeConverter<Duration> {
        @Override
        public Duration convert(String text) {
            try {
                return Settings.parseDuration(text);
            } catch (IllegalArgumentException e) {
                throw new CommandLine.TypeConversionException(String.valueOf(e.getMessage()));
            }
        }
    }

    /** The times, from the issuer's settings or one by one. */
    static final class TimeOptions {
        @Option(
                names = "--config",
                paramLabel = "FILE",
                description = "Take the times, and whether DIR holds assertion keys, from the issuer's settings.")
        @Nullable Path config;

        @Option(names = "--assertion", description = "DIR holds ext-authz's assertion keys: only seconds matter.")
        boolean assertion;

        @Option(
                names = "--poll",
                paramLabel = "TIME",
                converter = DurationConverter.class,
                description = "keys.poll. Default: 10s.")
        @Nullable Duration poll;

        @Option(
                names = "--jwks-max-age",
                paramLabel = "TIME",
                converter = DurationConverter.class,
                description = "keys.jwks-max-age. Default: 60s.")
        @Nullable Duration jwksMaxAge;

        @Option(
                names = "--retry-grace",
                paramLabel = "TIME",
                converter = DurationConverter.class,
                description = "refresh.retry-grace. Default: 2m.")
        @Nullable Duration retryGrace;

        @Option(
                names = "--max-lifetime",
                paramLabel = "TIME",
                converter = DurationConverter.class,
                description = "tokens.max-lifetime. Default: 24h.")
        @Nullable Duration maxLifetime;

        @Option(
                names = "--renewal-window",
                paramLabel = "TIME",
                converter = DurationConverter.class,
                description = "refresh.renewal-window. Default: 24h.")
        @Nullable Duration renewalWindow;

        @Option(
                names = "--leeway",
                paramLabel = "TIME",
                converter = DurationConverter.class,
                description = "tokens.leeway. Default: 60s.")
        @Nullable Duration leeway;

        KeyTimes times(KeyTimes.Source settings, Path directory) throws InvalidSettingsException {
            KeyTimes from = config == null ? KeyTimes.DEFAULT : settings.read(config, directory);
            return new KeyTimes(
                    assertion || from.assertion(),
                    Objects.requireNonNullElse(poll, from.poll()),
                    Objects.requireNonNullElse(jwksMaxAge, from.jwksMaxAge()),
                    Objects.requireNonNullElse(retryGrace, from.retryGrace()),
                    Objects.requireNonNullElse(maxLifetime, from.maxLifetime()),
                    Objects.requireNonNullElse(renewalWindow, from.renewalWindow()),
                    Objects.requireNonNullElse(leeway, from.leeway()));
        }
    }

    /** A command on one key directory. */
    private abstract static class OnDirectory extends Work {
        @Parameters(
                index = "0",
                paramLabel = "DIR",
                description = "The key directory, such as /etc/sallyport/keys/jwt.")
        Path directory = Path.of("");

        @Mixin
        TimeOptions times = new TimeOptions();

        private final KeyTimes.Source settings;
        private final InstantSource clock;

        OnDirectory(Console console, KeyTimes.Source settings, InstantSource clock) {
            super(console);
            this.settings = settings;
            this.clock = clock;
        }

        abstract void run(KeyRotation keys) throws IOException;

        Instant now() {
            return clock.instant();
        }

        @Override
        final void run() throws CommandFailedException {
            try {
                run(new KeyRotation(
                        directory,
                        times.times(settings, directory.toAbsolutePath()).windows(),
                        clock,
                        warning -> console.err().println("WARNING: " + warning)));
            } catch (InvalidSettingsException e) {
                throw new CommandFailedException(String.join("\n", e.problems()));
            } catch (IOException e) {
                throw new CommandFailedException(String.valueOf(e.getMessage()));
            }
        }
    }

    @Command(name = "status", description = "Says in which phase each key is, and when the next step may be taken.")
    private static final class Status extends OnDirectory {
        Status(Console console, KeyTimes.Source settings, InstantSource clock) {
            super(console, settings, clock);
        }

        @Override
        void run(KeyRotation keys) throws IOException {
            for (Standing key : keys.status()) {
                StringBuilder line = new StringBuilder(
                        "kid=" + key.keyId() + " phase=" + key.phase().name().toLowerCase(Locale.ROOT));
                key.since()
                        .ifPresent(time -> line.append(key.phase() == Phase.PREPARED ? " since=" : " signed-until=")
                                .append(time));
                String next = next(key.phase());
                if (!next.isEmpty()) {
                    line.append(" next=")
                            .append(next)
                            .append(" from=")
                            .append(key.due()
                                    .map(due -> now().isBefore(due) ? due.toString() : "now")
                                    .orElse("unknown"));
                }
                console.out().println(line);
            }
        }

        private static String next(Phase phase) {
            return switch (phase) {
                case PREPARED -> "activate";
                case RETIRING -> "retire";
                case RETIRED -> "remove";
                case ACTIVE, FOREIGN, TAINTED -> "";
            };
        }
    }

    /** A step of a rotation. */
    enum RotationStep {
        PREPARE,
        ACTIVATE,
        RETIRE,
        REMOVE,
        TAINT;

        static final String ALL = "prepare, activate, retire, remove, taint";
    }

    static final class StepConverter implements ITypeConverter<RotationStep> {
        @Override
        public RotationStep convert(String text) {
            for (RotationStep step : RotationStep.values()) {
                if (step.name().toLowerCase(Locale.ROOT).equals(text)) {
                    return step;
                }
            }
            throw new CommandLine.TypeConversionException("expected one of: " + RotationStep.ALL);
        }
    }

    @Command(
            name = "rotate",
            description = {
                "Takes one step of a rotation.",
                "prepare: makes a key that is accepted and published, and does not sign yet.",
                "activate: lets it sign; the one before is retiring.",
                "retire: deletes the private half of keys that need not sign again.",
                "remove: takes keys out that nothing depends on any more.",
                "taint: ends the trust in a key at once; if it signs, another one takes over. What it signed is taken back"
                        + " everywhere by keys taint."
            })
    private static final class Rotate extends OnDirectory {
        @Parameters(
                index = "1",
                paramLabel = "STEP",
                converter = StepConverter.class,
                description = "One of: " + RotationStep.ALL + ".")
        RotationStep step = RotationStep.PREPARE;

        @Parameters(
                index = "2",
                arity = "0..1",
                paramLabel = "KID",
                description = "Only this key. Default: every key the step is due for.")
        @Nullable String keyId;

        @Option(names = "--reason", paramLabel = "TEXT", description = "Why a key is tainted; kept beside it.")
        @Nullable String reason;

        @Option(names = "--force", description = "Take the step before its time. Calls may fail, supervisors be lost.")
        boolean force;

        Rotate(Console console, KeyTimes.Source settings, InstantSource clock) {
            super(console, settings, clock);
        }

        @Override
        void run(KeyRotation keys) throws IOException {
            Optional<String> named = Optional.ofNullable(keyId);
            switch (step) {
                case PREPARE -> {
                    if (named.isPresent()) {
                        throw new IOException("prepare makes a new key and its kid; leave out " + named.get());
                    }
                    tell("prepared", List.of(keys.prepare()));
                }
                case ACTIVATE -> tell("active", List.of(keys.activate(named, force)));
                case RETIRE -> tell("retired", keys.retire(named, force));
                case REMOVE -> tell("removed", keys.remove(named, force));
                case TAINT -> {
                    if (keyId == null || reason == null) {
                        throw new IOException("name the key and say why: keys rotate DIR taint KID --reason TEXT");
                    }
                    String active = keys.taint(keyId, reason);
                    tell("tainted", List.of(keyId));
                    tell("active", List.of(active));
                }
            }
        }

        private void tell(String phase, List<String> keyIds) {
            keyIds.forEach(id -> console.out().println("kid=" + id + " phase=" + phase));
        }
    }

    @Command(
            name = "export",
            description =
                    "Copies the keys without folders: for a Kubernetes Secret, or for who may have public halves only.")
    private static final class Export extends OnDirectory {
        @Parameters(index = "1", paramLabel = "OUT", description = "A new directory.")
        Path out = Path.of("");

        @Option(names = "--public-only", description = "Leave out everything private.")
        boolean publicOnly;

        Export(Console console, KeyTimes.Source settings, InstantSource clock) {
            super(console, settings, clock);
        }

        @Override
        void run(KeyRotation keys) throws IOException {
            keys.export(out, publicOnly);
            console.out().println(out + (publicOnly ? " (public halves only)" : ""));
        }
    }
}
