package io.sallyport.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GatewaySettingsTest {
    @TempDir
    Path temp;

    @ParameterizedTest
    @CsvSource({
        "http://127.0.0.1:8080,      127.0.0.1,      8080, false",
        "http://localhost:8080/,     localhost,      8080, false",
        "http://LOCALHOST:8080,      localhost,      8080, false",
        "http://[::1]:8080,          ::1,            8080, false",
        "HTTP://127.9.9.9,           127.9.9.9,      80,   false",
        "https://gateway.example,    gateway.example, 443, true",
        "https://gateway.example:17, gateway.example, 17,  true",
        "https://10.0.0.1:17,        10.0.0.1,        17,  true",
    })
    void endpoints(String endpoint, String host, int port, boolean tls) throws Exception {
        GatewaySettings settings = GatewaySettings.fromEnvironment(Map.of("OPENSHELL_ENDPOINT", endpoint));

        assertThat(settings.host()).isEqualTo(host);
        assertThat(settings.port()).isEqualTo(port);
        assertThat(settings.tls().isPresent()).isEqualTo(tls);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://gateway.example:8080",
                "http://10.0.0.1:8080",
                "http://0.0.0.0:8080",
                "http://127.0.0.1.evil.example",
                "http://localhost.evil.example",
                "http://[::2]:8080",
            })
    void plainTextToAnotherMachineIsRefused(String endpoint) {
        assertThatThrownBy(() -> GatewaySettings.fromEnvironment(Map.of("OPENSHELL_ENDPOINT", endpoint)))
                .isInstanceOf(AgentSettingsException.class)
                .hasMessageContainingAll("OPENSHELL_ENDPOINT", "use https://");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "localhost:8080",
                "127.0.0.1",
                "unix:/x",
                "ftp://localhost",
                "http://",
                "http://localhost:x",
                "http://localhost:0",
                "http://127.0.0.256:80",
                "http://localhost:70000",
                "http://user:secret@localhost",
                "http://localhost/path",
                "http://localhost?q",
                "http://localhost#f",
                "http://a b",
                "//localhost",
            })
    void whatIsNoEndpoint(String endpoint) {
        assertThatThrownBy(() -> GatewaySettings.fromEnvironment(Map.of("OPENSHELL_ENDPOINT", endpoint)))
                .isInstanceOf(AgentSettingsException.class)
                .hasMessageContainingAll("OPENSHELL_ENDPOINT", "expected http://host:port or https://host:port")
                .message()
                .doesNotContain("secret");
    }

    @Test
    void everyMistakeAtOnce() {
        assertThatThrownBy(() -> GatewaySettings.fromEnvironment(Map.of(
                        "OPENSHELL_TLS_CA", temp.resolve("no-ca").toString(),
                        "OPENSHELL_TLS_CERT", temp.toString(),
                        "OPENSHELL_SANDBOX_ID", "a/b")))
                .isInstanceOfSatisfying(
                        AgentSettingsException.class,
                        e -> assertThat(e.problems())
                                .satisfiesExactly(
                                        endpoint -> assertThat(endpoint).startsWith("OPENSHELL_ENDPOINT is missing"),
                                        ca -> assertThat(ca).contains("OPENSHELL_TLS_CA", "no-ca"),
                                        pair -> assertThat(pair).contains("OPENSHELL_TLS_CERT", "OPENSHELL_TLS_KEY"),
                                        id -> assertThat(id).contains("OPENSHELL_SANDBOX_ID")));
    }

    @Test
    void everythingSet() throws Exception {
        Path ca = Files.createFile(temp.resolve("ca"));
        Path cert = Files.createFile(temp.resolve("cert"));
        Path key = Files.createFile(temp.resolve("key"));
        Map<String, String> environment = new HashMap<>(Map.of(
                "OPENSHELL_ENDPOINT", "https://10.0.0.1:443",
                "OPENSHELL_TLS_CA", ca.toString(),
                "OPENSHELL_TLS_CERT", cert.toString(),
                "OPENSHELL_TLS_KEY", key.toString(),
                "OPENSHELL_GATEWAY_TLS_SERVER_NAME", "gateway.example",
                "OPENSHELL_SANDBOX_ID", "sb-1",
                "OPENSHELL_SANDBOX", "alpha"));

        assertThat(GatewaySettings.fromEnvironment(environment))
                .isEqualTo(new GatewaySettings(
                        "10.0.0.1",
                        443,
                        Optional.of(new GatewaySettings.Tls(
                                Optional.of(ca),
                                Optional.of(new GatewaySettings.ClientCertificate(cert, key)),
                                Optional.of("gateway.example"))),
                        Optional.of("sb-1"),
                        Optional.of("alpha")));
    }
}
