package io.sallyport.envoyconfig;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class EnvoyConfigSettingsTest {
    @TempDir
    Path directory;

    /** A key set wrong, and words of the complaint. */
    record Mistake(String key, String value, List<String> words) {
        Mistake(String key, String value, String... words) {
            this(key, value, List.of(words));
        }
    }

    static Stream<Mistake> mistakes() {
        return Stream.of(
                new Mistake("gateway-id", "a/b", "gateway-id", "A-Za-z0-9"),
                new Mistake("listen", "0.0.0.0:8080", "listen", "not on loopback", "tls", "listen-plaintext"),
                new Mistake("listen", "\"[::]:8080\"", "listen", "not on loopback"),
                new Mistake("listen", "127.0.0.1.example.com:8080", "listen", "IP address"),
                new Mistake("listen", "envoy:8080", "listen", "IP address"),
                new Mistake("listen", "8080", "listen", "unix:/path or host:port"),
                new Mistake("policy", "{preset: openshell-9}", "policy", "openshell-0.0"),
                new Mistake("policy", "{rules: /nowhere}", "/nowhere", "does it exist"),
                new Mistake("admin", "0.0.0.0:9901", "admin", "stop Envoy"),
                new Mistake("admin", "10.1.2.3:9901", "admin", "stop Envoy"),
                new Mistake("admin", "on", "admin", "host:port"),
                new Mistake("tls", "{certificate: /nowhere/c.pem, key: /nowhere/k.pem}", "tls.key", "/nowhere/k.pem"),
                new Mistake("tls", "{key: /etc/hostname}", "tls.certificate", "missing"),
                new Mistake("tls", "{certificate: /etc, key: /etc}", "tls.key", "not a file"),
                new Mistake(
                        "upstreams",
                        "{ext-authz: \"10.0.0.1:1\", issuer: \"unix:/i\", gateway: \"unix:/g\"}",
                        "upstreams.ext-authz",
                        "upstream-tls.ext-authz"),
                new Mistake(
                        "upstreams",
                        "{ext-authz: \"unix:/a\", issuer: \"unix:/i\", gateway: \"gateway.example:9090\"}",
                        "upstreams.gateway",
                        "not on loopback"),
                new Mistake(
                        "upstreams",
                        "{ext-authz: \"unix:/a\", issuer: \"unix:/i\", gateway: \"127.0.0.1:0\"}",
                        "upstreams.gateway",
                        "port 0"),
                new Mistake(
                        "upstreams", "{ext-authz: \"unix:a\", issuer: \"unix:/i\", gateway: \"unix:/g\"}", "absolute"),
                new Mistake("upstreams", "{ext-authz: \"unix:/a\"}", "upstreams.gateway", "missing"),
                new Mistake("limits", "{streams-per-connection: 101}", "limits.streams-per-connection", "1 to 100"),
                new Mistake("limits", "{connections: 0}", "limits.connections"),
                new Mistake("limits", "{heap: 1MiB}", "limits.heap"),
                new Mistake("limits", "{authorization: 1h}", "limits.authorization"),
                new Mistake("limits", "{pod-authorization: 2m}", "limits.pod-authorization"),
                new Mistake("limits", "{pod-authorization-requests: 1024}", "limits.pod-authorization-requests"),
                new Mistake("limits", "{header-bytes: 1MiB}", "limits.header-bytes"),
                new Mistake("limits", "{stream-per-connection: 1}", "did you mean \"streams-per-connection\""),
                new Mistake("strip-credentials", "maybe", "strip-credentials", "true or false"),
                new Mistake("strip-credential", "true", "did you mean \"strip-credentials\""),
                new Mistake("upstream-tls", "{gatewy: {ca: /etc/hostname, server-name: x}}", "gatewy", "unknown key"));
    }

    @ParameterizedTest
    @MethodSource("mistakes")
    void aMistakeIsNamedWithWhatWouldBeRight(Mistake mistake) {
        assertThat(new SettingsText().with(mistake.key, mistake.value).problems(directory))
                .as("%s: %s", mistake.key, mistake.value)
                .anySatisfy(problem -> assertThat(problem).contains(mistake.words));
    }

    @Test
    void allMistakesAreNamedAtOnce() {
        assertThat(new SettingsText()
                        .without("gateway-id")
                        .with("listen", "0.0.0.0:1")
                        .with("admin", "0.0.0.0:2")
                        .with("policy", "{preset: nothing}")
                        .with("limits", "{heap: 1}")
                        .with("what", "this")
                        .problems(directory))
                .hasSize(6);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"127.0.0.1:8080", "127.0.0.1:0", "localhost:8080", "\"[::1]:8080\"", "\"unix:/run/e.sock\""})
    void plaintextIsForLoopback(String listen) {
        assertThat(new SettingsText().with("listen", listen).problems(directory))
                .isEmpty();
    }

    @Test
    void plaintextElsewhereHasToBeSaid() {
        assertThat(new SettingsText()
                        .with("listen", "0.0.0.0:8080")
                        .with("listen-plaintext", true)
                        .problems(directory))
                .isEmpty();
    }
}
