package io.sallyport.issuer.store;

import io.sallyport.base.net.Endpoint;
import io.sallyport.base.settings.Settings;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Where a PostgreSQL database is, and as whom to log in.
 *
 * @param hosts the primary, or all who may be it after a fail-over
 * @param passwordFile read at every connection, so that a password can be changed without a restart; empty where the server
 *     wants none
 * @param ca whose signature the server's certificate needs (PEM); empty for those that the JVM trusts
 * @param connections how many at most for calls; two more wait for notifications and look after the pool
 */
public record PostgresSettings(
        List<String> hosts,
        int port,
        String database,
        String user,
        Optional<Path> passwordFile,
        Optional<Path> ca,
        int connections) {
    static final int DEFAULT_CONNECTIONS = 12;

    public PostgresSettings {
        hosts = List.copyOf(hosts);
    }

    /** Reads the section {@code store.postgresql}; mistakes are noted in its problems. */
    public static PostgresSettings read(Settings section) {
        List<String> hosts = section.has("hosts") ? section.strings("hosts") : List.of(section.string("host"));
        if (section.has("hosts") && (hosts.isEmpty() || section.has("host"))) {
            section.problem("hosts", "expected either host or a list of hosts that is not empty");
        }
        for (String host : hosts) {
            if (host.startsWith("/") || host.startsWith("unix:")) {
                section.problem("host", host + " is a Unix socket, which the driver cannot use; use 127.0.0.1");
            } else if (host.contains(",") || host.contains("/") || host.contains("@")) {
                section.problem("host", "expected a host name or an address, found \"" + host + "\"");
            }
        }
        return new PostgresSettings(
                hosts,
                section.integer("port", 5432, 1, 65_535),
                section.string("database"),
                section.string("user"),
                absolute(section, "password-file"),
                absolute(section, "ca"),
                section.integer("connections", DEFAULT_CONNECTIONS, 3, 200));
    }

    /** Whether the connection is encrypted and the server's name and certificate are checked. */
    public boolean verifiesServer() {
        return ca.isPresent() || !hosts.stream().allMatch(host -> new Endpoint.Tcp(host, port).isLoopback());
    }

    /** As operators know it: no password was ever in here. */
    @Override
    public String toString() {
        return "postgresql://" + user + "@" + String.join(",", hosts) + ":" + port + "/" + database;
    }

    private static Optional<Path> absolute(Settings section, String key) {
        Optional<Path> path = section.optionalPath(key);
        if (path.isPresent() && !path.get().isAbsolute()) {
            section.problem(key, "expected an absolute path, found " + path.get());
        }
        return path;
    }
}
