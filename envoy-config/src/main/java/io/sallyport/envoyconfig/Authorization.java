package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.any;
import static io.sallyport.envoyconfig.Protos.bool;
import static io.sallyport.envoyconfig.Protos.duration;
import static io.sallyport.envoyconfig.Protos.typed;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import com.google.protobuf.util.JsonFormat;
import io.envoyproxy.envoy.config.common.mutation_rules.v3.HeaderMutationRules;
import io.envoyproxy.envoy.config.core.v3.ApiVersion;
import io.envoyproxy.envoy.config.core.v3.GrpcService;
import io.envoyproxy.envoy.config.core.v3.GrpcService.EnvoyGrpc;
import io.envoyproxy.envoy.extensions.filters.http.ext_authz.v3.BufferSettings;
import io.envoyproxy.envoy.extensions.filters.http.ext_authz.v3.CheckSettings;
import io.envoyproxy.envoy.extensions.filters.http.ext_authz.v3.ExtAuthz;
import io.envoyproxy.envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute;
import io.envoyproxy.envoy.type.matcher.v3.ListStringMatcher;
import io.envoyproxy.envoy.type.matcher.v3.RegexMatcher;
import io.envoyproxy.envoy.type.matcher.v3.StringMatcher;
import io.envoyproxy.envoy.type.v3.HttpStatus;
import io.envoyproxy.envoy.type.v3.StatusCode;
import io.sallyport.policy.MethodRule;
import java.time.Duration;
import java.util.List;

/**
 * Envoy's question to ext-authz about a call, and what becomes of the answer. The filter is on for every route; those with
 * nothing behind them opt out.
 *
 * <p>On the method that pods begin with, ext-authz asks the cluster and takes its time: there it is asked with a timeout, a
 * pool and a circuit breaker apart, so that neither is a slow cluster taken for a slow ext-authz, nor do pods that wait hold up
 * anybody else's check.
 */
final class Authorization {
    static final String FILTER = "envoy.filters.http.ext_authz";

    /** The context extension that tells ext-authz which policy this configuration was made from. */
    static final String POLICY_EXTENSION = "sallyport.policy";

    /** Where a body is checked without a limit of its own; no route is without one, so this holds for none. */
    private static final int BODY_LIMIT_BY_DEFAULT = 64 << 10;

    /** What ext-authz reads, besides path, method and address, which come apart from the headers. */
    private static final List<String> FOR_EXT_AUTHZ =
            List.of("authorization", "content-type", "x-sandbox-id", "x-request-id", "grpc-timeout", "te");

    /** What ext-authz may write or remove on the way to the gateway; anything else is an error. */
    private static final String BY_EXT_AUTHZ = "x-sandbox-principal|x-sandbox-principal-jwt|authorization";

    private Authorization() {}

    /** The filter. */
    static ExtAuthz byDefault(Duration timeout) {
        return ExtAuthz.newBuilder()
                .setTransportApiVersion(ApiVersion.V3)
                .setGrpcService(service(Clusters.EXT_AUTHZ, timeout))
                .setFailureModeAllow(false)
                .setStatusOnError(HttpStatus.newBuilder().setCode(StatusCode.ServiceUnavailable))
                .setValidateMutations(true)
                .setDecoderHeaderMutationRules(HeaderMutationRules.newBuilder()
                        .setDisallowAll(bool(true))
                        .setAllowExpression(RegexMatcher.newBuilder().setRegex(BY_EXT_AUTHZ))
                        .setDisallowIsError(bool(true)))
                .setClearRouteCache(false)
                .setIncludePeerCertificate(false)
                .setWithRequestBody(wholeBody(BODY_LIMIT_BY_DEFAULT))
                .setAllowedHeaders(ListStringMatcher.newBuilder()
                        .addAllPatterns(FOR_EXT_AUTHZ.stream()
                                .map(name -> StringMatcher.newBuilder()
                                        .setExact(name)
                                        .build())
                                .toList()))
                .setStatPrefix("sallyport")
                .build();
    }

    /** What a method's route says instead. */
    static Any perRoute(MethodRule rule, Limits limits, String policyDigest) {
        CheckSettings.Builder check = CheckSettings.newBuilder().putContextExtensions(POLICY_EXTENSION, policyDigest);
        if (rule.sandboxCallable() && !rule.guarded()) {
            check.setWithRequestBody(wholeBody(rule.bodyLimit()));
        } else {
            check.setDisableRequestBodyBuffering(true);
        }
        if (!rule.beginsPods()) {
            return any(ExtAuthzPerRoute.newBuilder().setCheckSettings(check).build());
        }
        // A service of a route's own is newer than the message classes at hand.
        Struct.Builder settings = tree(check.build());
        settings.putFields("grpc_service", value(tree(service(Clusters.POD_AUTHORIZATION, limits.podAuthorization()))));
        return any(typed(
                ExtAuthzPerRoute.getDescriptor().getFullName(), Protos.object("check_settings", value(settings))));
    }

    /** No check: where nothing is behind the route. */
    static Any off() {
        return any(ExtAuthzPerRoute.newBuilder().setDisabled(true).build());
    }

    private static GrpcService service(String cluster, Duration timeout) {
        return GrpcService.newBuilder()
                .setTimeout(duration(timeout))
                .setEnvoyGrpc(EnvoyGrpc.newBuilder()
                        .setClusterName(cluster)
                        .setAuthority(Clusters.EXT_AUTHZ)
                        .setSkipEnvoyHeaders(true))
                .build();
    }

    /** The body as it came, whole: the filter's own {@code pack_as_bytes} is the one that counts. */
    private static BufferSettings wholeBody(int limit) {
        return BufferSettings.newBuilder()
                .setMaxRequestBytes(limit)
                .setAllowPartialMessage(false)
                .setPackAsBytes(true)
                .build();
    }

    private static Struct.Builder tree(Message message) {
        Struct.Builder tree = Struct.newBuilder();
        try {
            JsonFormat.parser()
                    .merge(JsonFormat.printer().preservingProtoFieldNames().print(message), tree);
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException("what was printed cannot be read", e);
        }
        return tree;
    }

    private static Value value(Struct.Builder tree) {
        return Value.newBuilder().setStructValue(tree).build();
    }
}
