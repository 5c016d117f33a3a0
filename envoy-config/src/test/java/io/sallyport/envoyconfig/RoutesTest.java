package io.sallyport.envoyconfig;

import static org.assertj.core.api.Assertions.assertThat;

import com.github.xds.type.v3.TypedStruct;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Struct;
import com.google.protobuf.util.Durations;
import com.google.protobuf.util.JsonFormat;
import io.envoyproxy.envoy.config.rbac.v3.Permission;
import io.envoyproxy.envoy.config.route.v3.Route;
import io.envoyproxy.envoy.config.route.v3.RouteAction;
import io.envoyproxy.envoy.config.route.v3.RouteConfiguration;
import io.envoyproxy.envoy.extensions.filters.http.ext_authz.v3.CheckSettings;
import io.envoyproxy.envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.HeaderSendMode;
import io.envoyproxy.envoy.extensions.filters.http.rbac.v3.RBACPerRoute;
import io.sallyport.policy.MethodRule;
import io.sallyport.policy.MethodRule.Access;
import io.sallyport.policy.MethodRule.Destination;
import io.sallyport.policy.MethodRule.Streaming;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What holds for the routes of every policy, held against three. */
class RoutesTest {
    @TempDir
    Path directory;

    enum Policy {
        OPENSHELL_0_0,
        OPENSHELL_0_1,
        PROBE
    }

    private EnvoyConfigSettings settings(Policy policy) {
        return text(policy).load(directory);
    }

    private SettingsText text(Policy policy) {
        return new SettingsText()
                .with(
                        "policy",
                        switch (policy) {
                            case OPENSHELL_0_0 -> "{preset: openshell-0.0}";
                            case OPENSHELL_0_1 -> "{preset: openshell-0.1}";
                            case PROBE -> ProbePolicy.write(directory);
                        });
    }

    private static List<Route> routes(EnvoyConfigSettings settings) {
        RouteConfiguration configuration = new Routes(
                        settings, settings.policy().digest())
                .of(settings.policy().rules());
        assertThat(configuration.getVirtualHostsList()).hasSize(1);
        assertThat(configuration.getVirtualHosts(0).getDomainsList()).containsExactly("*");
        return configuration.getVirtualHosts(0).getRoutesList();
    }

