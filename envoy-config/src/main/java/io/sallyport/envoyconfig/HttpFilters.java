package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.any;
import static io.sallyport.envoyconfig.Protos.object;
import static io.sallyport.envoyconfig.Protos.text;
import static io.sallyport.envoyconfig.Protos.typed;

import com.github.xds.type.v3.TypedStruct;
import com.google.protobuf.ListValue;
import com.google.protobuf.Message;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.core.v3.TypedExtensionConfig;
import io.envoyproxy.envoy.extensions.filters.http.router.v3.Router;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter;
import java.util.List;

/** What a request passes inside Envoy, in this order: clean headers, no trailers, ext-authz, a look at its answer, the
 * stream guard, the router. */
final class HttpFilters {
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

    private HttpFilters() {}

    static List<HttpFilter> of(EnvoyConfigSettings settings) {
        return List.of(
                filter("envoy.filters.http.header_mutation", noTrailers()),
                filter(
                        Authorization.FILTER,
                        Authorization.byDefault(settings.limits().authorization())),
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

    private static HttpFilter filter(String name, Message config) {
        return HttpFilter.newBuilder().setName(name).setTypedConfig(any(config)).build();
    }
}
