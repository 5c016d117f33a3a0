package io.sallyport.kubernetes;

import io.sallyport.base.settings.Settings;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * The cluster, and where in it sandboxes run: what every program that asks it has to know.
 *
 * <pre>
 * kubernetes:
 *   namespaces: [sandboxes]          # or: namespace-prefix: "gateway-"
 *   kubeconfig: /path                # or service-account: /directory; left out: as every pod in a cluster
 *   timeout: 2s
 * </pre>
 *
 * @param access how to reach the API server
 * @param namespaces where sandboxes run
 * @param timeout how long one question to the API server may take
 */
public record ClusterSettings(ClusterAccess access, Namespaces namespaces, Duration timeout) {
    public ClusterSettings {
        Objects.requireNonNull(access, "access is null");
        Objects.requireNonNull(namespaces, "namespaces is null");
        Objects.requireNonNull(timeout, "timeout is null");
    }

    /**
     * Reads these keys of a section; every mistake is among the settings' problems.
     *
     * @param environment what every pod in a cluster finds there
     */
    public static ClusterSettings read(Settings section, Map<String, String> environment) {
        return new ClusterSettings(
                ClusterAccess.read(section, environment),
                namespaces(section),
                section.duration("timeout", Duration.ofSeconds(2), Duration.ofMillis(50), Duration.ofSeconds(30)));
    }

    private static Namespaces namespaces(Settings section) {
        Namespaces standIn = Namespaces.exactly("missing");
        if (section.has("namespace-prefix")) {
            if (section.has("namespaces")) {
                section.problem("namespaces", "stands beside namespace-prefix; expected one of the two");
                section.strings("namespaces");
            }
            return section.value(
                    "namespace-prefix", "a prefix that ends with a hyphen", Namespaces.Prefix::new, standIn);
        }
        List<String> names = section.strings("namespaces");
        try {
            return Namespaces.anyOf(names);
        } catch (IllegalArgumentException e) {
            section.problem("namespaces", e.getMessage() + "; expected a list such as [sandboxes]");
            return standIn;
        }
    }
}
