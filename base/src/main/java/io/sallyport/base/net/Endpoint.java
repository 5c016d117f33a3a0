package io.sallyport.base.net;

import java.nio.file.Path;
import java.util.Objects;
import java.util.regex.Pattern;

/**
 * Where something listens: {@code unix:/absolute/path} or {@code host:port}.
 *
 * <p>The same spelling serves in every settings file.
 */
public sealed interface Endpoint {
    /** A Unix domain socket. The path is absolute and at most 107 bytes (Linux {@code sun_path}). */
    record Unix(Path path) implements Endpoint {
        public Unix {
            Objects.requireNonNull(path, "path is null");
            if (!path.isAbsolute()) {
                throw new IllegalArgumentException("a Unix socket needs an absolute path, this is relative: " + path);
            }
            int bytes = path.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
            if (bytes > 107) {
                throw new IllegalArgumentException(
                        "a Unix socket's path may have 107 bytes, this has " + bytes + ": " + path);
            }
        }

        @Override
        public String toString() {
            return "unix:" + path;
        }
    }

    /** A TCP address; port 0 lets the system choose where a server listens. */
    record Tcp(String host, int port) implements Endpoint {
        /** Real addresses only: anything else of that look would be asked of a name server. */
        private static final Pattern LOOPBACK_V4 = Pattern.compile("127(\\.(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)){3}");

        private static final Pattern NAME = Pattern.compile("[A-Za-z0-9]([A-Za-z0-9._-]{0,252})");
        private static final Pattern V6 = Pattern.compile("[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9._-]+)?");

        public Tcp {
            Objects.requireNonNull(host, "host is null");
            if (host.isEmpty()) {
                throw new IllegalArgumentException("the host is empty");
            }
            if (!NAME.matcher(host).matches() && !V6.matcher(host).matches()) {
                throw new IllegalArgumentException("the host is neither a name nor an address: " + host);
            }
            if (port < 0 || port > 65535) {
                throw new IllegalArgumentException("a port is 0 to 65535, this is " + port);
            }
        }

        /** Whether the address never leaves this machine (or this pod): {@code 127.*}, {@code ::1}, {@code localhost}. */
        public boolean isLoopback() {
            return host.equals("localhost")
                    || host.equals("::1")
                    || LOOPBACK_V4.matcher(host).matches();
        }

        @Override
        public String toString() {
            return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
        }
    }

    /**
     * Reads {@code unix:/path}, {@code host:port} or {@code [v6]:port}.
     *
     * @throws IllegalArgumentException with what would be right
     */
    static Endpoint parse(String text) {
        if (text.startsWith("unix:")) {
            return new Unix(Path.of(text.substring("unix:".length())));
        }
        int colon = text.lastIndexOf(':');
        if (colon <= 0) {
            throw new IllegalArgumentException("expected unix:/path or host:port, found \"" + text + "\"");
        }
        String host = text.substring(0, colon);
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        } else if (host.contains(":")) {
            throw new IllegalArgumentException(
                    "an IPv6 address stands in brackets, as in [::1]:8080, found \"" + text + "\"");
        }
        String port = text.substring(colon + 1);
        if (!port.matches("\\d{1,6}")) {
            throw new IllegalArgumentException("the port is not a number in \"" + text + "\"");
        }
        return new Tcp(host, Integer.parseInt(port));
    }
}
