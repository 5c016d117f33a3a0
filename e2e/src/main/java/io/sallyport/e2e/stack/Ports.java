package io.sallyport.e2e.stack;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
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

    /**
     * Says so when somebody else has the port.
     *
     * @param option how a user chooses another one, such as {@code --port}
     */
    static void requireFree(int port, String option) {
        if (port == 0) {
            return;
        }
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1);
        } catch (IOException e) {
            throw new StackException(
                    "port " + port + " on 127.0.0.1 is taken by another program; choose another with " + option + " N",
                    e);
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
