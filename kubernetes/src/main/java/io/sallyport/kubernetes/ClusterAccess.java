package io.sallyport.kubernetes;

import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.sallyport.base.settings.Settings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/** How the API server is reached. Nothing else that a client might find (a {@code ~/.kube/config}, its variables) counts. */
public sealed interface ClusterAccess {
    /** What a kubeconfig says. */
    record Kubeconfig(Path file) implements ClusterAccess {}

    /**
     * As every pod in a cluster can: with its ServiceAccount.
     *
     * @param directory of the files {@code token}, which the kubelet replaces and which is read for every question, and
     *     {@code ca.crt}, which is read once
     * @param host of the API server
     * @param port of the API server
     */
    record InCluster(Path directory, String host, String port) implements ClusterAccess {
        static final Path DIRECTORY = Path.of("/var/run/secrets/kubernetes.io/serviceaccount");

        private String url() {
            return "https://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
        }

        private Path certificates() {
            return directory.resolve("ca.crt");
        }

        private Path tokenFile() {
            return directory.resolve("token");
        }

        private String token() {
            try {
                return Files.readString(tokenFile()).strip();
            } catch (IOException e) {
                throw new UncheckedIOException("our ServiceAccount's token cannot be read", e);
            }
        }
    }

    /**
     * Reads {@code kubeconfig} and {@code service-account}; every mistake is among the settings' problems.
     *
     * @param environment in which every pod has {@code KUBERNETES_SERVICE_HOST} and {@code …_PORT}
     */
    static ClusterAccess read(Settings section, Map<String, String> environment) {
        Optional<Path> kubeconfig = section.optionalPath("kubeconfig");
        Optional<Path> directory = section.optionalPath("service-account");
        if (kubeconfig.isPresent()) {
            if (directory.isPresent()) {
                section.problem("service-account", "stands beside kubeconfig; expected one of the two");
            }
            demandReadable(section, "kubeconfig", kubeconfig.get());
            return new Kubeconfig(kubeconfig.get());
        }
        InCluster access = new InCluster(
                directory.orElse(InCluster.DIRECTORY),
                environment.getOrDefault("KUBERNETES_SERVICE_HOST", ""),
                environment.getOrDefault("KUBERNETES_SERVICE_PORT", ""));
        if (access.host().isEmpty() || access.port().isEmpty()) {
            section.problem(
                    "kubeconfig",
                    "is missing, and this is no pod of a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are"
                            + " not set");
        } else {
            demandReadable(section, "service-account", access.tokenFile());
            demandReadable(section, "service-account", access.certificates());
        }
        return access;
    }

    private static void demandReadable(Settings section, String key, Path file) {
        if (!Files.isReadable(file)) {
            section.problem(key, file + " cannot be read");
        }
    }

    /**
     * How the client connects.
     *
     * @param timeout for a connection, and for an answer
     */
    default Config config(Duration timeout) {
        ConfigBuilder config = switch (this) {
            case Kubeconfig(Path file) -> new ConfigBuilder(Config.fromKubeconfig(file.toFile()));
            case InCluster pod ->
                new ConfigBuilder(Config.empty())
                        .withMasterUrl(pod.url())
                        .withCaCertFile(pod.certificates().toString())
                        .withOauthTokenProvider(pod::token);
        };
        return config.withHttp2Disable(true)
                .withConnectionTimeout((int) timeout.toMillis())
                .withRequestTimeout((int) timeout.toMillis())
                // A second try is the caller's business: it knows whether anybody waits for it.
                .withRequestRetryBackoffLimit(0)
                .build();
    }
}
