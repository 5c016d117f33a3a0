package io.sallyport.agent;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;

/** The program {@code debug-rpc}. */
public final class DebugRpcMain {
    private DebugRpcMain() {}

    public static void main(String[] arguments) {
        DebugRpc debugRpc = new DebugRpc(
                System.getenv(),
                InstantSource.system(),
                new PrintWriter(System.out, true, StandardCharsets.UTF_8),
                new PrintWriter(System.err, true, StandardCharsets.UTF_8));
        System.exit(debugRpc.run(arguments));
    }
}
