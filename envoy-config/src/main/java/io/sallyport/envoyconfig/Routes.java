package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.duration;
import static io.sallyport.envoyconfig.Protos.uint32;

import io.envoyproxy.envoy.config.core.v3.DataSource;
import io.envoyproxy.envoy.config.route.v3.DirectResponseAction;
import io.envoyproxy.envoy.config.route.v3.HeaderMatcher;
import io.envoyproxy.envoy.config.route.v3.Route;
import io.envoyproxy.envoy.config.route.v3.RouteAction;
import io.envoyproxy.envoy.config.route.v3.RouteAction.MaxStreamDuration;
import io.envoyproxy.envoy.config.route.v3.RouteConfiguration;
import io.envoyproxy.envoy.config.route.v3.RouteMatch;
import io.envoyproxy.envoy.config.route.v3.VirtualHost;
import io.envoyproxy.envoy.type.matcher.v3.RegexMatcher;
import io.envoyproxy.envoy.type.matcher.v3.StringMatcher;
import io.sallyport.base.Reason;
import io.sallyport.policy.MethodRule;
import io.sallyport.policy.MethodRule.Access;
import io.sallyport.policy.MethodRule.Destination;
import io.sallyport.policy.MethodRule.Streaming;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * One exact route for every method that may be reached, and a refusal for everything else.
 *
 * <table>
 * <caption>Which method gets which route</caption>
 * <tr><td>sandbox-callable, unary</td><td>body to ext-authz within the method's limit, and a longest duration</td></tr>
 * <tr><td>what pods begin with</td><td>the same, and time for ext-authz to ask the cluster</td></tr>
 * <tr><td>sandboxes' streams</td><td>headers to ext-authz, then every piece to the stream guard; no longest duration</td></tr>
 * <tr><td>streams of ServiceAccounts, or of the issuer</td><td>none: the guard does not know them</td></tr>
 * <tr><td>users, or without a credential</td><td>headers to ext-authz; a longest duration when unary</td></tr>
 * <tr><td>closed</td><td>none</td></tr>
 * </table>
 */
final class Routes {
    /** Exactly the two that the message scanner can read (RE2, matched as a whole). */
    static final String GRPC_CONTENT_TYPES = "application/grpc(\\+proto)?";

    private final String digest;
    private final EnvoyConfigSettings settings;

    Routes(EnvoyConfigSettings settings, String digest) {
        this.settings = settings;
        this.digest = digest;
    }

    RouteConfiguration of(List<MethodRule> rules) {
        VirtualHost.Builder host = VirtualHost.newBuilder()
                .setName("sallyport")
                .addDomains("*")
                // Envoy's opinion of where a caller sits would be taken for a fact by whoever reads it.
                .addRequestHeadersToRemove("x-envoy-internal")
                .addRequestHeadersToRemove("x-envoy-external-address");
        host.addRoutes(
                refusal("query", 400, Reason.PATH_MALFORMED, header(":path").setStringMatch(contains("?"))));
        for (MethodRule rule : rules) {
            route(rule).ifPresent(host::addRoutes);
        }
        host.addRoutes(refusal(
                "content-type",
                415,
                Reason.CONTENT_TYPE,
                header("content-type")
                        .setStringMatch(matches(GRPC_CONTENT_TYPES))
                        .setInvertMatch(true)
                        .setTreatMissingHeaderAsEmpty(true)));
        // 404 is what Envoy's gRPC answer calls UNIMPLEMENTED.
        host.addRoutes(refusal("default-deny", 404, Reason.METHOD_UNKNOWN));
        return RouteConfiguration.newBuilder()
                .setName("policy")
                .addVirtualHosts(host)
                .setValidateClusters(Protos.bool(true))
                .build();
    }

    /** The route of a method; none for a method that nobody may reach. */
    Optional<Route> route(MethodRule rule) {
        boolean unguarded = rule.sandboxCallable() && rule.streaming() != Streaming.UNARY && !rule.guarded();
        if (rule.access() == Access.CLOSED || unguarded) {
            return Optional.empty();
        }
        Route.Builder route = Route.newBuilder()
                .setName(rule.path())
                .setMatch(RouteMatch.newBuilder()
                        .setPath(rule.path())
                        .addHeaders(header(":method").setStringMatch(exactly("POST")))
                        .addHeaders(header("content-type").setStringMatch(matches(GRPC_CONTENT_TYPES))))
                .setRoute(action(rule))
                .putTypedPerFilterConfig(Authorization.FILTER, Authorization.perRoute(rule, settings.limits(), digest))
                .putTypedPerFilterConfig(PrincipalCheck.FILTER, PrincipalCheck.perRoute(rule))
                .putTypedPerFilterConfig(StreamGuard.FILTER, StreamGuard.perRoute(rule));
        if (rule.guarded() && !rule.messages().opaque()) {
            route.setPerRequestBufferLimitBytes(uint32(StreamGuard.heldBytes(rule.messageLimit())));
        }
        if (endsHere(rule)) {
            route.addRequestHeadersToRemove("authorization");
        }
        return Optional.of(route.build());
    }

