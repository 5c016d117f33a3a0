package io.sallyport.extauthz;

import io.sallyport.base.net.Endpoint;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.extauthz.Decisions.UserMethods;
import io.sallyport.extauthz.Freshness.WhenStale;
import io.sallyport.extauthz.guard.StreamLimits;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.KeyDirectory.Use;
import io.sallyport.identity.KeyWatch;
import io.sallyport.identity.SandboxTokenVerifier.Limits;
import io.sallyport.kubernetes.KubernetesSettings;
import io.sallyport.policy.AccessPolicy;
import io.sallyport.policy.MethodRule;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What {@code ext-authz.yaml} says, read and checked.
 *
 * @param gatewayId the gateway that tokens are for
 * @param listen where Envoy asks
 * @param policy the rules of all methods
 * @param tokenKeys key directory whose public half verifies sandbox tokens
 * @param assertionKeys key directory whose signing half signs assertions towards the issuer
 * @param keyPoll how often both are looked at
 * @param issuers replicas of the issuer, where the feed is listened to and records are asked for; tried in turn
 * @param issuerTimeout how long asking for a record may take
 * @param maxStaleness how long we go on without hearing from the issuer
 * @param whenStale what happens after that
 * @param tokens what a sandbox token may be like
 * @param renewalWindow how long after its end a token may still be shown to be renewed; the issuer decides
 * @param userMethods who may call the methods of users
 * @param developerUser the name of the user that a request without a credential belongs to, on the methods of users
 * @param stripCredentials whether {@code authorization} ends at Envoy
 * @param maxFailedCredentials bad credentials that one downstream connection may show within a minute before it is no
 *     longer verified for
 * @param kubernetes how pods prove which sandbox they are; empty when none can
 * @param streams how much of this process guarded streams may take
 * @param auditFile where refusals are written
 * @param metrics where numbers and the open streams are served, if anywhere
 */
