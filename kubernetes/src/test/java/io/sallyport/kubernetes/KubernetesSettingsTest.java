package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.client.Config;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.kubernetes.ClusterAccess.InCluster;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KubernetesSettingsTest {
    @TempDir
    Path directory;

    private KubernetesSettings read(String yaml) throws InvalidSettingsException {
        return read(yaml, Map.of("KUBERNETES_SERVICE_HOST", "10.0.0.1", "KUBERNETES_SERVICE_PORT", "443"));
    }

    private KubernetesSettings read(String yaml, Map<String, String> environment) throws InvalidSettingsException {
        Problems problems = new Problems();
        Settings settings = Settings.parse("test.yaml", yaml, problems);
        KubernetesSettings read = KubernetesSettings.read(settings, environment);
        settings.done();
        problems.throwIfAny();
        return read;
    }

    /** As the kubelet lays them out. */
    private InCluster pod() {
        try {
            Files.writeString(directory.resolve("token"), "ours");
            Files.writeString(directory.resolve("ca.crt"), "theirs");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new InCluster(directory, "10.0.0.1", "443");
    }

    @Test
    void theDefaultsAreStrict() throws InvalidSettingsException {
        InCluster pod = pod();
        assertThat(read("{namespaces: [one, two], accounts: [box], service-account: " + directory + "}"))
                .isEqualTo(new KubernetesSettings(
                        new ClusterSettings(pod, new Namespaces.Named(Set.of("one", "two")), Duration.ofSeconds(2)),
                        "openshell-gateway",
                        Set.of("box"),
                        true,
                        Duration.ofSeconds(10),
                        16,
                        512));
    }

    @Test
    void everythingCanBeSaid() throws InvalidSettingsException {
        Path kubeconfig = pod().directory().resolve("token");
        assertThat(read(
                        "{namespace-prefix: a-, accounts: [box], audience: us, require-owner: false, timeout: 5s, turn: 20s,"
                                + " concurrent: 3, waiting: 4, kubeconfig: " + kubeconfig + "}"))
                .isEqualTo(new KubernetesSettings(
                        new ClusterSettings(
                                new ClusterAccess.Kubeconfig(kubeconfig),
                                new Namespaces.Prefix("a-"),
                                Duration.ofSeconds(5)),
                        "us",
                        Set.of("box"),
                        false,
                        Duration.ofSeconds(20),
                        3,
                        4));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            {accounts: [box]}                                         | namespaces
            {namespaces: [], accounts: [box]}                         | namespaces
            {namespaces: [A_b], accounts: [box]}                      | namespaces
            {namespaces: [one], namespace-prefix: a-, accounts: [box]} | namespaces
            {namespace-prefix: a, accounts: [box]}                    | namespace-prefix
            {namespaces: [one]}                                       | accounts
            {namespaces: [one], accounts: []}                         | accounts
            {namespaces: [one], accounts: ["a:b"]}                    | accounts
            {namespaces: [one], accounts: [box], audience: " "}       | audience
            {namespaces: [one], accounts: [box], kubeconfig: /no/such} | kubeconfig
            {namespaces: [one], accounts: [box]}                      | service-account
            {namespaces: [one], accounts: [box], service-account: /no/such} | service-account
            {namespaces: [one], accounts: [box], kubeconfig: /etc/hostname, service-account: /etc} | service-account
            {namespaces: [one], accounts: [box], require_owner: false} | require_owner
            """)
    void mistakesAreNamed(String yaml, String key) {
        assertThatThrownBy(() -> read(yaml))
                .isInstanceOfSatisfying(
                        InvalidSettingsException.class,
                        e -> assertThat(e.problems()).anyMatch(problem -> problem.contains(key)));
    }

    @Test
    void outsideOfAClusterAKubeconfigIsNeeded() {
        assertThatThrownBy(() -> read("{namespaces: [one], accounts: [box]}", Map.of()))
                .isInstanceOfSatisfying(
                        InvalidSettingsException.class,
                        e -> assertThat(e.problems())
                                .singleElement()
                                .satisfies(problem ->
                                        assertThat(problem).contains("kubeconfig", "KUBERNETES_SERVICE_HOST")));
    }

    /** A client finds many things by itself; only what the settings name counts. */
    @Test
    void nothingElseIsLookedFor() {
        Config config = pod().config(Duration.ofSeconds(1));
        assertThat(config.getMasterUrl()).startsWith("https://10.0.0.1:443");
        assertThat(config.getOauthTokenProvider().getToken()).isEqualTo("ours");
        assertThat(config.getUsername()).isNull();
        assertThat(config.getContexts()).isEmpty();
        assertThat(new InCluster(directory, "fd00::1", "443")
                        .config(Duration.ofSeconds(1))
                        .getMasterUrl())
                .startsWith("https://[fd00::1]:443");
    }
}
