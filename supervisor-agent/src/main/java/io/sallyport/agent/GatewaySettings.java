package io.sallyport.agent;

import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * Where the gateway is and how it is reached.
 *
 * @param host the endpoint's host
 * @param port the endpoint's port; 80 or 443 when it names none
 * @param tls how the connection is encrypted; empty for plain text, which is for loopback only
 * @param sandboxId the sandbox's own id, if the environment says it
 * @param sandboxName the sandbox's own name, if the environment says it
 */
public record GatewaySettings(
        String host, int port, Optional<Tls> tls, Optional<String> sandboxId, Optional<String> sandboxName) {
    /**
     * Transport security.
     *
     * @param ca certificates the gateway's is checked against; the JVM's when empty
     * @param client a certificate and key to show, when the gateway asks
     * @param serverName the name the gateway's certificate must have, when it is not the host
     */
    public record Tls(Optional<Path> ca, Optional<ClientCertificate> client, Optional<String> serverName) {}

    /** A client certificate and its key, both PEM. It is transport: who calls is said by the token alone. */
    public record ClientCertificate(Path certificate, Path key) {}

    /**
     * What an environment says.
     *
     * @throws AgentSettingsException with every mistake at once
     */
    public static GatewaySettings fromEnvironment(Map<String, String> environment) throws AgentSettingsException {
        List<String> problems = new ArrayList<>();
        URI endpoint = endpoint(value(environment, EnvironmentNames.ENDPOINT), problems);
        Optional<Path> ca = file(environment, EnvironmentNames.TLS_CA, problems);
        Optional<Path> certificate = file(environment, EnvironmentNames.TLS_CERT, problems);
        Optional<Path> key = file(environment, EnvironmentNames.TLS_KEY, problems);
        if (certificate.isPresent() != key.isPresent()) {
            problems.add(EnvironmentNames.TLS_CERT + " and " + EnvironmentNames.TLS_KEY
                    + " come together: set both or none");
        }
        Optional<String> sandboxId = value(environment, EnvironmentNames.SANDBOX_ID);
        if (sandboxId.isPresent() && !sandboxId.get().matches("[A-Za-z0-9._-]{1,128}")) {
            problems.add(EnvironmentNames.SANDBOX_ID + " is not a sandbox's id (1 to 128 of [A-Za-z0-9._-])");
        }
        if (!problems.isEmpty()) {
            throw new AgentSettingsException(problems);
        }
        boolean encrypted = "https".equals(scheme(endpoint));
        Optional<ClientCertificate> client =
                certificate.flatMap(cert -> key.map(secret -> new ClientCertificate(cert, secret)));
        return new GatewaySettings(
                host(endpoint),
                endpoint.getPort() >= 0 ? endpoint.getPort() : encrypted ? 443 : 80,
                encrypted
                        ? Optional.of(new Tls(ca, client, value(environment, EnvironmentNames.TLS_SERVER_NAME)))
                        : Optional.empty(),
                sandboxId,
                value(environment, EnvironmentNames.SANDBOX_NAME));
    }

    private static URI endpoint(Optional<String> text, List<String> problems) {
        URI nowhere = URI.create("https://localhost");
        String form = "expected http://host:port or https://host:port";
        if (text.isEmpty()) {
            problems.add(EnvironmentNames.ENDPOINT + " is missing; " + form);
            return nowhere;
        }
        URI uri;
        try {
            uri = new URI(text.get());
        } catch (URISyntaxException e) {
            problems.add(EnvironmentNames.ENDPOINT + ": " + form);
            return nowhere;
        }
        boolean plainPath = uri.getRawPath() == null
                || uri.getRawPath().isEmpty()
                || uri.getRawPath().equals("/");
        if (!(scheme(uri).equals("http") || scheme(uri).equals("https"))
                || uri.getHost() == null
                || uri.getRawUserInfo() != null
                || uri.getRawQuery() != null
                || uri.getRawFragment() != null
                || uri.getPort() > 65535
                || uri.getPort() == 0
                || !plainPath) {
            problems.add(EnvironmentNames.ENDPOINT + ": " + form);
            return nowhere;
        }
        if (scheme(uri).equals("http") && !isLoopback(host(uri))) {
            problems.add(EnvironmentNames.ENDPOINT
                    + ": plain http:// would show the token to the network; use https://, or a loopback address");
        }
        return uri;
    }

    private static String scheme(URI uri) {
        return uri.getScheme() == null ? "" : uri.getScheme().toLowerCase(Locale.ROOT);
    }

    private static String host(URI uri) {
        String host = uri.getHost();
        return host.startsWith("[") ? host.substring(1, host.length() - 1) : host.toLowerCase(Locale.ROOT);
    }

    private static boolean isLoopback(String host) {
        return host.equals("localhost")
                || host.equals("::1")
                || host.matches("127(\\.(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)){3}");
    }

    private static Optional<Path> file(Map<String, String> environment, String name, List<String> problems) {
        Optional<Path> file = value(environment, name).map(Path::of);
        if (file.isPresent() && !Files.isReadable(file.get())) {
            problems.add(name + ": " + file.get() + " cannot be read");
        }
        return file;
    }

    private static Optional<String> value(Map<String, String> environment, String name) {
        return Optional.ofNullable(environment.get(name)).map(String::strip).filter(text -> !text.isEmpty());
    }
}
