package io.sallyport.envoyconfig;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** {@code envoy --mode validate} accepts what the program prints, whatever is switched on. */
class EnvoyValidateTest {
    @TempDir
    Path directory;

    enum ListenerTls {
        NONE,
        SERVER,
        CLIENT_CA
    }

    record Row(String preset, ListenerTls tls, boolean everything) {}

    static Stream<Row> rows() {
        List<Row> rows = new ArrayList<>();
        for (String preset : List.of("openshell-0.0", "openshell-0.1")) {
            for (ListenerTls tls : ListenerTls.values()) {
                rows.add(new Row(preset, tls, false));
                rows.add(new Row(preset, tls, true));
            }
        }
        return rows.stream();
    }

    @ParameterizedTest
    @MethodSource("rows")
    void envoyAcceptsTheConfiguration(Row row) throws Exception {
        Path envoy = EnvoyBinary.find();
        SettingsText settings = new SettingsText().with("policy", "{preset: " + row.preset + "}");
        String files = certificate();
        switch (row.tls) {
            case NONE -> {}
            case SERVER -> settings.with("listen", "0.0.0.0:8443").with("tls", "{" + files + "}");
            case CLIENT_CA ->
                settings.with("listen", "\"[::]:8443\"")
                        .with("tls", "{" + files + ", client-ca: " + directory.resolve("certificate.pem") + "}");
        }
        if (row.everything) {
            settings.with("admin", "127.0.0.1:0")
                    .with("strip-credentials", true)
                    .with("access-log", directory.resolve("access.log"))
                    .upstreams("unix:/run/a.sock", "issuer.example:443", "10.0.0.1:443")
                    .with(
                            "upstream-tls",
                            "{gateway: {ca: " + directory.resolve("certificate.pem") + ", server-name: gateway, "
                                    + files
                                    + "}, issuer: {ca: " + directory.resolve("certificate.pem")
                                    + ", server-name: issuer.example}}");
        }
        Path output = directory.resolve("envoy.yaml");

        assertThat(EnvoyConfigMain.run(
                        System.out,
                        System.err,
                        "generate",
                        "--config",
                        settings.write(directory).toString(),
                        "--output",
                        output.toString()))
                .isZero();

        assertThat(validate(envoy, output)).contains("configuration '" + output + "' OK");
    }

    private String certificate() throws Exception {
        X509Bundle bundle = new CertificateBuilder()
                .subject("CN=sallyport.test")
                .addSanDnsName("localhost")
                .setIsCertificateAuthority(true)
                .buildSelfSigned();
        Path certificate = Files.writeString(directory.resolve("certificate.pem"), bundle.getCertificatePathPEM());
        Path key = Files.writeString(directory.resolve("key.pem"), bundle.getPrivateKeyPEM());
        return "certificate: " + certificate + ", key: " + key;
    }

    private static String validate(Path envoy, Path configuration) throws IOException {
        Process process = new ProcessBuilder(
                        envoy.toString(),
                        "--mode",
                        "validate",
                        "--log-level",
                        "warning",
                        "-c",
                        configuration.toString())
                .redirectErrorStream(true)
                .start();
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
}
