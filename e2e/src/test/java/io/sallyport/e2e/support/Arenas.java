package io.sallyport.e2e.support;

import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Checkout;
import io.sallyport.e2e.stack.EnvoyBinary;
import io.sallyport.e2e.stack.Folders;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.Registry;
import io.sallyport.e2e.stack.StackOptions;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/**
 * The arenas that test classes share: started when a test first asks, stopped after the last test.
 *
 * <p>A test that breaks a part takes {@link #own} instead, and closes it. Two classes run at a time: one that uses what others
 * use too locks that ({@code @ResourceLock(Arenas.SHARED)}), so that nobody else's calls are among those it counts.
 */
public final class Arenas implements AutoCloseable {
    /** Every arena that {@link #shared} hands out. */
    public static final String SHARED = "the shared arenas";

    /** Every arena that {@link #breakable} hands out. */
    public static final String BREAKABLE = "the arenas that may be broken";

    private final Path root = Checkout.find(Path.of(""));
    private final Path envoy = EnvoyBinary.find(root);
    private final Map<Setup, Arena> shared = new EnumMap<>(Setup.class);
    private final Map<Setup, Arena> breakable = new EnumMap<>(Setup.class);
    private final List<Path> folders = new ArrayList<>();

    // For a run that is broken off: JUnit closes nothing then, and the folders hold keys.
    private final Thread closeAtExit = new Thread(this::clear, "close the arenas");

    private Arenas() {
        Runtime.getRuntime().addShutdownHook(closeAtExit);
    }

    /** The shared arena of this kind. */
    public synchronized Arena shared(Setup setup) {
        return shared.computeIfAbsent(setup, key -> Arena.start(options(key)).awaitFirstAnswer());
    }

    /**
     * The arena of this kind whose parts may be stopped and started; whoever breaks it leaves it whole.
     *
     * <p>Limits are the usual ones, and what is known is stale sooner, so that tests need not wait for that.
     */
    public synchronized Arena breakable(Setup setup) {
        return breakable.computeIfAbsent(
                setup,
                key -> Arena.start(options(key)
                                .with(Part.ENVOY, "limits.authorization", "2s")
                                .with(Part.EXT_AUTHZ, "issuer-timeout", "1s")
                                .with(Part.EXT_AUTHZ, "max-staleness", "5s"))
                        .awaitFirstAnswer());
    }

    /** An arena for one test alone; the caller closes it. */
    public Arena own(StackOptions options) {
        return Arena.start(options).awaitFirstAnswer();
    }

    /**
     * Like {@link #own(StackOptions)}, where records are not made by the registry.
     *
     * @param records makes the issuer know a sandbox; returns once it does
     */
    public Arena own(StackOptions options, BiConsumer<Registry, KnownSandbox> records) {
        return Arena.start(options, records).awaitFirstAnswer();
    }

    /** An arena in which no call is expected to be answered well; the caller closes it. */
    public Arena ill(StackOptions options) {
        return Arena.start(options);
    }

    /** The usual options, with a new folder. */
    public synchronized StackOptions options(Setup setup) {
        try {
            Path folder = Files.createTempDirectory("sallyport-e2e-");
            folders.add(folder);
            return StackOptions.of(root, folder, envoy)
                    .withGeneration(setup.generation())
                    .withMode(setup.mode())
                    // Most of them live for seconds: the best compiler would not be done, and takes half of their time.
                    .withJvmFlags("-XX:TieredStopAtLevel=1")
                    // A busy machine is not what these tests are about; those that are set their own.
                    .with(Part.ENVOY, "limits.authorization", "5s")
                    .with(Part.EXT_AUTHZ, "issuer-timeout", "5s");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public Path root() {
        return root;
    }

    /** Those that have been started. */
    public synchronized List<Arena> started() {
        return Stream.concat(shared.values().stream(), breakable.values().stream())
                .toList();
    }

    @Override
    public void close() {
        Runtime.getRuntime().removeShutdownHook(closeAtExit);
        clear();
    }

    private synchronized void clear() {
        started().forEach(Arena::close);
        try {
            for (Path folder : folders) {
                Folders.delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Hands the one instance to tests; JUnit's root store closes it. */
    public static final class Resolver implements ParameterResolver {
        @Override
        public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
            return parameter.getParameter().getType() == Arenas.class;
        }

        @Override
        public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
            return context.getRoot()
                    .getStore(ExtensionContext.Namespace.create(Arenas.class))
                    .computeIfAbsent(Arenas.class, key -> new Arenas(), Arenas.class);
        }
    }
}
