package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.any;
import static io.sallyport.envoyconfig.Protos.bool;
import static io.sallyport.envoyconfig.Protos.duration;
import static io.sallyport.envoyconfig.Protos.uint32;

import com.google.protobuf.UInt32Value;
import io.envoyproxy.envoy.config.cluster.v3.CircuitBreakers;
import io.envoyproxy.envoy.config.cluster.v3.CircuitBreakers.Thresholds;
import io.envoyproxy.envoy.config.cluster.v3.Cluster;
import io.envoyproxy.envoy.config.core.v3.Http2ProtocolOptions;
import io.envoyproxy.envoy.config.core.v3.KeepaliveSettings;
import io.envoyproxy.envoy.config.core.v3.RoutingPriority;
import io.envoyproxy.envoy.config.endpoint.v3.ClusterLoadAssignment;
import io.envoyproxy.envoy.config.endpoint.v3.Endpoint;
import io.envoyproxy.envoy.config.endpoint.v3.LbEndpoint;
import io.envoyproxy.envoy.config.endpoint.v3.LocalityLbEndpoints;
import io.envoyproxy.envoy.extensions.upstreams.http.v3.HttpProtocolOptions;
import io.envoyproxy.envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig;
import io.sallyport.base.net.Endpoint.Tcp;
import io.sallyport.envoyconfig.EnvoyConfigSettings.Upstream;
import java.time.Duration;
import java.util.List;

/**
 * The parts Envoy calls, each with a pool and a circuit breaker of its own, so that none can use up another's.
 *
 * <p>The gateway stands here three times, and ext-authz too: users' calls, streams that live for days, and pods that wait for
 * their cluster's word are counted apart from sandboxes' unary calls. To the gateway, no connection is shared by two
 * clients: one that makes the gateway hang up, by calls that it breaks off, loses its own.
 */
final class Clusters {
    static final String EXT_AUTHZ = "ext-authz";
    static final String POD_AUTHORIZATION = "pod-authorization";
    static final String STREAM_GUARD = "stream-guard";
    static final String ISSUER = "issuer";
    static final String GATEWAY = "gateway";
    static final String GATEWAY_STREAMS = "gateway-streams";
    static final String GATEWAY_USERS = "gateway-users";

    private static final String HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

    /**
     * Before a call on a connection that was idle this long, a ping tells whether anybody is there. No regular pings: gRPC
     * servers take those without calls for abuse and hang up (grpc-java allows one in two hours).
     */
    private static final KeepaliveSettings ON_USE = KeepaliveSettings.newBuilder()
            .setConnectionIdleInterval(duration(Duration.ofSeconds(60)))
            .setTimeout(duration(Duration.ofSeconds(5)))
            .build();

    /**
     * A guard that has frozen holds streams open that should be cut, and nothing else says so: Envoy waits for no answer
     * while a stream is silent. Our own server allows a ping each second.
     */
    private static final KeepaliveSettings ALWAYS = KeepaliveSettings.newBuilder()
            .setInterval(duration(Duration.ofSeconds(1)))
            .setTimeout(duration(Duration.ofSeconds(3)))
            .build();

    private static final int BUFFER_BYTES = 256 << 10;
    private static final int STREAM_WINDOW = 64 << 10;

    /** Room for the windows of all the calls on a connection: those whose clients do not read must not hold up the others. */
    private static final int CONNECTION_WINDOW = 8 << 20;

    /**
     * Calls on one connection to the gateway; more open another one. How many a server takes it says only in its first
     * answer, and what was sent before is refused beyond it, 100 with many servers.
     */
    private static final int GATEWAY_CALLS = 100;

    /**
     * Whose client has gone is of no use to anybody else; Envoy notices that by its idleness alone. Nothing else bounds how
     * many clients that come and go leave behind.
     */
    private static final Duration GATEWAY_IDLE = Duration.ofSeconds(1);

    private Clusters() {}

    static List<Cluster> of(EnvoyConfigSettings settings) {
        Limits limits = settings.limits();
        return List.of(
                cluster(
                        EXT_AUTHZ,
                        settings.extAuthz(),
                        limits.authorizationRequests(),
                        http2(ON_USE).build(),
                        limits),
                cluster(
                        POD_AUTHORIZATION,
                        settings.extAuthz(),
                        limits.podAuthorizationRequests(),
                        http2(ON_USE).build(),
                        limits),
                cluster(
                        STREAM_GUARD,
                        settings.extAuthz(),
                        limits.guardedStreams(),
                        http2(ALWAYS).build(),
                        limits),
                cluster(
                        ISSUER,
                        settings.issuer(),
                        limits.issuerRequests(),
                        http2(ON_USE).build(),
                        limits),
                gateway(GATEWAY, limits.gatewayRequests(), settings),
                gateway(GATEWAY_STREAMS, limits.guardedStreams(), settings),
                gateway(GATEWAY_USERS, limits.userRequests(), settings));
    }

