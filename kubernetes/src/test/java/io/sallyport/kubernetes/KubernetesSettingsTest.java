package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KubernetesSettingsTest {
    private static KubernetesSettings read(String yaml) throws InvalidSettingsException {
        Problems problems = new Problems();
        Settings settings = Settings.parse("test.yaml", yaml, problems);
        KubernetesSettings read = KubernetesSettings.read(settings);
        settings.done();
        problems.throwIfAny();
        return read;
    }

    @Test
    void theDefaultsAreStrict() throws InvalidSettingsException {
        assertThat(read("{namespaces: [one, two], accounts: [box]}"))
                .isEqualTo(new KubernetesSettings(
                        Optional.empty(),
                        "openshell-gateway",
                        new Namespaces.Named(Set.of("one", "two")),
                        Set.of("box"),
                        true,
                        Duration.ofSeconds(2),
                        16,
                        512));
    }

    @Test
    void everythingCanBeSaid() throws InvalidSettingsException {
        assertThat(read("{namespace-prefix: a-, accounts: [box], audience: us, require-owner: false, timeout: 5s,"
                        + " concurrent: 3, waiting: 4}"))
                .isEqualTo(new KubernetesSettings(
                        Optional.empty(),
                        "us",
                        new Namespaces.Prefix("a-"),
                        Set.of("box"),
                        false,
                        Duration.ofSeconds(5),
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
            {namespaces: [one], accounts: [box], require_owner: false} | require_owner
            """)
    void mistakesAreNamed(String yaml, String key) {
        assertThatThrownBy(() -> read(yaml))
                .isInstanceOfSatisfying(
                        InvalidSettingsException.class,
                        e -> assertThat(e.problems()).anyMatch(problem -> problem.contains(key)));
    }
}
