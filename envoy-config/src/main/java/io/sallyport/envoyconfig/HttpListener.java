package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.any;
import static io.sallyport.envoyconfig.Protos.bool;
import static io.sallyport.envoyconfig.Protos.duration;
import static io.sallyport.envoyconfig.Protos.uint32;

import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.accesslog.v3.AccessLog;
import io.envoyproxy.envoy.config.core.v3.Http2ProtocolOptions;
import io.envoyproxy.envoy.config.core.v3.Http2ProtocolOptions.SettingsParameter;
import io.envoyproxy.envoy.config.core.v3.HttpProtocolOptions;
import io.envoyproxy.envoy.config.core.v3.HttpProtocolOptions.HeadersWithUnderscoresAction;
import io.envoyproxy.envoy.config.core.v3.KeepaliveSettings;
import io.envoyproxy.envoy.config.core.v3.SocketOption;
import io.envoyproxy.envoy.config.core.v3.SubstitutionFormatString;
import io.envoyproxy.envoy.config.listener.v3.Filter;
import io.envoyproxy.envoy.config.listener.v3.FilterChain;
import io.envoyproxy.envoy.config.listener.v3.Listener;
import io.envoyproxy.envoy.config.route.v3.RouteConfiguration;
import io.envoyproxy.envoy.extensions.access_loggers.file.v3.FileAccessLog;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.CodecType;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertDetails;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.PathWithEscapedSlashesAction;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ServerHeaderTransformation;
import io.sallyport.base.net.Endpoint;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Where clients come in: HTTP/2 only, bounded in every direction before anybody has been asked. */
final class HttpListener {
    static final String NAME = "sallyport";

    private static final int KIB = 1 << 10;

    /** The smallest there is (RFC 9113): what one call may have in flight before Envoy has looked at it. */
    private static final int STREAM_WINDOW = 64 * KIB;

    /** The setting's number (RFC 9113); Envoy has no name for it. */
    private static final int SETTINGS_MAX_FRAME_SIZE = 5;

    private static final int CONNECTION_WINDOW = 1024 * KIB;
    private static final int BUFFER_BYTES = 64 * KIB;

    /** How long headers, and a TLS handshake, may take to arrive. */
    private static final Duration SLOW_START = Duration.ofSeconds(10);

    /** For a call no route claims; every route sets its own. */
    private static final Duration STREAM_IDLE = Duration.ofSeconds(30);

    private static final Duration PING = Duration.ofSeconds(60);
    private static final Duration PING_TIMEOUT = Duration.ofSeconds(20);

