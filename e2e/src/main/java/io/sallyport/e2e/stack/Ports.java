package io.sallyport.e2e.stack;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.LockSupport;

/** Loopback ports. */
public final class Ports {
    private Ports() {}

    /**
     * The wanted port, or one that is free at the moment when the wanted one is 0.
     *
     * <p>Not one of those that the system gives to clients: a part that is started again finds its port free.
     */
    public static int choose(int wanted) {
        if (wanted != 0) {
            return wanted;
        }
        for (int tries = 100; ; tries--) {
            int port = ThreadLocalRandom.current().nextInt(15_000, 30_000);
            try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return socket.getLocalPort();
            } catch (IOException e) {
                if (tries == 0) {
                    throw new StackException("no free port on loopback", e);
                }
            }
        }
    }

    /** Says so when somebody else has a port that was asked for by its number, or two parts would have the same. */
    static void requireFree(StackOptions options) {
        Map<Integer, String> asked = new HashMap<>();
        requireFree(options.port(), "--port", asked);
        requireFree(options.gatewayPort(), "--gateway-port", asked);
        requireFree(options.httpPort(), "--http-port", asked);
    }

    /** @param option how a user chooses another one, such as {@code --port} */
    private static void requireFree(int port, String option, Map<Integer, String> asked) {
        if (port == 0) {
            return;
        }
        String other = asked.put(port, option);
        if (other != null) {
            throw new StackException("port " + port + " is asked for by " + other + " and by " + option
                    + "; choose another for one of them");
        }
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1);
        } catch (IOException e) {
            // A port below 1024 may be free and yet not ours to have.
            String why = e.getMessage() != null && e.getMessage().contains("Permission denied")
                    ? "may not be used by this user"
                    : "is taken by another program";
            throw new StackException(
                    "port " + port + " on 127.0.0.1 " + why + "; choose another with " + option + " N", e);
        }
    }

    /** Waits until somebody listens on a port on loopback; after some seconds it does not wait any more. */
    static void awaitListening(int port) {
        long end = System.nanoTime() + 10_000_000_000L;
        while (System.nanoTime() - end < 0) {
            try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
                if (socket.isConnected()) {
                    return;
                }
            } catch (IOException e) {
                LockSupport.parkNanos(10_000_000);
            }
        }
    }
}
