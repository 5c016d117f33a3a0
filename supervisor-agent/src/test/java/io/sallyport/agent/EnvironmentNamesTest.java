package io.sallyport.agent;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class EnvironmentNamesTest {
    @Test
    void theNamesAreThePublishedOnes() {
        assertThat(EnvironmentNames.NEVER_IN_CHILDREN)
                .containsExactlyInAnyOrder(
                        "OPENSHELL_SANDBOX_TOKEN",
                        "OPENSHELL_SANDBOX_TOKEN_FILE",
                        "OPENSHELL_K8S_SA_TOKEN_FILE",
                        "OPENSHELL_TLS_CA",
                        "OPENSHELL_TLS_CERT",
                        "OPENSHELL_TLS_KEY");
    }

    @Test
    void aChildInheritsNoneOfThemAndKeepsTheRest() throws Exception {
        ProcessBuilder child = new ProcessBuilder("env");
        EnvironmentNames.NEVER_IN_CHILDREN.forEach(name -> child.environment().put(name, "secret-" + name));
        child.environment().put("OPENSHELL_SANDBOX_ID", "alpha");

        Process process = EnvironmentNames.withoutCredentials(child).start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertThat(process.waitFor()).isZero();
        assertThat(printed).contains("OPENSHELL_SANDBOX_ID=alpha").doesNotContain("secret-");
    }
}