record ExtAuthzSettings(
        GatewayId gatewayId,
        Endpoint listen,
        AccessPolicy policy,
        Path tokenKeys,
        Path assertionKeys,
        Duration keyPoll,
        List<Endpoint> issuers,
        Duration issuerTimeout,
        Duration maxStaleness,
        WhenStale whenStale,
        Limits tokens,
        Duration renewalWindow,
        UserMethods userMethods,
        Optional<String> developerUser,
        boolean stripCredentials,
        int maxFailedCredentials,
        Optional<KubernetesSettings> kubernetes,
        StreamLimits streams,
        Path auditFile,
        Optional<Endpoint.Tcp> metrics) {
    /** Below this, a feed that says something every second would be stale between two words. */
    private static final Duration SHORTEST_STALENESS = Duration.ofSeconds(3);

    /** The issuer gives the name of a deleted sandbox away a minute later. */
    private static final Duration LONGEST_STALENESS = Duration.ofMinutes(5);

    /**
     * Reads the file, and the policy and the keys that it names.
     *
     * @throws InvalidSettingsException naming everything that is wrong
     */
    static ExtAuthzSettings load(Path file) throws InvalidSettingsException {
        Problems problems = new Problems();
        Settings settings = Settings.load(file, problems);
        GatewayId gatewayId = settings.value("gateway-id", "the id of the gateway", GatewayId::new, new GatewayId("-"));
        Endpoint listen = local(settings, "listen");
        Optional<AccessPolicy> policy = AccessPolicy.read(settings.section("policy"));
        Settings keys = settings.section("keys");
        Path tokenKeys = keys(keys, "tokens", Use.VERIFY);
        Path assertionKeys = keys(keys, "assertion", Use.SIGN);
        Duration keyPoll =
                keys.duration("poll", KeyWatch.DEFAULT_INTERVAL, Duration.ofMillis(10), Duration.ofMinutes(10));
        List<Endpoint> issuers = issuers(settings);
        Duration issuerTimeout = settings.duration(
                "issuer-timeout", Duration.ofMillis(500), Duration.ofMillis(10), Duration.ofSeconds(5));
        Duration maxStaleness =
                settings.duration("max-staleness", LONGEST_STALENESS, SHORTEST_STALENESS, LONGEST_STALENESS);
        WhenStale whenStale = settings.choice("when-stale", WhenStale.class, WhenStale.DENY);
        Settings tokens = settings.section("tokens");
        Limits limits = new Limits(
                tokens.duration("max-lifetime", Duration.ofHours(24), Duration.ofSeconds(1), Duration.ofDays(366)),
                tokens.duration("leeway", Duration.ofSeconds(60), Duration.ZERO, Duration.ofMinutes(10)),
                tokens.bool("allow-no-expiry", false));
        Duration renewalWindow =
                tokens.duration("renewal-window", Duration.ofHours(24), Duration.ZERO, Duration.ofDays(366));
        UserMethods userMethods = settings.choice("user-methods", UserMethods.class, UserMethods.CLOSED);
        Optional<String> developerUser = settings.optionalString("developer-user");
        if (developerUser.isPresent() && developerUser.get().isBlank()) {
            settings.problem("developer-user", "expected a name; leave the key out to have no such user");
        }
        boolean stripCredentials = settings.bool("strip-credentials", false);
        int maxFailedCredentials = settings.integer("max-failed-credentials", 100, 1, 1_000_000);
        Optional<KubernetesSettings> kubernetes = settings.has("kubernetes")
                ? Optional.of(KubernetesSettings.read(settings.section("kubernetes"), System.getenv()))
                : Optional.empty();
        StreamLimits streams = streams(settings.section("streams"), policy);
        Path auditFile = settings.section("audit").path("file");
        Optional<Endpoint.Tcp> metrics = metrics(settings);
        settings.done();
        problems.throwIfAny();
        if (policy.isEmpty() || tokenKeys == null || assertionKeys == null) {
            throw new IllegalStateException("a part is missing and no problem says so");
        }
        return new ExtAuthzSettings(
                gatewayId,
                listen,
                policy.get(),
                tokenKeys,
                assertionKeys,
                keyPoll,
                issuers,
                issuerTimeout,
                maxStaleness,
                whenStale,
                limits,
                renewalWindow,
                userMethods,
                developerUser,
                stripCredentials,
                maxFailedCredentials,
                kubernetes,
                streams,
                auditFile,
                metrics);
    }

    /** Bytes of the largest message that a guarded stream may carry. */
    static int largestMessage(AccessPolicy policy) {
        return policy.rules().stream()
                .filter(rule -> rule.guarded() && !rule.messages().opaque())
                .mapToInt(MethodRule::messageLimit)
                .max()
                .orElse(0);
    }

    private static StreamLimits streams(Settings section, Optional<AccessPolicy> policy) {
        StreamLimits limits = new StreamLimits(
                section.integer("per-sandbox", 64, 1, 100_000),
                section.integer("total", 8192, 1, 1_000_000),
                section.bytes("unfinished", 32 << 20, 1 << 10, 1 << 30),
                maxAge(section));
        int largest = policy.map(ExtAuthzSettings::largestMessage).orElse(0);
        if (limits.unfinishedPerSandbox() < largest) {
            section.problem(
                    "unfinished",
                    "is too small: a sandbox may have a quarter of it, and the policy allows messages of " + largest
                            + " bytes (message-limit); expected at least " + 4L * largest + "B");
        }
        return limits;
    }

    private static Optional<Duration> maxAge(Settings section) {
        return section.string("max-age", "off").equals("off")
                ? Optional.empty()
                : Optional.of(
                        section.duration("max-age", Duration.ofDays(1), Duration.ofSeconds(1), Duration.ofDays(366)));
    }

    private static List<Endpoint> issuers(Settings settings) {
        if (!settings.has("issuers")) {
            return List.of(local(settings, "issuer"));
        }
        if (settings.has("issuer")) {
            settings.problem("issuers", "stands beside issuer; name one issuer or a list of issuers, not both");
            local(settings, "issuer");
        }
        List<Endpoint> endpoints = new ArrayList<>();
        for (String text : settings.strings("issuers")) {
            try {
                Endpoint endpoint = Endpoint.parse(text);
                demandLocal(settings, "issuers", endpoint);
                if (endpoints.contains(endpoint)) {
                    settings.problem("issuers", endpoint + " is named twice");
                }
                endpoints.add(endpoint);
            } catch (IllegalArgumentException e) {
                settings.problem("issuers", String.valueOf(e.getMessage()));
            }
        }
        if (endpoints.isEmpty()) {
            settings.problem("issuers", "expected at least one, such as [\"unix:/run/sallyport/feed.sock\"]");
        }
        return List.copyOf(endpoints);
    }

    private static Optional<Endpoint.Tcp> metrics(Settings settings) {
        return switch (settings.optionalEndpoint("metrics").orElse(null)) {
            case Endpoint.Tcp tcp when tcp.isLoopback() -> Optional.of(tcp);
            case Endpoint.Tcp tcp -> {
                settings.problem("metrics", tcp + " leaves this machine; expected a loopback address, 127.0.0.1:port");
                yield Optional.empty();
            }
            case Endpoint.Unix unix -> {
                settings.problem("metrics", "expected 127.0.0.1:port, found " + unix);
                yield Optional.empty();
            }
            case null -> Optional.empty();
        };
    }

    private static Endpoint local(Settings settings, String key) {
        Endpoint endpoint = settings.endpoint(key);
        demandLocal(settings, key, endpoint);
        return endpoint;
    }

    private static void demandLocal(Settings settings, String key, Endpoint endpoint) {
        if (endpoint instanceof Endpoint.Tcp tcp && !tcp.isLoopback()) {
            settings.problem(key, "expected a Unix socket or a loopback address: what passes here is not encrypted");
        }
    }

    /** A key directory that can be used at this moment. */
    private static @Nullable Path keys(Settings keys, String key, Use use) {
        if (!keys.has(key)) {
            keys.problem(key, "is missing; expected the path of a key directory");
            return null;
        }
        Path directory = keys.path(key);
        try {
            var _ = KeyDirectory.read(directory, use);
        } catch (IOException e) {
            keys.problem(key, String.valueOf(e.getMessage()));
        }
        return directory;
    }
}
