package io.sallyport.extauthz;

import io.sallyport.base.Logging;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.identity.Ed25519;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;

/**
 * {@code serve --config FILE} answers Envoy until it is told to stop; {@code validate --config FILE} only says what is
 * wrong with the settings.
 *
 * <p>Exit codes: 0 all is well, 2 wrong arguments or settings (every problem on a line of its own), 1 anything else.
 */
public final class ExtAuthzMain {
    private static final Logger log = System.getLogger(ExtAuthzMain.class.getName());
    private static final String USAGE = "usage: ext-authz serve|validate --config FILE";

    private ExtAuthzMain() {}

    /** Runs the program. */
    public static void main(String[] arguments) {
        Logging.toStandardError();
        System.exit(run(arguments, System.err));
    }

    static int run(String[] arguments, PrintStream err) {
        boolean known = arguments.length == 3
                && (arguments[0].equals("serve") || arguments[0].equals("validate"))
                && arguments[1].equals("--config");
        if (!known) {
            err.println(USAGE);
            return 2;
        }
        boolean serve = arguments[0].equals("serve");
        // The provider of signatures takes as long to load as all the rest: both at once.
        FutureTask<Ed25519> signatures = new FutureTask<>(Ed25519::choose);
        if (serve) {
            Thread.ofPlatform().daemon().name("load-signatures").start(signatures);
        }
        ExtAuthzSettings settings;
        try {
            settings = ExtAuthzSettings.load(Path.of(arguments[2]));
        } catch (InvalidSettingsException e) {
            e.problems().forEach(err::println);
            return 2;
        }
        return serve ? serve(settings, signatures, err) : 0;
    }

    private static int serve(ExtAuthzSettings settings, Future<Ed25519> signatures, PrintStream err) {
        try (ExtAuthzServer server = ExtAuthzServer.start(settings, signatures)) {
            Runtime.getRuntime().addShutdownHook(new Thread(server::close, "shutdown"));
            log.log(
                    Level.INFO,
                    "listening on {0}, closed to sandboxes until the issuer has been heard ({1})",
                    settings.listen(),
                    settings.issuers());
            var _ = server.ready()
                    .thenRun(() -> log.log(
                            Level.INFO,
                            "ready on {0}, policy {1}",
                            settings.listen(),
                            settings.policy().digest()));
            server.awaitTermination();
            return 0;
        } catch (IOException e) {
            err.println("not started on " + settings.listen() + ": " + e.getMessage());
            return 1;
        } catch (ExecutionException e) {
            err.println("no provider of Ed25519 signatures works: " + e.getCause());
            return 1;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return 1;
        }
    }
}
