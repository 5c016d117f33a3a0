package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.uint32;

import io.envoyproxy.envoy.config.accesslog.v3.AccessLogFilter;
import io.envoyproxy.envoy.config.accesslog.v3.AndFilter;
import io.envoyproxy.envoy.config.accesslog.v3.ComparisonFilter;
import io.envoyproxy.envoy.config.accesslog.v3.HeaderFilter;
import io.envoyproxy.envoy.config.accesslog.v3.OrFilter;
import io.envoyproxy.envoy.config.accesslog.v3.ResponseFlagFilter;
import io.envoyproxy.envoy.config.accesslog.v3.StatusCodeFilter;
import io.envoyproxy.envoy.config.core.v3.DataSource;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption;
import io.envoyproxy.envoy.config.core.v3.RuntimeUInt32;
import io.envoyproxy.envoy.config.route.v3.HeaderMatcher;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper;
import io.envoyproxy.envoy.type.matcher.v3.StringMatcher;
import io.grpc.Status.Code;
import io.sallyport.base.Reason;
import java.util.Arrays;

/**
 * The statuses of the answers that Envoy gives itself.
 *
 * <p>Envoy translates an HTTP status into a gRPC status by a table of its own, which does not fit ours everywhere (400
 * becomes INTERNAL, 413 UNKNOWN, 504 UNAVAILABLE). A denial by ext-authz passes through here too; it carries its own
 * {@code grpc-status} and keeps it. The first mapper that matches decides.
 */
final class LocalReplies {
    private static final String UNAVAILABLE = "unavailable, try again";
    private static final String HEADERS_TOO_LARGE = "the request's headers are over the limit";

    /** How long a client with a retry policy should wait after an outage, in milliseconds (gRFC A6). */
    private static final String PUSHBACK_MILLIS = "1000";

    private LocalReplies() {}

    static LocalReplyConfig config() {
        return LocalReplyConfig.newBuilder()
                .addMappers(mapper(status(ComparisonFilter.Op.EQ, 413), Reason.BODY_TOO_LARGE.statusCode())
                        .setBody(text(Reason.BODY_TOO_LARGE.text())))
                .addMappers(outage(
                        and(
                                flags("UAEX"),
                                or(status(ComparisonFilter.Op.EQ, 503), status(ComparisonFilter.Op.EQ, 500))),
                        Reason.INTERNAL.text()))
                // Every other denial by ext-authz: its own words, whatever the HTTP status.
                .addMappers(ResponseMapper.newBuilder().setFilter(flags("UAEX")))
                // Envoy refuses a tunnel before it looks for a route, with 403 and the connection's end.
                .addMappers(mapper(
                                and(status(ComparisonFilter.Op.EQ, 403), requestMethod("CONNECT")),
                                Reason.METHOD_UNKNOWN.statusCode())
                        .setStatusCode(uint32(404))
                        .setBody(text(Reason.METHOD_UNKNOWN.text())))
                // Otherwise only PrincipalCheck says 403 itself: ext-authz's answer was none that ext-authz would give.
                .addMappers(outage(status(ComparisonFilter.Op.EQ, 403), Reason.INTERNAL.text()))
                .addMappers(mapper(
                        or(status(ComparisonFilter.Op.EQ, 400), status(ComparisonFilter.Op.EQ, 415)),
                        Code.INVALID_ARGUMENT))
                .addMappers(mapper(
                        or(status(ComparisonFilter.Op.EQ, 408), status(ComparisonFilter.Op.EQ, 504)),
                        Code.DEADLINE_EXCEEDED))
                .addMappers(mapper(status(ComparisonFilter.Op.EQ, 431), Code.RESOURCE_EXHAUSTED)
                        .setBody(text(HEADERS_TOO_LARGE)))
                // What is left is ours to hide: Envoy's own text names addresses and TLS errors.
                .addMappers(outage(status(ComparisonFilter.Op.GE, 500), UNAVAILABLE))
                .build();
    }

    private static ResponseMapper.Builder outage(AccessLogFilter filter, String text) {
        return mapper(filter, Code.UNAVAILABLE)
                .setStatusCode(uint32(503))
                .setBody(text(text))
                .addHeadersToAdd(header("grpc-retry-pushback-ms", PUSHBACK_MILLIS));
    }

    private static ResponseMapper.Builder mapper(AccessLogFilter filter, Code code) {
        return ResponseMapper.newBuilder()
                .setFilter(filter)
                .addHeadersToAdd(header("grpc-status", String.valueOf(code.value())));
    }

    private static HeaderValueOption header(String name, String value) {
        return HeaderValueOption.newBuilder()
                .setHeader(HeaderValue.newBuilder().setKey(name).setValue(value))
                .setAppendAction(HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD)
                .build();
    }

    private static DataSource text(String text) {
        return DataSource.newBuilder().setInlineString(text).build();
    }

    private static AccessLogFilter requestMethod(String method) {
        return AccessLogFilter.newBuilder()
                .setHeaderFilter(HeaderFilter.newBuilder()
                        .setHeader(HeaderMatcher.newBuilder()
                                .setName(":method")
                                .setStringMatch(StringMatcher.newBuilder().setExact(method))))
                .build();
    }

    private static AccessLogFilter flags(String... flags) {
        return AccessLogFilter.newBuilder()
                .setResponseFlagFilter(ResponseFlagFilter.newBuilder().addAllFlags(Arrays.asList(flags)))
                .build();
    }

    private static AccessLogFilter status(ComparisonFilter.Op op, int code) {
        return AccessLogFilter.newBuilder()
                .setStatusCodeFilter(StatusCodeFilter.newBuilder()
                        .setComparison(ComparisonFilter.newBuilder()
                                .setOp(op)
                                .setValue(RuntimeUInt32.newBuilder()
                                        .setDefaultValue(code)
                                        .setRuntimeKey("sallyport.never"))))
                .build();
    }

    private static AccessLogFilter and(AccessLogFilter... filters) {
        return AccessLogFilter.newBuilder()
                .setAndFilter(AndFilter.newBuilder().addAllFilters(Arrays.asList(filters)))
                .build();
    }

    private static AccessLogFilter or(AccessLogFilter... filters) {
        return AccessLogFilter.newBuilder()
                .setOrFilter(OrFilter.newBuilder().addAllFilters(Arrays.asList(filters)))
                .build();
    }
}