    /**
     * Whether the bearer ends here. The issuer believes the assertion alone, so none has any business there. A user's
     * always travels on: only the gateway knows users, and a call whose bearer nobody has checked must not reach it as
     * one without any, which it may take for a permissive default user's.
     */
    private boolean endsHere(MethodRule rule) {
        return rule.destination() == Destination.ISSUER
                || (settings.stripCredentials() && rule.access() != Access.USER);
    }

    /**
     * A unary call ends at the latest after its method's duration, counted from its first header, also while its body
     * is still awaited; a client's shorter {@code grpc-timeout} counts, a longer one does not.
     */
    private RouteAction action(MethodRule rule) {
        RouteAction.Builder action = RouteAction.newBuilder()
                .setCluster(cluster(rule))
                // Whatever routes by host behind us shall not be steered by what the client called us.
                .setHostRewriteLiteral(authority(rule))
                // The route's timeout begins only once the body is whole, so it bounds nothing here.
                .setTimeout(duration(Duration.ZERO));
        if (rule.streaming() == Streaming.UNARY) {
            action.setIdleTimeout(duration(rule.maxDuration()))
                    .setMaxStreamDuration(MaxStreamDuration.newBuilder()
                            .setMaxStreamDuration(duration(rule.maxDuration()))
                            .setGrpcTimeoutHeaderMax(duration(rule.maxDuration())));
        } else if (rule.guarded()) {
            // A session may be silent for days. The guard ends it with its lineage, pings end it with its client.
            action.setIdleTimeout(duration(Duration.ZERO));
        } else {
            action.setIdleTimeout(duration(settings.limits().streamIdle()));
        }
        return action.build();
    }

    private static String cluster(MethodRule rule) {
        return switch (rule.destination()) {
            case ISSUER -> Clusters.ISSUER;
            case GATEWAY -> {
                if (rule.guarded()) {
                    yield Clusters.GATEWAY_STREAMS;
                }
                yield rule.sandboxCallable() ? Clusters.GATEWAY : Clusters.GATEWAY_USERS;
            }
        };
    }

    /** The name of the certificate that must answer, where there is one; else what we call that part. */
    private String authority(MethodRule rule) {
        return switch (rule.destination()) {
            case ISSUER -> settings.issuer().tls().map(Tls.Upstream::serverName).orElse(Clusters.ISSUER);
            case GATEWAY ->
                settings.gateway().tls().map(Tls.Upstream::serverName).orElse(Clusters.GATEWAY);
        };
    }

    /** Answers without asking anybody: ext-authz is off here, because there is nothing behind this route. */
    private static Route refusal(String name, int status, Reason reason, HeaderMatcher.Builder... headers) {
        RouteMatch.Builder match = RouteMatch.newBuilder().setPrefix("/");
        for (HeaderMatcher.Builder header : headers) {
            match.addHeaders(header);
        }
        return Route.newBuilder()
                .setName(name)
                .setMatch(match)
                .setDirectResponse(DirectResponseAction.newBuilder()
                        .setStatus(status)
                        .setBody(DataSource.newBuilder().setInlineString(reason.text())))
                .putTypedPerFilterConfig(Authorization.FILTER, Authorization.off())
                .putTypedPerFilterConfig(PrincipalCheck.FILTER, PrincipalCheck.off())
                .putTypedPerFilterConfig(StreamGuard.FILTER, StreamGuard.off())
                .build();
    }

    private static HeaderMatcher.Builder header(String name) {
        return HeaderMatcher.newBuilder().setName(name);
    }

    private static StringMatcher exactly(String text) {
        return StringMatcher.newBuilder().setExact(text).build();
    }

    private static StringMatcher contains(String text) {
        return StringMatcher.newBuilder().setContains(text).build();
    }

    private static StringMatcher matches(String regex) {
        return StringMatcher.newBuilder()
                .setSafeRegex(RegexMatcher.newBuilder().setRegex(regex))
                .build();
    }
}
