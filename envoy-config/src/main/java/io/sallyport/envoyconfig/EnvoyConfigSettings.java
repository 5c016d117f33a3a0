package io.sallyport.envoyconfig;

import io.sallyport.base.net.Endpoint;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.policy.AccessPolicy;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Everything that decides what the generated configuration says, checked.
 *
 * <pre>
 * gateway-id: local
 * listen: 127.0.0.1:8080            # or unix:/path; other addresses need tls
 * listen-plaintext: false           # true allows bearers in the clear on any address
 * policy: {preset: openshell-0.0}
 * upstreams:
 *   ext-authz: unix:/run/sallyport/ext-authz.sock
 *   issuer: unix:/run/sallyport/issuer.sock
 *   gateway: 127.0.0.1:9090
 * upstream-tls:                     # for an upstream that is neither a Unix socket nor on loopback
 *   gateway: {ca: FILE, server-name: NAME, certificate: FILE, key: FILE}
 * tls: {certificate: FILE, key: FILE, client-ca: FILE}
 * admin: off                        # or 127.0.0.1:PORT, or unix:/path
 * strip-credentials: false          # true: a sandbox's bearer does not travel on to the gateway, a user's does
 * access-log: FILE                  # optional; never holds a credential, a path's query or a header of the client's
 * limits: {…}                       # see Limits
 * </pre>
 *
 * @param gatewayId names this Envoy in its own node id
 * @param listen where clients come in
 * @param policy which methods there are, and who serves them
 * @param extAuthz the Check service
 * @param issuer serves the methods whose destination is the issuer
 * @param gateway serves the rest
 * @param tls of the listener, when it has any
 * @param admin Envoy's admin interface, when it is on: whoever reaches it can stop Envoy
 * @param stripCredentials whether the bearer ends here
 * @param accessLog where to write a line for each call
 * @param limits what this Envoy may hold at a time
 */
record EnvoyConfigSettings(
        String gatewayId,
        Endpoint listen,
        AccessPolicy policy,
        Upstream extAuthz,
        Upstream issuer,
        Upstream gateway,
        Optional<Tls.Downstream> tls,
        Optional<Endpoint> admin,
        boolean stripCredentials,
        Optional<Path> accessLog,
        Limits limits) {

    /** A part that Envoy calls. */
    record Upstream(Endpoint address, Optional<Tls.Upstream> tls) {}

    /**
     * Reads and checks a settings file, and the policy it names.
     *
     * @throws InvalidSettingsException naming every mistake, in both, at once
     */
    static EnvoyConfigSettings load(Path file) throws InvalidSettingsException {
        Problems problems = new Problems();
        Settings settings = Settings.load(file, problems);
        String gatewayId = settings.value(
                "gateway-id", "1 to 128 of [A-Za-z0-9._-]", EnvoyConfigSettings::parseGatewayId, "unknown");
        Optional<Tls.Downstream> tls =
                settings.has("tls") ? Optional.of(Tls.Downstream.read(settings.section("tls"))) : Optional.empty();
        Endpoint listen = settings.endpoint("listen");
        boolean plaintext = settings.bool("listen-plaintext", false);
        checkListen(settings, listen, tls.isPresent(), plaintext);
        Settings addresses = settings.section("upstreams");
        Settings transports = settings.section("upstream-tls");
        Upstream extAuthz = upstream(addresses, transports, "ext-authz");
        Upstream issuer = upstream(addresses, transports, "issuer");
        Upstream gateway = upstream(addresses, transports, "gateway");
        Optional<Endpoint> admin = admin(settings);
        boolean stripCredentials = settings.bool("strip-credentials", false);
        Optional<Path> accessLog = settings.optionalPath("access-log").map(Path::toAbsolutePath);
        Limits limits = Limits.read(settings.section("limits"));
        Optional<AccessPolicy> policy = AccessPolicy.read(settings.section("policy"));
        settings.done();
        problems.throwIfAny();
        return new EnvoyConfigSettings(
                gatewayId,
                listen,
                policy.orElseThrow(() -> new IllegalStateException("a policy is missing and nothing says why")),
                extAuthz,
                issuer,
                gateway,
                tls,
                admin,
                stripCredentials,
                accessLog,
                limits);
    }

    private static void checkListen(Settings settings, Endpoint listen, boolean tls, boolean plaintext) {
        if (!(listen instanceof Endpoint.Tcp tcp) || !settings.has("listen")) {
            return;
        }
        if (!Addresses.isNumeric(tcp)) {
            settings.problem("listen", "expected an IP address to listen on, found the name \"" + tcp.host() + "\"");
        } else if (!tcp.isLoopback() && !tls && !plaintext) {
            settings.problem(
                    "listen",
                    listen + " is not on loopback, and without TLS every bearer would cross the network in the clear:"
                            + " set tls, or say listen-plaintext: true if something in front ends TLS");
        }
    }

    private static Upstream upstream(Settings addresses, Settings transports, String name) {
        Endpoint address = addresses.endpoint(name);
        Optional<Tls.Upstream> tls =
                transports.has(name) ? Optional.of(Tls.Upstream.read(transports.section(name))) : Optional.empty();
        if (address instanceof Endpoint.Tcp tcp && addresses.has(name)) {
            if (tcp.port() == 0) {
                addresses.problem(name, "port 0 is nowhere to call; expected 1 to 65535");
            }
            if (!tcp.isLoopback() && tls.isEmpty()) {
                addresses.problem(
                        name,
                        address + " is not on loopback: use a Unix socket or loopback, or set upstream-tls." + name);
            }
        }
        return new Upstream(address, tls);
    }

    private static Optional<Endpoint> admin(Settings settings) {
        if (settings.string("admin", "off").equals("off")) {
            return Optional.empty();
        }
        Endpoint admin = settings.endpoint("admin");
        if (admin instanceof Endpoint.Tcp tcp && !(tcp.isLoopback() && Addresses.isNumeric(tcp))) {
            settings.problem("admin", "whoever reaches it can stop Envoy: expected off, 127.0.0.1:PORT or unix:/path");
        }
        return Optional.of(admin);
    }

    private static String parseGatewayId(String text) {
        if (!text.matches("[A-Za-z0-9._-]{1,128}")) {
            throw new IllegalArgumentException("expected 1 to 128 of [A-Za-z0-9._-], found \"" + text + "\"");
        }
        return text;
    }
}
