package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.sallyport.base.net.Endpoint;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.identity.GatewayId;
import io.sallyport.issuer.IssuerSettings.Records;
import io.sallyport.issuer.service.SandboxLimits;
import io.sallyport.issuer.store.PostgresSettings;
import io.sallyport.issuer.store.RefreshRules;
import io.sallyport.kubernetes.ClusterAccess;
import io.sallyport.kubernetes.ClusterSettings;
import io.sallyport.kubernetes.Namespaces;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every setting is read, has its default, and is refused with a remedy when it is wrong. */
class IssuerSettingsTest {
    private static final String GOOD = """
            gateway-id: local
            listen:
              envoy: unix:/run/s/issuer.sock
              feed: 127.0.0.1:7001
              registry: unix:/run/s/registry.sock
              http: 127.0.0.1:8081
            store: {sqlite: /var/lib/s/issuer.db}
            keys: {tokens: /etc/s/jwt, assertion: /etc/s/assertion, poll: 3s, jwks-max-age: 5m}
            tokens: {lifetime: 30m, max-lifetime: 12h, leeway: 5s}
            refresh: {renewal-window: 2h, retry-grace: 1m, bootstrap-reuse: never, on-reuse: revoke-lineage, lineages: 2}
            limits: {requests-per-minute: 60, burst: 5, concurrent: 3}
            audit: {file: /var/log/s/audit.jsonl}
            """;

    @Test
    void readsEverySetting() throws Exception {
        assertThat(read(GOOD))
                .isEqualTo(new IssuerSettings(
                        new GatewayId("local"),
                        new IssuerSettings.Listeners(
                                new Endpoint.Unix(Path.of("/run/s/issuer.sock")),
                                new Endpoint.Tcp("127.0.0.1", 7001),
                                new Endpoint.Unix(Path.of("/run/s/registry.sock")),
                                new Endpoint.Tcp("127.0.0.1", 8081)),
                        new IssuerSettings.Store.Sqlite(Path.of("/var/lib/s/issuer.db"), true),
                        new Records.Registry(),
                        new IssuerSettings.Keys(
                                Path.of("/etc/s/jwt"),
                                Path.of("/etc/s/assertion"),
                                Duration.ofSeconds(3),
                                Duration.ofMinutes(5)),
                        new IssuerSettings.Tokens(Duration.ofMinutes(30), Duration.ofHours(12), Duration.ofSeconds(5)),
                        new RefreshRules(
                                Duration.ofHours(2),
                                Duration.ofMinutes(1),
                                RefreshRules.BootstrapReuse.NEVER,
                                RefreshRules.OnReuse.REVOKE_LINEAGE,
                                2,
                                Duration.ofHours(12),
                                Duration.ofSeconds(5),
                                false),
                        new SandboxLimits.Rates(60, 5, 3),
                        Path.of("/var/log/s/audit.jsonl")));
    }

    @Test
    void sandboxesAreAdoptedOnlyWhereThatIsSaid() throws Exception {
        assertThat(read(GOOD).records()).isEqualTo(new Records.Registry());
        assertThat(read(GOOD + "records: registry\n").records()).isEqualTo(new Records.Registry());
        assertThat(read(GOOD + "records: adopt\n").records()).isEqualTo(new Records.Adopt());
        assertThat(catchThrowableOfType(InvalidSettingsException.class, () -> read(GOOD + "records: everybody\n"))
                        .problems())
                .anyMatch(problem -> problem.contains("records"));
    }

