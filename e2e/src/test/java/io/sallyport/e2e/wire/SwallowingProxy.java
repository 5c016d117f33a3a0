package io.sallyport.e2e.wire;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;

/** Lets one connection's requests through to a port on loopback, and keeps every answer to itself. */
public final class SwallowingProxy implements AutoCloseable {
    private static final long PATIENCE_MILLIS = 10_000;

    private final ServerSocket door;
    private final Socket server;
    private final ByteArrayOutputStream swallowed = new ByteArrayOutputStream();

    /** Guarded by this. */
    private Socket client = new Socket();

    private SwallowingProxy(ServerSocket door, Socket server) {
        this.door = door;
        this.server = server;
    }

    public static SwallowingProxy before(int port) throws IOException {
        InetAddress here = InetAddress.getLoopbackAddress();
        SwallowingProxy proxy = new SwallowingProxy(new ServerSocket(0, 1, here), new Socket(here, port));
        Thread.ofPlatform().daemon().name("requests").start(proxy::passRequests);
        Thread.ofPlatform().daemon().name("answers").start(proxy::swallowAnswers);
        return proxy;
    }

    /** Where to connect to. */
    public int port() {
        return door.getLocalPort();
    }

    /** What was not passed on, as soon as there is so much of it. */
    public synchronized byte[] swallowed(int atLeast) throws InterruptedException {
        long end = System.currentTimeMillis() + PATIENCE_MILLIS;
        while (swallowed.size() < atLeast) {
            long left = end - System.currentTimeMillis();
            if (left <= 0) {
                throw new AssertionError("only " + swallowed.size() + " bytes were answered");
            }
            wait(left);
        }
        return swallowed.toByteArray();
    }

    private void passRequests() {
        try {
            Socket accepted = door.accept();
            synchronized (this) {
                client = accepted;
            }
            accepted.getInputStream().transferTo(server.getOutputStream());
        } catch (IOException e) {
            // closed
        }
    }

    private void swallowAnswers() {
        byte[] buffer = new byte[8192];
        try {
            for (int read = server.getInputStream().read(buffer);
                    read >= 0;
                    read = server.getInputStream().read(buffer)) {
                synchronized (this) {
                    swallowed.writeBytes(Arrays.copyOf(buffer, read));
                    notifyAll();
                }
            }
        } catch (IOException e) {
            // closed
        }
    }

    /** Closes both connections. */
    public void cut() throws IOException {
        close();
    }

    @Override
    public void close() throws IOException {
        door.close();
        server.close();
        synchronized (this) {
            client.close();
        }
    }
}
