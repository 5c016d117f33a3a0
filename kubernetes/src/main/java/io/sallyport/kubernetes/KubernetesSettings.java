package io.sallyport.kubernetes;

import io.sallyport.base.settings.Settings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
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
 *   kubeconfig: /path                # left out: the pod's own ServiceAccount
 *   timeout: 2s
 *   concurrent: 16
 *   waiting: 512
 * </pre>
 *
 * @param kubeconfig how to reach the API server; empty for the way that every pod has
 * @param audience what a token must be for
 * @param namespaces where sandboxes run
 * @param accounts the names of the ServiceAccounts that sandboxes run as
 * @param requireOwner whether a pod must belong to a Sandbox resource that agrees
 * @param timeout how long one question to the API server may take, and how long a pod waits for its turn
 * @param concurrent how many pods are asked after at once
 * @param waiting how many more may wait for that
 */
public record KubernetesSettings(
        Optional<Path> kubeconfig,
        String audience,
        Namespaces namespaces,
        Set<String> accounts,
        boolean requireOwner,
        Duration timeout,
        int concurrent,
        int waiting) {
    private static final String DEFAULT_AUDIENCE = "openshell-gateway";

    /** Reads the section; every mistake is among the settings' problems. */
    public static KubernetesSettings read(Settings section) {
        Optional<Path> kubeconfig = kubeconfig(section);
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
                kubeconfig,
                audience,
                namespaces(section),
                accounts,
                section.bool("require-owner", true),
                section.duration("timeout", Duration.ofSeconds(2), Duration.ofMillis(50), Duration.ofSeconds(30)),
                section.integer("concurrent", 16, 1, 256),
                section.integer("waiting", 512, 1, 768));
    }

    private static Optional<Path> kubeconfig(Settings section) {
        Optional<Path> file = section.optionalPath("kubeconfig");
        if (file.isPresent() && !Files.isReadable(file.get())) {
            section.problem("kubeconfig", file.get() + " cannot be read");
        }
        return file;
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
