package io.sallyport.e2e.gateway;

import io.sallyport.base.Logging;
import io.sallyport.e2e.Generation;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Starts the reference gateway and prints {@code ready on ADDRESS, control on ADDRESS} to the log.
 *
 * <p>Exit codes: 0 after SIGTERM, 2 bad usage, 1 otherwise.
 */
@Command(
        name = "reference-gateway",
        mixinStandardHelpOptions = true,
        description = "A gateway to stand behind Sallyport; it remembers every byte that reached it.")
public final class ReferenceGatewayMain implements Runnable {
    private static final Logger logger = System.getLogger(ReferenceGatewayMain.class.getName());

    @Option(names = "--api", defaultValue = "0.0", description = "0.0 or 0.1")
    private Generation api = Generation.V0_0;

    @Option(names = "--mode", defaultValue = "trusting", description = "trusting or unchanged")
    private GatewayMode mode = GatewayMode.TRUSTING;

    @Option(names = "--port", description = "on loopback; 0: any")
    private int port;

    @Option(names = "--control-port", description = "on loopback; 0: any")
    private int controlPort;

    @Option(names = "--sandbox", description = "id or id:workspace/name; repeatable")
    private List<KnownSandbox> sandboxes = List.of();

    @Option(names = "--gateway-id", defaultValue = "local", description = "for mode unchanged")
    private String gatewayId = "local";

    @Option(names = "--key", description = "for mode unchanged: the directory with public.pem and kid")
    private @Nullable Path key;

    private ReferenceGatewayMain() {}

    /** The program. */
    public static void main(String[] args) {
        Logging.toStandardError();
        int code = new CommandLine(new ReferenceGatewayMain())
                .registerConverter(Generation.class, Generation::parse)
                .registerConverter(GatewayMode.class, GatewayMode::parse)
                .registerConverter(KnownSandbox.class, KnownSandbox::parse)
                .execute(args);
        System.exit(code);
    }

    @Override
    public void run() {
        SandboxTable table = new SandboxTable();
        sandboxes.forEach(table::add);
        Answers answers = switch (api) {
            case V0_0 -> new Openshell00Answers(table);
            case V0_1 -> new Openshell01Answers(table);
        };
        try (ReferenceGateway gateway = new ReferenceGateway(port, controlPort, callers(), answers, table)) {
            Runtime.getRuntime().addShutdownHook(new Thread(gateway::close, "stop"));
            logger.log(
                    Level.INFO,
                    "ready on 127.0.0.1:{0}, control on 127.0.0.1:{1}",
                    Integer.toString(gateway.port()),
                    Integer.toString(gateway.controlPort()));
            gateway.awaitClose();
        } catch (IOException e) {
            throw new CommandLine.ExecutionException(new CommandLine(this), String.valueOf(e.getMessage()), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private CallerCheck callers() throws IOException {
        return switch (mode) {
            case TRUSTING -> new TrustingCheck();
            case UNCHANGED -> {
                if (key == null) {
                    throw new IOException("--mode unchanged needs --key DIRECTORY with public.pem and kid");
                }
                yield BearerCheck.load(gatewayId, key, InstantSource.system());
            }
        };
    }
}
