package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.any;
import static io.sallyport.envoyconfig.Protos.bool;
import static io.sallyport.envoyconfig.Protos.duration;

import com.github.xds.type.v3.TypedStruct;
import com.google.protobuf.ListValue;
import com.google.protobuf.Message;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.common.mutation_rules.v3.HeaderMutationRules;
import io.envoyproxy.envoy.config.core.v3.ApiVersion;
import io.envoyproxy.envoy.config.core.v3.GrpcService;
import io.envoyproxy.envoy.config.core.v3.GrpcService.EnvoyGrpc;
import io.envoyproxy.envoy.config.core.v3.TypedExtensionConfig;
import io.envoyproxy.envoy.extensions.filters.http.ext_authz.v3.BufferSettings;
import io.envoyproxy.envoy.extensions.filters.http.ext_authz.v3.ExtAuthz;
import io.envoyproxy.envoy.extensions.filters.http.router.v3.Router;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter;
import io.envoyproxy.envoy.type.matcher.v3.ListStringMatcher;
import io.envoyproxy.envoy.type.matcher.v3.RegexMatcher;
import io.envoyproxy.envoy.type.matcher.v3.StringMatcher;
import io.envoyproxy.envoy.type.v3.HttpStatus;
import io.envoyproxy.envoy.type.v3.StatusCode;
import java.time.Duration;
import java.util.List;

/** What a request passes inside Envoy, in this order: clean headers, no trailers, ext-authz, a look at its answer, the
 * stream guard, the router. */
final class HttpFilters {
    static final String EXT_AUTHZ = "envoy.filters.http.ext_authz";

    /** Where a body is checked without a limit of its own; no route is without one, so this holds for none. */
    private static final int BODY_LIMIT_BY_DEFAULT = 64 << 10;

    /**
     * Names that only Envoy or ext-authz may write. A client's copies go before anything looks at the request, because
     * ext-authz overwrites only what it sets, and because some {@code x-envoy-} headers steer Envoy itself.
     */
    private static final List<String> OURS = List.of("x-sandbox-principal", "x-sallyport-", "x-envoy-");

    /**
     * Who called, and as part of what, by the client's own account. Envoy writes its own account of the first afterwards;
     * a trace that a sandbox names would mix its calls into other people's.
     */
    private static final List<String> HEARSAY = List.of(
            "x-forwarded-",
            "x-request-id",
            "x-real-ip",
            "x-client-trace-id",
            "x-ot-span-context",
            "x-b3-",
            "forwarded");

    /** The same, where a prefix would take a client's other headers too. A cookie is a credential nobody here checks. */
    private static final List<String> HEARSAY_BY_NAME = List.of("traceparent", "tracestate", "b3", "cookie");

    /** What ext-authz reads, besides path, method and address, which come apart from the headers. */
    private static final List<String> FOR_EXT_AUTHZ =
            List.of("authorization", "content-type", "x-sandbox-id", "x-request-id", "grpc-timeout", "te");

    /** What ext-authz may write or remove on the way to the gateway; anything else is an error. */
    private static final String BY_EXT_AUTHZ = "x-sandbox-principal|x-sandbox-principal-jwt|authorization";

    private HttpFilters() {}

    static List<HttpFilter> of(EnvoyConfigSettings settings) {
        return List.of(
                filter("envoy.filters.http.header_mutation", noTrailers()),
                filter(EXT_AUTHZ, extAuthz(settings.limits().authorization())),
                filter(PrincipalCheck.FILTER, PrincipalCheck.byDefault()),
                filter(
                        StreamGuard.FILTER,
                        StreamGuard.byDefault(settings.limits().guard())),
                filter(
                        "envoy.filters.http.router",
                        Router.newBuilder().setSuppressEnvoyHeaders(true).build()));
    }

    /**
     * Removes a client's copies of what only we may write.
     *
     * <p>Written as a {@code TypedStruct}, because removing by prefix is newer than the message classes at hand.
     */
    static TypedExtensionConfig cleanHeaders() {
        ListValue.Builder mutations = ListValue.newBuilder();
        for (List<String> prefixes : List.of(OURS, HEARSAY)) {
            for (String prefix : prefixes) {
                mutations.addValues(removal("prefix", text(prefix)));
            }
        }
        for (String name : HEARSAY_BY_NAME) {
            mutations.addValues(removal("exact", text(name)));
        }
        return TypedExtensionConfig.newBuilder()
                .setName("envoy.http.early_header_mutation.header_mutation")
                .setTypedConfig(any(typed(
                        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                        object(
                                "mutations",
                                Value.newBuilder().setListValue(mutations).build()))))
                .build();
    }

    /** The body as it came, whole: the filter's own {@code pack_as_bytes} is the one that counts. */
    static BufferSettings wholeBody(int limit) {
        return BufferSettings.newBuilder()
                .setMaxRequestBytes(limit)
                .setAllowPartialMessage(false)
                .setPackAsBytes(true)
                .build();
    }

    private static ExtAuthz extAuthz(Duration timeout) {
        return ExtAuthz.newBuilder()
                .setTransportApiVersion(ApiVersion.V3)
                .setGrpcService(GrpcService.newBuilder()
                        .setTimeout(duration(timeout))
                        .setEnvoyGrpc(EnvoyGrpc.newBuilder()
                                .setClusterName(Clusters.EXT_AUTHZ)
                                .setAuthority(Clusters.EXT_AUTHZ)
                                .setSkipEnvoyHeaders(true)))
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

    /** gRPC knows no request trailers, and nobody here reads them, so nobody behind gets any. */
    private static TypedStruct noTrailers() {
        Value everything = object("regex", text(".*"));
        Value removals = Value.newBuilder()
                .setListValue(ListValue.newBuilder().addValues(removal("safe_regex", everything)))
                .build();
        return typed(
                "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                object("mutations", object("request_trailers_mutations", removals)));
    }

    private static Value removal(String kind, Value pattern) {
        return object("remove_on_match", object("key_matcher", object(kind, pattern)));
    }

    private static Value object(String key, Value value) {
        return Value.newBuilder()
                .setStructValue(Struct.newBuilder().putFields(key, value))
                .build();
    }

    private static Value text(String text) {
        return Value.newBuilder().setStringValue(text).build();
    }

    private static TypedStruct typed(String type, Value value) {
        return TypedStruct.newBuilder()
                .setTypeUrl("type.googleapis.com/" + type)
                .setValue(value.getStructValue())
                .build();
    }

    private static HttpFilter filter(String name, Message config) {
        return HttpFilter.newBuilder().setName(name).setTypedConfig(any(config)).build();
    }
}
