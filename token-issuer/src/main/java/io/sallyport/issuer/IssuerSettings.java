package io.sallyport.issuer;

import io.sallyport.base.net.Endpoint;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyWatch;
import io.sallyport.issuer.service.SandboxLimits;
import io.sallyport.issuer.store.PostgresSettings;
import io.sallyport.issuer.store.RefreshRules;
import io.sallyport.kubernetes.ClusterSettings;
import java.nio.file.Path;
import java.time.Duration;

/**
 * The issuer's settings, known to be usable together.
 *
 * @param gateway the gateway whose sandboxes are served
 * @param listeners where the issuer listens
 * @param store where the records are kept
 * @param records where records come from
 * @param keys the key directories
 * @param tokens how long tokens live
 * @param refresh when a token is exchanged for the next one
 * @param limits how often one sandbox may ask for tokens
 * @param auditFile where refusals and mints are written
 */
public record IssuerSettings(
        GatewayId gateway,
        Listeners listeners,
        Store store,
        Records records,
        Keys keys,
        Tokens tokens,
        RefreshRules refresh,
        SandboxLimits.Rates limits,
        Path auditFile) {
    private static final Duration SECOND = Duration.ofSeconds(1);

    /**
     * Where the issuer listens. TCP only on loopback: none of these listeners speaks TLS yet.
     *
     * @param envoy RefreshSandboxToken and IssueSandboxToken, behind Envoy
     * @param feed records, for ext-authz
     * @param registry who may exist, for the gateway, its driver and operators
     * @param http public keys and health
     */
    public record Listeners(Endpoint envoy, Endpoint feed, Endpoint.Unix registry, Endpoint.Tcp http) {}

    /** Where the records are kept. */
    public sealed interface Store {
        /**
         * In a SQLite file.
         *
         * @param file absolute
         * @param syncs whether a write is answered only once it is on the disk; otherwise a power cut takes back what was
         *     acknowledged, revocations among it
         */
        record Sqlite(Path file, boolean syncs) implements Store {}

        /** In a PostgreSQL database, which several issuers may use. */
        record Postgres(PostgresSettings settings) implements Store {}
    }

    /** Where records come from. */
    public sealed interface Records {
        /** From those who may call the registry. */
        record Registry() implements Records {}

        /** From them, and from the first token of each sandbox that an unchanged gateway minted. */
        record Adopt() implements Records {}

        /** From the Sandbox resources of a cluster, and from nobody else. */
        record Kubernetes(ClusterSettings cluster) implements Records {}
    }

    private enum RecordsFrom {
        REGISTRY,
        ADOPT,
        KUBERNETES
    }

    /**
     * The key directories.
     *
     * @param tokens its signing half signs sandbox tokens
     * @param assertion its public half verifies ext-authz's assertions
     * @param poll how often both are looked at
     * @param jwksMaxAge how long others may keep our published keys (RFC 9111, {@code max-age}); whole seconds
     */
    public record Keys(Path tokens, Path assertion, Duration poll, Duration jwksMaxAge) {}

    /**
     * How long tokens live.
     *
     * @param lifetime of a token made here; whole seconds
     * @param maxLifetime the longest that ext-authz and the gateway accept
     * @param leeway how far clocks may disagree
     */
    public record Tokens(Duration lifetime, Duration maxLifetime, Duration leeway) {}

    /** Reads and checks a settings file. */
    public static IssuerSettings load(Path file) throws InvalidSettingsException {
        Problems problems = new Problems();
        return read(Settings.load(file, problems), problems);
    }

    /** Checks settings that were read; every mistake is in the exception. */
    static IssuerSettings read(Settings settings, Problems problems) throws InvalidSettingsException {
        GatewayId gateway =
                settings.value("gateway-id", "1 to 128 of [A-Za-z0-9._-]", GatewayId::new, new GatewayId("missing"));

        Settings listen = settings.section("listen");
        Endpoint envoy = local(listen, "envoy");
        Endpoint feed = local(listen, "feed");
        Endpoint.Unix registry = registry(listen);
        Endpoint.Tcp http = http(listen);
        if (!problems.isEmpty()) {
            // Stand-ins are alike; comparing them would report what is not there.
        } else if (envoy.equals(feed) || envoy.equals(registry) || feed.equals(registry)) {
            listen.problem("envoy", "envoy, feed and registry each need an address of their own");
        }

        Store store = store(settings.section("store"));

        Records records = records(settings);

        Keys keys = keys(settings.section("keys"));

        Settings tokens = settings.section("tokens");
        Duration longest = Duration.ofDays(365);
        Duration maxLifetime = tokens.duration("max-lifetime", Duration.ofHours(24), SECOND, longest);
        Duration lifetime = tokens.duration("lifetime", Duration.ofHours(1), SECOND, longest);
        Duration leeway = tokens.duration("leeway", Duration.ofSeconds(60), Duration.ZERO, Duration.ofMinutes(10));
        if (lifetime.compareTo(maxLifetime) > 0) {
            tokens.problem("lifetime", "is longer than tokens.max-lifetime, so no token would be accepted");
        }
        if (lifetime.toMillis() % 1000 != 0) {
            tokens.problem("lifetime", "expected whole seconds: tokens count nothing smaller");
        }

        boolean endless = tokens.bool("allow-no-expiry", false);

        RefreshRules refresh = refresh(settings.section("refresh"), maxLifetime, leeway, endless);

        Settings limits = settings.section("limits");
        SandboxLimits.Rates rates = new SandboxLimits.Rates(
                limits.integer("requests-per-minute", 30, 1, 1_000_000),
                limits.integer("burst", 10, 1, 1_000_000),
                limits.integer("concurrent", 8, 1, 10_000));

        Settings audit = settings.section("audit");
        Path auditFile = absolute(audit, "file");

        settings.done();
        problems.throwIfAny();
        return new IssuerSettings(
                gateway,
                new Listeners(envoy, feed, registry, http),
                store,
                records,
                keys,
                new Tokens(lifetime, maxLifetime, leeway),
                refresh,
                rates,
                auditFile);
    }

    private static Records records(Settings settings) {
        RecordsFrom from = settings.choice("records", RecordsFrom.class, RecordsFrom.REGISTRY);
        if (from == RecordsFrom.KUBERNETES) {
            return new Records.Kubernetes(ClusterSettings.read(settings.section("kubernetes"), System.getenv()));
        }
        if (settings.has("kubernetes")) {
            settings.problem(
                    "kubernetes", "says where sandboxes come from, and nobody looks there; add records: kubernetes");
            settings.section("kubernetes").ignore();
        }
        return from == RecordsFrom.ADOPT ? new Records.Adopt() : new Records.Registry();
    }

    private static RefreshRules refresh(Settings refresh, Duration maxLifetime, Duration leeway, boolean endless) {
        return new RefreshRules(
                refresh.duration("renewal-window", Duration.ofHours(24), Duration.ZERO, Duration.ofDays(365)),
                refresh.duration("retry-grace", Duration.ofMinutes(2), Duration.ZERO, Duration.ofHours(1)),
                refresh.choice(
                        "bootstrap-reuse",
                        RefreshRules.BootstrapReuse.class,
                        RefreshRules.BootstrapReuse.RENEWAL_WINDOW),
                refresh.choice("on-reuse", RefreshRules.OnReuse.class, RefreshRules.OnReuse.REFUSE),
                refresh.integer("lineages", 8, 1, 1_000),
                maxLifetime,
                leeway,
                endless);
    }

    private static Keys keys(Settings keys) {
        Path tokens = absolute(keys, "tokens");
        Path assertion = absolute(keys, "assertion");
        Duration poll = keys.duration("poll", KeyWatch.DEFAULT_INTERVAL, Duration.ofMillis(10), Duration.ofMinutes(10));
        Duration maxAge = keys.duration("jwks-max-age", Duration.ofSeconds(60), Duration.ZERO, Duration.ofHours(24));
        if (maxAge.toMillis() % 1000 != 0) {
            keys.problem("jwks-max-age", "expected whole seconds: HTTP counts nothing smaller");
        }
        return new Keys(tokens, assertion, poll, maxAge);
    }

    private static Store store(Settings section) {
        if (!section.has("postgresql")) {
            return new Store.Sqlite(absolute(section, "sqlite"), !section.bool("unsafe-no-sync", false));
        }
        if (section.has("sqlite")) {
            section.problem("sqlite", "expected either sqlite or postgresql, found both");
        }
        return new Store.Postgres(PostgresSettings.read(section.section("postgresql")));
    }

    private static Endpoint local(Settings listen, String key) {
        Endpoint endpoint = listen.endpoint(key);
        if (endpoint instanceof Endpoint.Tcp tcp && !tcp.isLoopback()) {
            listen.problem(
                    key, tcp + " leaves this machine and would not be encrypted; use unix:/path or 127.0.0.1:port");
        }
        return endpoint;
    }

    private static Endpoint.Unix registry(Settings listen) {
        Endpoint.Unix standIn = new Endpoint.Unix(Path.of("/missing"));
        return switch (listen.value("registry", "unix:/path", Endpoint::parse, standIn)) {
            case Endpoint.Unix unix -> unix;
            case Endpoint.Tcp tcp -> {
                listen.problem("registry", tcp + " is open to every user of the machine; use unix:/path");
                yield standIn;
            }
        };
    }

    private static Endpoint.Tcp http(Settings listen) {
        Endpoint.Tcp standIn = new Endpoint.Tcp("localhost", 0);
        return switch (listen.endpoint("http")) {
            case Endpoint.Tcp tcp when tcp.isLoopback() -> tcp;
            case Endpoint.Tcp tcp -> {
                listen.problem("http", tcp + " leaves this machine and would not be encrypted; use 127.0.0.1:port");
                yield standIn;
            }
            case Endpoint.Unix unix -> {
                listen.problem("http", "expected host:port, found " + unix);
                yield standIn;
            }
        };
    }

    private static Path absolute(Settings section, String key) {
        Path path = section.path(key);
        if (!path.isAbsolute()) {
            section.problem(key, "expected an absolute path, found \"" + path + "\"");
        }
        return path;
    }
}
