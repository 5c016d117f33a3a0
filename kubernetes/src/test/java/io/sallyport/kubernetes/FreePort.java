package io.sallyport.kubernetes;

import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Ports of loopback for servers that a test stops and starts again: not of those that the system gives to clients, so that
 * none of the other tests' connections has it meanwhile.
 */
public final class FreePort {
    private FreePort() {}

    /** One that nobody listens on at this moment. */
    public static int choose() throws IOException {
        for (int tries = 100; ; tries--) {
            int port = ThreadLocalRandom.current().nextInt(15_000, 30_000);
            try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return socket.getLocalPort();
            } catch (BindException e) {
                if (tries == 0) {
                    throw e;
                }
            }
        }
    }
}