    @Test
    void sandboxesComeFromAClusterOnlyWhereThatIsSaid(@TempDir Path directory) throws Exception {
        Path kubeconfig = Files.writeString(directory.resolve("kubeconfig"), "");
        assertThat(read(GOOD + """
                        records: kubernetes
                        kubernetes: {namespace-prefix: team-, timeout: 5s, kubeconfig: %s}
                        """.formatted(kubeconfig)).records())
                .isEqualTo(new Records.Kubernetes(new ClusterSettings(
                        new ClusterAccess.Kubeconfig(kubeconfig),
                        new Namespaces.Prefix("team-"),
                        Duration.ofSeconds(5))));
        assertThat(catchThrowableOfType(InvalidSettingsException.class, () -> read(GOOD + """
                                        records: kubernetes
                                        kubernetes: {timeout: never, audience: us}
                                        """))
                        .problems())
                .as("all at once, and what only ext-authz has is not for here")
                .anyMatch(problem -> problem.contains("kubernetes.namespaces"))
                .anyMatch(problem -> problem.contains("kubernetes.timeout"))
                .anyMatch(problem -> problem.contains("kubernetes.audience: unknown key"));
        assertThat(catchThrowableOfType(
                                InvalidSettingsException.class,
                                () -> read(GOOD + "kubernetes: {namespaces: [sandboxes]}\n"))
                        .problems())
                .singleElement()
                .asString()
                .contains("add records: kubernetes");
        assertThat(catchThrowableOfType(InvalidSettingsException.class, () -> read(GOOD + "records: kubernetes\n"))
                        .problems())
                .anyMatch(problem -> problem.contains("kubernetes.namespaces"))
                .anyMatch(problem -> problem.contains("kubernetes.kubeconfig: is missing"));
    }

    @Test
    void tokensWithoutAnEndAreThereOnlyWhereThatIsSaid() throws Exception {
        assertThat(read(GOOD).refresh().endless()).isFalse();
        assertThat(read(GOOD.replaceFirst("(?m)^tokens: \\{", "tokens: {allow-no-expiry: true, "))
                        .refresh()
                        .endless())
                .isTrue();
    }

    @Test
    void livesHaveDefaults() throws Exception {
        assertThat(read(GOOD.replaceAll("(?m)^tokens: .*\n", "")).tokens())
                .isEqualTo(
                        new IssuerSettings.Tokens(Duration.ofHours(1), Duration.ofHours(24), Duration.ofSeconds(60)));
    }

    @Test
    void renewalAndLimitsHaveDefaults() throws Exception {
        IssuerSettings settings = read(GOOD.replaceAll("(?m)^(refresh|limits|tokens): .*\n", ""));

        assertThat(settings.refresh())
                .isEqualTo(new RefreshRules(
                        Duration.ofHours(24),
                        Duration.ofMinutes(2),
                        RefreshRules.BootstrapReuse.RENEWAL_WINDOW,
                        RefreshRules.OnReuse.REFUSE,
                        8,
                        Duration.ofHours(24),
                        Duration.ofSeconds(60),
                        false));
        assertThat(settings.limits()).isEqualTo(new SandboxLimits.Rates(30, 10, 8));
    }

