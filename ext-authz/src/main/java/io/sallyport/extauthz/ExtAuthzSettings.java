package io.sallyport.extauthz;

import io.sallyport.base.net.Endpoint;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.extauthz.Decisions.UserMethods;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.KeyDirectory.Use;
import io.sallyport.identity.KeyWatch;
import io.sallyport.identity.SandboxTokenVerifier.Limits;
import io.sallyport.policy.AccessPolicy;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
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
 * @param issuer where records are asked for
 * @param issuerTimeout how long that may take
 * @param recordTtl how long a record is believed, at most 5 s: a stopped or deleted sandbox is out after that time
 * @param tokens what a sandbox token may be like
 * @param userMethods who may call the methods of users
 * @param developerUser the name of the user that a request without a credential belongs to, on the methods of users
 * @param stripCredentials whether {@code authorization} ends at Envoy
 * @param maxFailedCredentials bad credentials that one downstream connection may show within a minute before it is no
 *     longer verified for
 * @param auditFile where refusals are written
 */
record ExtAuthzSettings(
        GatewayId gatewayId,
        Endpoint listen,
        AccessPolicy policy,
        Path tokenKeys,
        Path assertionKeys,
        Duration keyPoll,
        Endpoint issuer,
        Duration issuerTimeout,
        Duration recordTtl,
        Limits tokens,
        UserMethods userMethods,
        Optional<String> developerUser,
        boolean stripCredentials,
        int maxFailedCredentials,
        Path auditFile) {
    private static final Duration MAX_RECORD_TTL = Duration.ofSeconds(5);

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
        Endpoint issuer = local(settings, "issuer");
        Duration issuerTimeout = settings.duration(
                "issuer-timeout", Duration.ofMillis(500), Duration.ofMillis(10), Duration.ofSeconds(5));
        Duration recordTtl = settings.duration("record-ttl", MAX_RECORD_TTL, Duration.ofMillis(10), MAX_RECORD_TTL);
        Settings tokens = settings.section("tokens");
        Limits limits = new Limits(
                tokens.duration("max-lifetime", Duration.ofHours(24), Duration.ofSeconds(1), Duration.ofDays(366)),
                tokens.duration("leeway", Duration.ofSeconds(60), Duration.ZERO, Duration.ofMinutes(10)),
                tokens.bool("allow-no-expiry", false));
        UserMethods userMethods = settings.choice("user-methods", UserMethods.class, UserMethods.CLOSED);
        Optional<String> developerUser = settings.optionalString("developer-user");
        if (developerUser.isPresent() && developerUser.get().isBlank()) {
            settings.problem("developer-user", "expected a name; leave the key out to have no such user");
        }
        boolean stripCredentials = settings.bool("strip-credentials", false);
        int maxFailedCredentials = settings.integer("max-failed-credentials", 100, 1, 1_000_000);
        Path auditFile = settings.section("audit").path("file");
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
                issuer,
                issuerTimeout,
                recordTtl,
                limits,
                userMethods,
                developerUser,
                stripCredentials,
                maxFailedCredentials,
                auditFile);
    }

    private static Endpoint local(Settings settings, String key) {
        Endpoint endpoint = settings.endpoint(key);
        if (endpoint instanceof Endpoint.Tcp tcp && !tcp.isLoopback()) {
            settings.problem(key, "expected a Unix socket or a loopback address: what passes here is not encrypted");
        }
        return endpoint;
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