    /**
     * The gateway, with connections for each client's connection. Gateways that count resets give up a connection with all
     * that is on it, and every call that a client takes back is one.
     */
    private static Cluster gateway(String name, int requests, EnvoyConfigSettings settings) {
        Limits limits = settings.limits();
        Http2ProtocolOptions http2 =
                http2(ON_USE).setMaxConcurrentStreams(uint32(GATEWAY_CALLS)).build();
        Cluster.Builder cluster = cluster(name, settings.gateway(), requests, http2, limits).toBuilder()
                .setConnectionPoolPerDownstreamConnection(true)
                .putTypedExtensionProtocolOptions(
                        HTTP_OPTIONS,
                        any(onlyHttp2(http2).toBuilder()
                                .setCommonHttpProtocolOptions(
                                        io.envoyproxy.envoy.config.core.v3.HttpProtocolOptions.newBuilder()
                                                .setIdleTimeout(duration(GATEWAY_IDLE)))
                                .build()));
        // One for each client, and as many again of clients that have just gone. Pools have no bound: at one, Envoy
        // frees an idle pool to make room, and dies of that (1.40, SIGSEGV).
        UInt32Value most = uint32(2 * limits.connections());
        cluster.getCircuitBreakersBuilder()
                .getThresholdsBuilderList()
                .forEach(thresholds -> thresholds.setMaxConnections(most));
        return cluster.build();
    }

    private static Cluster cluster(
            String name, Upstream upstream, int requests, Http2ProtocolOptions http2, Limits limits) {
        boolean named = upstream.address() instanceof Tcp tcp && !Addresses.isNumeric(tcp);
        Cluster.Builder cluster = Cluster.newBuilder()
                .setName(name)
                .setType(named ? Cluster.DiscoveryType.STRICT_DNS : Cluster.DiscoveryType.STATIC)
                .setConnectTimeout(duration(limits.connect()))
                .setPerConnectionBufferLimitBytes(uint32(BUFFER_BYTES))
                .setLoadAssignment(ClusterLoadAssignment.newBuilder()
                        .setClusterName(name)
                        .addEndpoints(LocalityLbEndpoints.newBuilder()
                                .addLbEndpoints(LbEndpoint.newBuilder()
                                        .setEndpoint(Endpoint.newBuilder()
                                                .setAddress(Addresses.called(upstream.address()))))))
                .setCircuitBreakers(circuitBreakers(requests))
                .putTypedExtensionProtocolOptions(HTTP_OPTIONS, any(onlyHttp2(http2)));
        upstream.tls().ifPresent(tls -> cluster.setTransportSocket(TransportSockets.upstream(tls)));
        return cluster.build();
    }

    /**
     * Both priorities, because a priority without thresholds has Envoy's defaults, 1,024 of everything. Nothing is ever
     * retried: a call that was doubled could act twice.
     */
    private static CircuitBreakers circuitBreakers(int requests) {
        CircuitBreakers.Builder breakers = CircuitBreakers.newBuilder();
        for (RoutingPriority priority : List.of(RoutingPriority.DEFAULT, RoutingPriority.HIGH)) {
            breakers.addThresholds(Thresholds.newBuilder()
                    .setPriority(priority)
                    .setMaxConnections(uint32(1024))
                    .setMaxPendingRequests(uint32(requests))
                    .setMaxRequests(uint32(requests))
                    .setMaxRetries(uint32(0))
                    .setTrackRemaining(true));
        }
        return breakers.build();
    }

    private static HttpProtocolOptions onlyHttp2(Http2ProtocolOptions http2) {
        return HttpProtocolOptions.newBuilder()
                .setExplicitHttpConfig(ExplicitHttpConfig.newBuilder().setHttp2ProtocolOptions(http2))
                .build();
    }

    private static Http2ProtocolOptions.Builder http2(KeepaliveSettings pings) {
        return Http2ProtocolOptions.newBuilder()
                .setInitialStreamWindowSize(uint32(STREAM_WINDOW))
                .setInitialConnectionWindowSize(uint32(CONNECTION_WINDOW))
                .setOverrideStreamErrorOnInvalidHttpMessage(bool(true))
                .setConnectionKeepalive(pings);
    }
}
