package io.sallyport.kubernetes;

import io.sallyport.base.settings.Settings;
import java.time.Duration;
import java.util.Map;
import java.util.Set;

/**
 * How pods prove which sandbox they are; the {@code kubernetes:} section.
 *
 * <pre>
 * kubernetes:
 *   namespaces: [sandboxes]          # or: namespace-prefix: "gateway-"
 *   accounts: [openshell-sandbox]
 *   audience: openshell-gateway
 *   require-owner: true
 *   kubeconfig: /path                # or service-account: /directory; left out: as every pod in a cluster
 *   timeout: 2s
 *   turn: 10s
 *   concurrent: 16
 *   waiting: 512
 * </pre>
 *
 * @param cluster whom to ask, how long one question may take, and where sandboxes run
 * @param audience what a token must be for
 * @param accounts the names of the ServiceAccounts that sandboxes run as
 * @param requireOwner whether a pod must belong to a Sandbox resource that agrees
 * @param turn how long a pod waits until it is asked after
 * @param concurrent how many pods are asked after at once
 * @param waiting how many more may wait for that
 */
public record KubernetesSettings(
        ClusterSettings cluster,
        String audience,
        Set<String> accounts,
        boolean requireOwner,
        Duration turn,
        int concurrent,
        int waiting) {
    private static final String DEFAULT_AUDIENCE = "openshell-gateway";

    /**
     * Reads the section; every mistake is among the settings' problems.
     *
     * @param environment what every pod in a cluster finds there
     */
    public static KubernetesSettings read(Settings section, Map<String, String> environment) {
        ClusterSettings cluster = ClusterSettings.read(section, environment);
        String audience = section.string("audience", DEFAULT_AUDIENCE);
        if (audience.isBlank()) {
            section.problem("audience", "expected what the pods' tokens are for, such as " + DEFAULT_AUDIENCE);
        }
        Set<String> accounts = Set.copyOf(section.strings("accounts"));
        if (accounts.isEmpty()) {
            section.problem("accounts", "expected at least one, such as [openshell-sandbox]");
        }
        for (String account : accounts) {
            if (!account.matches("[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")) {
                section.problem("accounts", "\"" + account + "\" is no ServiceAccount's name");
            }
        }
        return new KubernetesSettings(
                cluster,
                audience,
                accounts,
                section.bool("require-owner", true),
                section.duration("turn", Duration.ofSeconds(10), Duration.ofMillis(50), Duration.ofSeconds(30)),
                section.integer("concurrent", 16, 1, 256),
                section.integer("waiting", 512, 1, 768));
    }
}
