package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.any;
import static io.sallyport.envoyconfig.Protos.bool;
import static io.sallyport.envoyconfig.Protos.duration;

import com.google.protobuf.Any;
import io.envoyproxy.envoy.config.common.mutation_rules.v3.HeaderMutationRules;
import io.envoyproxy.envoy.config.core.v3.GrpcService;
import io.envoyproxy.envoy.config.core.v3.GrpcService.EnvoyGrpc;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ExtProcOverrides;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.HeaderForwardingRules;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.MetadataOptions;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.MetadataOptions.MetadataNamespaces;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.HeaderSendMode;
import io.envoyproxy.envoy.type.matcher.v3.ListStringMatcher;
import io.envoyproxy.envoy.type.matcher.v3.StringMatcher;
import io.sallyport.policy.MethodRule;
import java.time.Duration;
import java.util.List;

/**
 * Envoy's side of the stream guard: what a client sends waits, piece by piece, until ext-authz has said that it may go on, and
 * the stream lives as long as ext-authz wants.
 *
 * <p>The filter is on for every route; those without a stream of a sandbox's behind them opt out. The guard learns whose stream it
 * is from what ext-authz said of its beginning, which no client can touch.
 */
final class StreamGuard {
    static final String FILTER = "envoy.filters.http.ext_proc";

    /** What the guard reads: which request it is, for its log. The bearer above all is none of its business. */
    private static final List<String> FOR_THE_GUARD = List.of(":path", "x-request-id");

    /** The longest that the guard may ask Envoy to wait for once ({@code override_message_timeout}). */
    private static final Duration LONGEST_WAIT = Duration.ofHours(1);

    private static final int GRPC_PREFIX = 5;

    /**
     * What comes at once when Envoy begins to read again, and the end of the message before: a piece holds both, and waits
     * with the message that begins in it.
     */
    private static final int BESIDE_A_MESSAGE = 128 << 10;

    private StreamGuard() {}

    /**
     * How much of a stream Envoy keeps while the guard says nothing, in bytes; then it stops reading. Enough for the
     * largest message: one that could not come whole would wait for ever.
     */
    static int heldBytes(int messageLimit) {
        return GRPC_PREFIX + messageLimit + BESIDE_A_MESSAGE;
    }

    /** The filter, as strict as for a stream whose messages name sandboxes. */
    static ExternalProcessor byDefault(Duration timeout) {
        return ExternalProcessor.newBuilder()
                .setGrpcService(GrpcService.newBuilder()
                        .setEnvoyGrpc(EnvoyGrpc.newBuilder()
                                .setClusterName(Clusters.STREAM_GUARD)
                                .setAuthority(Clusters.EXT_AUTHZ)
                                .setSkipEnvoyHeaders(true)))
                .setFailureModeAllow(false)
                .setProcessingMode(mode(BodySendMode.STREAMED))
                .setMessageTimeout(duration(timeout))
                .setMaxMessageTimeout(duration(LONGEST_WAIT))
                .setStatPrefix("sallyport")
                .setMutationRules(HeaderMutationRules.newBuilder()
                        .setDisallowAll(bool(true))
                        .setDisallowIsError(bool(true)))
                .setForwardRules(HeaderForwardingRules.newBuilder()
                        .setAllowedHeaders(ListStringMatcher.newBuilder()
                                .addAllPatterns(FOR_THE_GUARD.stream()
                                        .map(name -> StringMatcher.newBuilder()
                                                .setExact(name)
                                                .build())
                                        .toList())))
                .setAllowModeOverride(false)
                .setDisableImmediateResponse(false)
                .setMetadataOptions(MetadataOptions.newBuilder()
                        .setForwardingNamespaces(MetadataNamespaces.newBuilder().addUntyped(Authorization.FILTER)))
                .setDisableClearRouteCache(true)
                .build();
    }

    /** What a method's route says instead. */
    static Any perRoute(MethodRule rule) {
        if (!rule.guarded()) {
            return off();
        }
        // A tunnel: not a byte of it is read, and its life is guarded all the same.
        BodySendMode body = rule.messages().opaque() ? BodySendMode.NONE : BodySendMode.STREAMED;
        return any(ExtProcPerRoute.newBuilder()
                .setOverrides(ExtProcOverrides.newBuilder().setProcessingMode(mode(body)))
                .build());
    }

    /** No guard: for unary calls, for users, and where nothing is behind the route. */
    static Any off() {
        return any(ExtProcPerRoute.newBuilder().setDisabled(true).build());
    }

    /**
     * Trailers of the answer are asked for, although nobody reads them: without them Envoy lets go of the guard as soon as the
     * client has said its last word, and could not be told to end the stream any more.
     */
    private static ProcessingMode mode(BodySendMode requestBody) {
        return ProcessingMode.newBuilder()
                .setRequestHeaderMode(HeaderSendMode.SEND)
                .setRequestBodyMode(requestBody)
                .setRequestTrailerMode(HeaderSendMode.SEND)
                .setResponseHeaderMode(HeaderSendMode.SKIP)
                .setResponseBodyMode(BodySendMode.NONE)
                .setResponseTrailerMode(HeaderSendMode.SEND)
                .build();
    }
}