    @Test
    void keysAreLookedAtEveryTenSecondsAndKeptByOthersForAMinute() throws Exception {
        IssuerSettings.Keys keys =
                read(GOOD.replace(", poll: 3s, jwks-max-age: 5m", "")).keys();

        assertThat(keys.poll()).isEqualTo(Duration.ofSeconds(10));
        assertThat(keys.jwksMaxAge()).isEqualTo(Duration.ofSeconds(60));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "gateway-id: local              | gateway-id: a b                | 1 to 128",
                "feed: 127.0.0.1:7001           | feed: 0.0.0.0:7001             | leaves this machine",
                "envoy: unix:/run/s/issuer.sock | envoy: example.org:1           | leaves this machine",
                "envoy: unix:/run/s/issuer.sock | envoy: unix:issuer.sock        | absolute",
                "registry: unix:/run/s/registry.sock | registry: 127.0.0.1:1      | use unix:/path",
                "http: 127.0.0.1:8081           | http: 10.0.0.1:8081            | leaves this machine",
                "http: 127.0.0.1:8081           | http: unix:/run/s/http.sock    | expected host:port",
                "sqlite: /var/lib/s/issuer.db   | sqlite: issuer.db              | expected an absolute path",
                "tokens: /etc/s/jwt             | tokens: jwt                    | expected an absolute path",
                "lifetime: 30m                  | lifetime: 13h                  | longer than tokens.max-lifetime",
                "lifetime: 30m                  | lifetime: 1500ms               | whole seconds",
                "lifetime: 30m                  | lifetime: 0s                   | expected 1s to",
                "leeway: 5s                     | leeway: 1h                     | expected 0s to 600s",
                "leeway: 5s                     | leway: 5s                      | did you mean",
                "audit: {file:                  | audit: {path:                  | is missing",
                "feed: 127.0.0.1:7001           | feed: unix:/run/s/issuer.sock  | an address of their own",
            })
    void refusesWithARemedy(String good, String bad, String expected) {
        assertThat(GOOD).contains(good);
        InvalidSettingsException refused =
                catchThrowableOfType(InvalidSettingsException.class, () -> read(GOOD.replace(good, bad)));
        assertThat(refused.problems()).anySatisfy(problem -> assertThat(problem).contains(expected));
    }

    @Test
    void reportsEveryMistakeAtOnce() {
        InvalidSettingsException refused = catchThrowableOfType(
                InvalidSettingsException.class, () -> read("gateway-id: a/b\nlisten: {http: 1.2.3.4:5}\nsalt: 1\n"));
        assertThat(refused.problems()).hasSizeGreaterThan(7);
        assertThat(String.join("\n", refused.problems()))
                .contains("gateway-id", "listen.envoy", "listen.feed", "listen.registry", "listen.http")
                .contains("store.sqlite", "keys.tokens", "keys.assertion", "audit.file", "salt: unknown key");
    }

    private static final String POSTGRESQL = "postgresql: {host: db.example.org, port: 5433, database: sallyport,"
            + " user: issuer, password-file: /etc/s/password, ca: /etc/s/ca.pem, connections: 6}";

    @Test
    void theStoreMayBePostgresql() throws Exception {
        assertThat(read(withStore(POSTGRESQL)).store())
                .isEqualTo(new IssuerSettings.Store.Postgres(new PostgresSettings(
                        List.of("db.example.org"),
                        5433,
                        "sallyport",
                        "issuer",
                        Optional.of(Path.of("/etc/s/password")),
                        Optional.of(Path.of("/etc/s/ca.pem")),
                        6)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "host: localhost                      | false",
                "host: 127.0.0.1                      | false",
                "host: '::1'                          | false",
                "host: localhost, ca: /ca.pem         | true",
                "host: db.example.org                 | true",
                "host: 10.0.0.1                       | true",
                "host: localhost.example.org          | true",
                "hosts: [127.0.0.1, db.example.org]   | true",
            })
    void whatLeavesTheMachineIsEncrypted(String host, boolean verified) throws Exception {
        IssuerSettings settings = read(withStore("postgresql: {" + host + ", database: d, user: u}"));

        assertThat(((IssuerSettings.Store.Postgres) settings.store()).settings().verifiesServer())
                .isEqualTo(verified);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "host: db.example.org | host: /run/postgresql         | the driver cannot use; use 127.0.0.1",
                "host: db.example.org | hosts: []                     | a list of hosts that is not empty",
                "host: db.example.org | 'hosts: [a], host: b'         | expected either host or a list",
                "host: db.example.org | host: db/other?ssl=false      | expected a host name",
                "host: db.example.org, |                              | store.postgresql.host",
                "port: 5433           | port: 70000                   | expected 1 to 65535",
                "/etc/s/password      | password                      | expected an absolute path",
                "/etc/s/ca.pem        | ca.pem                        | expected an absolute path",
                "password-file: /etc/s/password | password: secret    | unknown key",
                "connections: 6       | connections: 2                | expected 3 to 200",
                "connections: 6}      | 'connections: 6}, sqlite: /x' | expected either sqlite or postgresql",
            })
    void refusesAPostgresqlThatIsNotUsable(String good, @Nullable String bad, String expected) {
        assertThat(POSTGRESQL).contains(good);
        InvalidSettingsException refused = catchThrowableOfType(
                InvalidSettingsException.class,
                () -> read(withStore(POSTGRESQL.replace(good, bad == null ? "" : bad))));

        assertThat(refused.problems()).anySatisfy(problem -> assertThat(problem).contains(expected));
        assertThat(refused.problems())
                .noneSatisfy(problem -> assertThat(problem).contains("secret"));
    }

    private static String withStore(String store) {
        return GOOD.replace("store: {sqlite: /var/lib/s/issuer.db}", "store: {" + store + "}");
    }

    private static IssuerSettings read(String yaml) throws InvalidSettingsException {
        Problems problems = new Problems();
        return IssuerSettings.read(Settings.parse("issuer.yaml", yaml, problems), problems);
    }
}
