package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.any;

import com.google.protobuf.Any;
import io.envoyproxy.envoy.config.rbac.v3.Permission;
import io.envoyproxy.envoy.config.rbac.v3.Policy;
import io.envoyproxy.envoy.config.rbac.v3.Principal;
import io.envoyproxy.envoy.config.route.v3.HeaderMatcher;
import io.envoyproxy.envoy.extensions.filters.http.rbac.v3.RBAC;
import io.envoyproxy.envoy.extensions.filters.http.rbac.v3.RBACPerRoute;
import io.envoyproxy.envoy.type.matcher.v3.StringMatcher;
import io.sallyport.policy.MethodRule;
import io.sallyport.policy.MethodRule.Access;
import io.sallyport.policy.MethodRule.Destination;

/**
 * A second look at ext-authz's "yes": on a method that sandboxes call, it counts only if it says which sandbox.
 *
 * <p>To Envoy an empty answer, zero bytes, is an "OK": whatever else might come to listen on ext-authz's socket would
 * open the gate by knowing nothing. Nobody but ext-authz can have written the header, for a client's copy is gone by now.
 * The check is on for every route; those without a sandbox behind them switch it off.
 */
final class PrincipalCheck {
    static final String FILTER = "envoy.filters.http.rbac";

    private PrincipalCheck() {}

    /** The filter, as strict as for a method of sandboxes. */
    static RBAC byDefault() {
        return RBAC.newBuilder().setRules(rules(principal("sandbox;id="))).build();
    }

    /** What a method's route says instead. */
    static Any perRoute(MethodRule rule) {
        if (!rule.sandboxCallable()) {
            return off();
        }
        Permission principal = principal(rule.access() == Access.SERVICE_ACCOUNT ? "service-account;" : "sandbox;id=");
        Permission needed = rule.destination() == Destination.ISSUER ? both(principal, assertion()) : principal;
        return any(RBACPerRoute.newBuilder()
                .setRbac(RBAC.newBuilder().setRules(rules(needed)))
                .build());
    }

    /** No check: for users, for methods without a credential, and where nothing is behind the route. */
    static Any off() {
        return any(RBACPerRoute.getDefaultInstance());
    }

    private static io.envoyproxy.envoy.config.rbac.v3.RBAC rules(Permission needed) {
        return io.envoyproxy
                .envoy
                .config
                .rbac
                .v3
                .RBAC
                .newBuilder()
                .setAction(io.envoyproxy.envoy.config.rbac.v3.RBAC.Action.ALLOW)
                .putPolicies(
                        "decided",
                        Policy.newBuilder()
                                .addPermissions(needed)
                                .addPrincipals(Principal.newBuilder().setAny(true))
                                .build())
                .build();
    }

    private static Permission principal(String prefix) {
        return Permission.newBuilder()
                .setHeader(HeaderMatcher.newBuilder()
                        .setName("x-sandbox-principal")
                        .setStringMatch(StringMatcher.newBuilder().setPrefix(prefix)))
                .build();
    }

    private static Permission assertion() {
        return Permission.newBuilder()
                .setHeader(HeaderMatcher.newBuilder()
                        .setName("x-sandbox-principal-jwt")
                        .setPresentMatch(true))
                .build();
    }

    private static Permission both(Permission one, Permission other) {
        return Permission.newBuilder()
                .setAndRules(Permission.Set.newBuilder().addRules(one).addRules(other))
                .build();
    }
}