    private static Stream<Route> forwarding(EnvoyConfigSettings settings) {
        return routes(settings).stream().filter(route -> !route.hasDirectResponse());
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void everyMethodHasExactlyOneRouteOrNone(Policy policy) {
        EnvoyConfigSettings settings = settings(policy);
        List<String> forwarded =
                forwarding(settings).map(route -> route.getMatch().getPath()).toList();

        assertThat(settings.policy().rules()).isNotEmpty();
        for (MethodRule rule : settings.policy().rules()) {
            boolean closed = rule.access() == Access.CLOSED
                    || (rule.sandboxCallable() && rule.streaming() != Streaming.UNARY && !rule.guarded());
            assertThat(forwarded.stream().filter(rule.path()::equals))
                    .as("%s, %s, %s", rule.path(), rule.access(), rule.streaming())
                    .hasSize(closed ? 0 : 1);
        }
        assertThat(forwarded)
                .isSubsetOf(
                        settings.policy().rules().stream().map(MethodRule::path).collect(Collectors.toSet()));
    }

    @Test
    void theThreePoliciesHaveMethodsOfEveryKind() {
        List<MethodRule> rules = Stream.of(Policy.values())
                .flatMap(policy -> settings(policy).policy().rules().stream())
                .toList();

        assertThat(rules.stream().map(MethodRule::access)).contains(Access.values());
        assertThat(rules.stream().map(MethodRule::destination)).contains(Destination.values());
        for (boolean sandbox : new boolean[] {true, false}) {
            assertThat(rules.stream()
                            .filter(rule -> rule.sandboxCallable() == sandbox)
                            .map(MethodRule::streaming))
                    .contains(Streaming.UNARY, Streaming.BIDI);
        }
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void whateverIsForwardedWasAskedAboutUnderThisPolicy(Policy policy) {
        EnvoyConfigSettings settings = settings(policy);

        assertThat(forwarding(settings)).allSatisfy(route -> {
            ExtAuthzPerRoute check = check(route);
            assertThat(check.getDisabled()).isFalse();
            assertThat(check.getCheckSettings().getContextExtensionsMap())
                    .containsEntry("sallyport.policy", settings.policy().digest());
        });
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void whatPodsBeginWithHasACheckOfItsOwnAndNothingElseHas(Policy policy) throws Exception {
        EnvoyConfigSettings settings = settings(policy);

        assertThat(forwarding(settings).filter(route -> rule(settings, route).beginsPods()))
                .singleElement()
                .satisfies(route -> assertThat(service(route).getFieldsMap())
                        .containsEntry("timeout", Protos.text("20s"))
                        .hasEntrySatisfying(
                                "envoy_grpc",
                                called -> assertThat(called.getStructValue().getFieldsMap())
                                        .containsEntry("cluster_name", Protos.text("pod-authorization"))));
        assertThat(forwarding(settings).filter(route -> !rule(settings, route).beginsPods()))
                .allMatch(route -> route.getTypedPerFilterConfigOrThrow(Authorization.FILTER)
                        .is(ExtAuthzPerRoute.class));
    }

    private static Struct service(Route route) throws InvalidProtocolBufferException {
        return route.getTypedPerFilterConfigOrThrow(Authorization.FILTER)
                .unpack(TypedStruct.class)
                .getValue()
                .getFieldsOrThrow("check_settings")
                .getStructValue()
                .getFieldsOrThrow("grpc_service")
                .getStructValue();
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void theHostBehindUsIsNeverTheClients(Policy policy) {
        EnvoyConfigSettings plain = settings(policy);
        EnvoyConfigSettings tls = text(policy)
                .with(
                        "upstream-tls",
                        "{gateway: {ca: /etc/hostname, server-name: gateway.example},"
                                + " issuer: {ca: /etc/hostname, server-name: issuer.example}}")
                .load(directory);

        assertThat(forwarding(plain))
                .allSatisfy(route -> assertThat(route.getRoute().getHostRewriteLiteral())
                        .isEqualTo(rule(plain, route).destination() == Destination.ISSUER ? "issuer" : "gateway"));
        assertThat(forwarding(tls))
                .allSatisfy(route -> assertThat(route.getRoute().getHostRewriteLiteral())
                        .isEqualTo(
                                rule(tls, route).destination() == Destination.ISSUER
                                        ? "issuer.example"
                                        : "gateway.example"));
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void everyRouteIsExactAndForGrpcAlone(Policy policy) {
        assertThat(forwarding(settings(policy))).allSatisfy(route -> {
            assertThat(route.getMatch().getPath()).isEqualTo(route.getName());
            assertThat(route.getMatch().getHeadersList())
                    .anySatisfy(header -> {
                        assertThat(header.getName()).isEqualTo(":method");
                        assertThat(header.getStringMatch().getExact()).isEqualTo("POST");
                    })
                    .anySatisfy(header -> {
                        assertThat(header.getName()).isEqualTo("content-type");
                        assertThat(header.getStringMatch().getSafeRegex().getRegex())
                                .isEqualTo("application/grpc(\\+proto)?");
                        assertThat(header.getInvertMatch()).isFalse();
                    });
            assertThat(route.getRoute().getUpgradeConfigsList()).isEmpty();
            assertThat(route.getRoute().hasRetryPolicy()).isFalse();
        });
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void aSandboxesCallIsReadWholeWithinItsOwnLimitAndNobodyElsesIs(Policy policy) {
        EnvoyConfigSettings settings = settings(policy);

        assertThat(forwarding(settings)).allSatisfy(route -> {
            MethodRule rule = rule(settings, route);
            CheckSettings check = check(route).getCheckSettings();
            if (rule.sandboxCallable() && !rule.guarded()) {
                assertThat(check.getDisableRequestBodyBuffering()).isFalse();
                assertThat(check.getWithRequestBody().getMaxRequestBytes()).isEqualTo(rule.bodyLimit());
                assertThat(check.getWithRequestBody().getAllowPartialMessage()).isFalse();
            } else {
                assertThat(check.getDisableRequestBodyBuffering()).isTrue();
            }
        });
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void aUnaryCallIsAsLongAsItsRuleSaysAndAStreamIsBoundedBySilence(Policy policy) {
        EnvoyConfigSettings settings = settings(policy);

        assertThat(forwarding(settings)).allSatisfy(route -> {
            MethodRule rule = rule(settings, route);
            RouteAction action = route.getRoute();
            assertThat(Durations.toMillis(action.getTimeout())).isZero();
            assertThat(action.hasIdleTimeout()).isTrue();
            assertThat(Durations.toMillis(action.getIdleTimeout()) == 0)
                    .as("silent for as long as its lineage lives")
                    .isEqualTo(rule.guarded());
            if (rule.streaming() == Streaming.UNARY) {
                long longest = rule.maxDuration().toMillis();
                assertThat(Durations.toMillis(action.getMaxStreamDuration().getMaxStreamDuration()))
                        .isEqualTo(longest);
                assertThat(Durations.toMillis(action.getMaxStreamDuration().getGrpcTimeoutHeaderMax()))
                        .isEqualTo(longest);
            } else {
                assertThat(action.hasMaxStreamDuration()).isFalse();
            }
        });
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void everyCallGoesWhereItsRuleSaysInAShareOfItsOwn(Policy policy) {
        EnvoyConfigSettings settings = settings(policy);

        assertThat(forwarding(settings)).allSatisfy(route -> {
            MethodRule rule = rule(settings, route);
            assertThat(route.getRoute().getCluster())
                    .isEqualTo(
                            rule.destination() == Destination.ISSUER
                                    ? "issuer"
                                    : rule.guarded()
                                            ? "gateway-streams"
                                            : rule.sandboxCallable() ? "gateway" : "gateway-users");
        });
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void aYesCountsForASandboxesMethodOnlyWithThePrincipal(Policy policy) throws Exception {
        EnvoyConfigSettings settings = settings(policy);

        for (Route route : forwarding(settings).toList()) {
            MethodRule rule = rule(settings, route);
            RBACPerRoute check =
                    route.getTypedPerFilterConfigOrThrow(PrincipalCheck.FILTER).unpack(RBACPerRoute.class);
            assertThat(check.hasRbac()).as(rule.path()).isEqualTo(rule.sandboxCallable());
            if (!rule.sandboxCallable()) {
                continue;
            }
            Permission permission =
                    check.getRbac().getRules().getPoliciesOrThrow("decided").getPermissions(0);
            if (rule.destination() == Destination.ISSUER) {
                assertThat(permission.getAndRules().getRules(1).getHeader().getName())
                        .isEqualTo("x-sandbox-principal-jwt");
                permission = permission.getAndRules().getRules(0);
            }
            assertThat(permission.getHeader().getName()).isEqualTo("x-sandbox-principal");
            assertThat(permission.getHeader().getStringMatch().getPrefix())
                    .isEqualTo(rule.access() == Access.SERVICE_ACCOUNT ? "service-account;" : "sandbox;id=");
        }
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void aSandboxesStreamAndNothingElseIsGuarded(Policy policy) {
        EnvoyConfigSettings settings = settings(policy);

        assertThat(forwarding(settings)).allSatisfy(route -> {
            MethodRule rule = rule(settings, route);
            ExtProcPerRoute guard = guard(route);
            assertThat(guard.getDisabled()).as(rule.path()).isEqualTo(!rule.guarded());
            if (rule.guarded()) {
                ProcessingMode mode = guard.getOverrides().getProcessingMode();
                boolean read = !rule.messages().opaque();
                assertThat(mode.getRequestHeaderMode()).isEqualTo(HeaderSendMode.SEND);
                assertThat(mode.getRequestBodyMode()).isEqualTo(read ? BodySendMode.STREAMED : BodySendMode.NONE);
                assertThat(mode.getRequestTrailerMode()).isEqualTo(HeaderSendMode.SEND);
                assertThat(mode.getResponseHeaderMode()).isEqualTo(HeaderSendMode.SKIP);
                assertThat(mode.getResponseBodyMode()).isEqualTo(BodySendMode.NONE);
                assertThat(mode.getResponseTrailerMode()).isEqualTo(HeaderSendMode.SEND);
                assertThat(guard.getOverrides().hasGrpcService()).isFalse();
                assertThat(guard.getOverrides().hasMetadataOptions()).isFalse();
                assertThat(route.hasPerRequestBufferLimitBytes()).isEqualTo(read);
                if (read) {
                    assertThat(route.getPerRequestBufferLimitBytes().getValue())
                            .isGreaterThan(rule.messageLimit() + 5 + (64 << 10) + (16 << 10));
                }
            }
        });
    }

    @Test
    void theBearerOfASandboxEndsHereOnlyIfToldSoAndNeverGoesToTheIssuer() {
        for (boolean strip : new boolean[] {false, true}) {
            EnvoyConfigSettings settings =
                    text(Policy.PROBE).with("strip-credentials", strip).load(directory);

            assertThat(forwarding(settings)
                            .filter(route -> rule(settings, route).access() != Access.USER))
                    .isNotEmpty()
                    .allSatisfy(route -> assertThat(route.getRequestHeadersToRemoveList())
                            .isEqualTo(
                                    strip || route.getRoute().getCluster().equals("issuer")
                                            ? List.of("authorization")
                                            : List.of()));
        }
    }

    /** With it gone, a bearer that nobody has checked would be no bearer: to some gateways, a permissive user's call. */
    @Test
    void theBearerOfAUserAlwaysTravelsOnToTheGatewayWhichAloneCanCheckIt() {
        for (boolean strip : new boolean[] {false, true}) {
            EnvoyConfigSettings settings =
                    text(Policy.PROBE).with("strip-credentials", strip).load(directory);

            assertThat(forwarding(settings)
                            .filter(route -> rule(settings, route).access() == Access.USER))
                    .isNotEmpty()
                    .allSatisfy(route ->
                            assertThat(route.getRequestHeadersToRemoveList()).isEmpty());
        }
    }

    @ParameterizedTest
    @EnumSource(Policy.class)
    void whatNoRouteClaimsIsRefusedLastAndNothingIsBehindARefusal(Policy policy) {
        List<Route> routes = routes(settings(policy));

        Route last = routes.getLast();
        assertThat(last.getMatch().getPrefix()).isEqualTo("/");
        assertThat(last.getMatch().getHeadersList()).isEmpty();
        assertThat(last.getDirectResponse().getStatus()).isEqualTo(404);
        assertThat(routes.stream().filter(Route::hasDirectResponse))
                .hasSize(3)
                .allSatisfy(route -> assertThat(check(route).getDisabled()).isTrue())
                .allSatisfy(route -> assertThat(guard(route).getDisabled()).isTrue());
    }

    private static MethodRule rule(EnvoyConfigSettings settings, Route route) {
        MethodRule rule = settings.policy().find(route.getMatch().getPath());
        assertThat(rule).as(route.getName()).isNotNull();
        return Objects.requireNonNull(rule);
    }

    private static ExtAuthzPerRoute check(Route route) {
        Any check = route.getTypedPerFilterConfigOrThrow(Authorization.FILTER);
        try {
            if (check.is(ExtAuthzPerRoute.class)) {
                return check.unpack(ExtAuthzPerRoute.class);
            }
            // It says more than the message classes at hand know.
            ExtAuthzPerRoute.Builder known = ExtAuthzPerRoute.newBuilder();
            JsonFormat.parser()
                    .ignoringUnknownFields()
                    .merge(
                            JsonFormat.printer()
                                    .print(check.unpack(TypedStruct.class).getValue()),
                            known);
            return known.build();
        } catch (InvalidProtocolBufferException e) {
            throw new AssertionError(e);
        }
    }

    private static ExtProcPerRoute guard(Route route) {
        try {
            return route.getTypedPerFilterConfigOrThrow(StreamGuard.FILTER).unpack(ExtProcPerRoute.class);
        } catch (InvalidProtocolBufferException e) {
            throw new AssertionError(e);
        }
    }
}