    /** Nothing that a client chose freely, so that the log can neither hold a secret nor be written by a stranger. */
    private static final Map<String, String> LOG_LINE = new TreeMap<>(Map.ofEntries(
            Map.entry("time", "%START_TIME%"),
            Map.entry("request_id", "%REQ(X-REQUEST-ID)%"),
            Map.entry("method", "%ROUTE_NAME%"),
            Map.entry("grpc_status", "%GRPC_STATUS_NUMBER%"),
            Map.entry("http_status", "%RESPONSE_CODE%"),
            Map.entry("details", "%RESPONSE_CODE_DETAILS%"),
            Map.entry("flags", "%RESPONSE_FLAGS%"),
            Map.entry("cluster", "%UPSTREAM_CLUSTER%"),
            Map.entry("duration_ms", "%DURATION%"),
            Map.entry("received_bytes", "%BYTES_RECEIVED%"),
            Map.entry("sent_bytes", "%BYTES_SENT%"),
            Map.entry("peer", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%")));

    /** Linux: SO_KEEPALIVE, then after 60 s of silence a probe each 15 s, gone after four. */
    private static final List<SocketOption> TCP_KEEPALIVE = List.of(
            option("SO_KEEPALIVE", 1, 9, 1),
            option("TCP_KEEPIDLE", 6, 4, 60),
            option("TCP_KEEPINTVL", 6, 5, 15),
            option("TCP_KEEPCNT", 6, 6, 4));

    private final EnvoyConfigSettings settings;

    HttpListener(EnvoyConfigSettings settings) {
        this.settings = settings;
    }

    Listener of(RouteConfiguration routes) {
        FilterChain.Builder chain = FilterChain.newBuilder()
                .setTransportSocketConnectTimeout(duration(SLOW_START))
                .addFilters(Filter.newBuilder()
                        .setName("envoy.filters.network.http_connection_manager")
                        .setTypedConfig(any(connectionManager(routes))));
        settings.tls().ifPresent(tls -> chain.setTransportSocket(TransportSockets.downstream(tls)));
        Listener.Builder listener = Listener.newBuilder()
                .setName(NAME)
                .setAddress(Addresses.listened(settings.listen()))
                .setPerConnectionBufferLimitBytes(uint32(BUFFER_BYTES))
                // With SO_REUSEPORT a second process of the same user could listen beside us and take calls.
                .setEnableReusePort(bool(false))
                .addFilterChains(chain);
        if (settings.listen() instanceof Endpoint.Tcp) {
            listener.addAllSocketOptions(TCP_KEEPALIVE);
        }
        return listener.build();
    }

    private HttpConnectionManager connectionManager(RouteConfiguration routes) {
        Limits limits = settings.limits();
        HttpConnectionManager.Builder manager = HttpConnectionManager.newBuilder()
                .setStatPrefix(NAME)
                // gRPC needs HTTP/2, and what is not parsed cannot be smuggled: HTTP/1.1 ends at its first line.
                .setCodecType(CodecType.HTTP2)
                .setHttp2ProtocolOptions(http2(limits))
                .setCommonHttpProtocolOptions(HttpProtocolOptions.newBuilder()
                        .setIdleTimeout(duration(limits.connectionIdle()))
                        .setHeadersWithUnderscoresAction(HeadersWithUnderscoresAction.DROP_HEADER))
                .setMaxRequestHeadersKb(uint32(limits.headerBytes() / KIB))
                .setRequestHeadersTimeout(duration(SLOW_START))
                .setStreamIdleTimeout(duration(STREAM_IDLE))
                .setUseRemoteAddress(bool(true))
                .addEarlyHeaderMutationExtensions(HttpFilters.cleanHeaders())
                .setGenerateRequestId(bool(true))
                .setPreserveExternalRequestId(false)
                .setForwardClientCertDetails(ForwardClientCertDetails.SANITIZE)
                .setServerHeaderTransformation(ServerHeaderTransformation.PASS_THROUGH)
                // The path is compared as it came. What Envoy would tidy up, ext-authz and the gateway might read
                // otherwise.
                .setNormalizePath(bool(false))
                .setMergeSlashes(false)
                .setPathWithEscapedSlashesAction(PathWithEscapedSlashesAction.REJECT_REQUEST)
                .setLocalReplyConfig(LocalReplies.config())
                .addAllHttpFilters(HttpFilters.of(settings))
                .setRouteConfig(routes);
        settings.accessLog().ifPresent(file -> manager.addAccessLog(accessLog(file)));
        return manager.build();
    }

    private static Http2ProtocolOptions http2(Limits limits) {
        return Http2ProtocolOptions.newBuilder()
                .setMaxConcurrentStreams(uint32(limits.streamsPerConnection()))
                .setInitialStreamWindowSize(uint32(STREAM_WINDOW))
                .setInitialConnectionWindowSize(uint32(CONNECTION_WINDOW))
                // A frame may be as large as the window: each that arrives is a piece of its own to the stream guard.
                .addCustomSettingsParameters(SettingsParameter.newBuilder()
                        .setIdentifier(uint32(SETTINGS_MAX_FRAME_SIZE))
                        .setValue(uint32(STREAM_WINDOW)))
                .setAllowConnect(false)
                .setAllowMetadata(false)
                // One bad call does not take the other calls of its connection with it.
                .setOverrideStreamErrorOnInvalidHttpMessage(bool(true))
                .setConnectionKeepalive(KeepaliveSettings.newBuilder()
                        .setInterval(duration(PING))
                        .setTimeout(duration(PING_TIMEOUT)))
                .build();
    }

    private static AccessLog accessLog(Path file) {
        Struct.Builder line = Struct.newBuilder();
        LOG_LINE.forEach((key, format) ->
                line.putFields(key, Value.newBuilder().setStringValue(format).build()));
        return AccessLog.newBuilder()
                .setName("envoy.access_loggers.file")
                .setTypedConfig(any(FileAccessLog.newBuilder()
                        .setPath(file.toString())
                        .setLogFormat(SubstitutionFormatString.newBuilder().setJsonFormat(line))
                        .build()))
                .build();
    }

    private static SocketOption option(String description, long level, long name, long value) {
        return SocketOption.newBuilder()
                .setDescription(description)
                .setLevel(level)
                .setName(name)
                .setIntValue(value)
                .setState(SocketOption.SocketState.STATE_PREBIND)
                .build();
    }
}
