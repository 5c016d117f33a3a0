package io.sallyport.envoyconfig;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Value;
import com.google.protobuf.util.Durations;
import io.envoyproxy.envoy.config.bootstrap.v3.Bootstrap;
import io.envoyproxy.envoy.config.cluster.v3.CircuitBreakers.Thresholds;
import io.envoyproxy.envoy.config.cluster.v3.Cluster;
import io.envoyproxy.envoy.config.core.v3.HttpProtocolOptions.HeadersWithUnderscoresAction;
import io.envoyproxy.envoy.config.core.v3.KeepaliveSettings;
import io.envoyproxy.envoy.config.core.v3.RoutingPriority;
import io.envoyproxy.envoy.config.listener.v3.Listener;
import io.envoyproxy.envoy.extensions.access_loggers.file.v3.FileAccessLog;
import io.envoyproxy.envoy.extensions.filters.http.ext_authz.v3.ExtAuthz;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.HeaderSendMode;
import io.envoyproxy.envoy.extensions.filters.http.rbac.v3.RBAC;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.CodecType;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertDetails;
import io.envoyproxy.envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter;
import io.envoyproxy.envoy.extensions.upstreams.http.v3.HttpProtocolOptions;
import io.envoyproxy.envoy.type.matcher.v3.StringMatcher;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the whole bootstrap says besides its routes. */
class EnvoyBootstrapTest {
    @TempDir
    Path directory;

    private Bootstrap bootstrap(SettingsText text) {
        return EnvoyBootstrap.of(text.load(directory));
    }

    private HttpConnectionManager connectionManager() throws Exception {
        return listener().getFilterChains(0).getFilters(0).getTypedConfig().unpack(HttpConnectionManager.class);
    }

    private Listener listener() {
        Bootstrap bootstrap = bootstrap(new SettingsText());
        assertThat(bootstrap.getStaticResources().getListenersList()).hasSize(1);
        Listener listener = bootstrap.getStaticResources().getListeners(0);
        assertThat(listener.getFilterChainsList()).hasSize(1);
        return listener;
    }

    @Test
    void nothingComesFromAnywhereElse() {
        Bootstrap bootstrap = bootstrap(new SettingsText());

        assertThat(bootstrap.hasDynamicResources()).isFalse();
        assertThat(bootstrap.hasAdmin()).isFalse();
        assertThat(bootstrap.getLayeredRuntime().getLayersList())
                .singleElement()
                .satisfies(layer -> assertThat(layer.hasStaticLayer()).isTrue());
    }

    @Test
    void theListenerSpeaksHttp2WithinLimits() throws Exception {
        HttpConnectionManager manager = connectionManager();

        assertThat(manager.getCodecType()).isEqualTo(CodecType.HTTP2);
        assertThat(manager.getHttp2ProtocolOptions().getMaxConcurrentStreams().getValue())
                .isBetween(1, 100);
        assertThat(manager.getHttp2ProtocolOptions().getAllowConnect()).isFalse();
        assertThat(manager.getUpgradeConfigsList()).isEmpty();
        assertThat(manager.getMaxRequestHeadersKb().getValue()).isEqualTo(80);
        assertThat(Durations.toSeconds(manager.getRequestHeadersTimeout())).isEqualTo(10);
        assertThat(listener().getEnableReusePort().getValue()).isFalse();
        assertThat(listener().hasEnableReusePort()).isTrue();
        assertThat(listener().hasPerConnectionBufferLimitBytes()).isTrue();
    }

    /** A path, a header, an agent's name: a client could write a secret into each, or a line of its own. */
    @Test
    void theAccessLogHasNothingThatAClientChose() throws Exception {
        FileAccessLog log = bootstrap(new SettingsText().with("access-log", directory.resolve("access.log")))
                .getStaticResources()
                .getListeners(0)
                .getFilterChains(0)
                .getFilters(0)
                .getTypedConfig()
                .unpack(HttpConnectionManager.class)
                .getAccessLog(0)
                .getTypedConfig()
                .unpack(FileAccessLog.class);
        assertThat(log.getLogFormat().getJsonFormat().getFieldsMap().values().stream()
                        .map(Value::getStringValue))
                .containsExactlyInAnyOrder(
                        "%START_TIME%",
                        "%REQ(X-REQUEST-ID)%", // Envoy's own: a client's is not kept
                        "%ROUTE_NAME%",
                        "%GRPC_STATUS_NUMBER%",
                        "%RESPONSE_CODE%",
                        "%RESPONSE_CODE_DETAILS%",
                        "%RESPONSE_FLAGS%",
                        "%UPSTREAM_CLUSTER%",
                        "%DURATION%",
                        "%BYTES_RECEIVED%",
                        "%BYTES_SENT%",
                        "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%");
    }

    @Test
    void nothingOfTheClientsOwnAccountOfItselfCounts() throws Exception {
        HttpConnectionManager manager = connectionManager();

        assertThat(manager.getUseRemoteAddress().getValue()).isTrue();
        assertThat(manager.getEarlyHeaderMutationExtensionsList()).hasSize(1);
        assertThat(manager.getCommonHttpProtocolOptions().getHeadersWithUnderscoresAction())
                .isEqualTo(HeadersWithUnderscoresAction.DROP_HEADER);
        assertThat(manager.getForwardClientCertDetails()).isEqualTo(ForwardClientCertDetails.SANITIZE);
        assertThat(manager.getPreserveExternalRequestId()).isFalse();
        assertThat(manager.getNormalizePath().getValue()).isFalse();
        assertThat(manager.getMergeSlashes()).isFalse();
    }

    @Test
    void extAuthzFailsClosedAndReadsWholeBodiesUnlessARouteOptsOut() throws Exception {
        HttpConnectionManager manager = connectionManager();
        assertThat(manager.getHttpFiltersList().stream().map(HttpFilter::getName))
                .containsExactly(
                        "envoy.filters.http.header_mutation",
                        "envoy.filters.http.ext_authz",
                        "envoy.filters.http.rbac",
                        "envoy.filters.http.ext_proc",
                        "envoy.filters.http.router");
        assertThat(manager.getHttpFiltersList()).noneMatch(filter -> filter.getDisabled() || filter.getIsOptional());

        ExtAuthz extAuthz = manager.getHttpFilters(1).getTypedConfig().unpack(ExtAuthz.class);

        assertThat(extAuthz.getFailureModeAllow()).isFalse();
        assertThat(extAuthz.getStatusOnError().getCodeValue()).isEqualTo(503);
        assertThat(extAuthz.hasFilterEnabled()).isFalse();
        assertThat(extAuthz.getWithRequestBody().getPackAsBytes()).isTrue();
        assertThat(extAuthz.getWithRequestBody().getAllowPartialMessage()).isFalse();
        assertThat(extAuthz.getClearRouteCache()).isFalse();
        assertThat(extAuthz.getIncludePeerCertificate()).isFalse();
        assertThat(Durations.toMillis(extAuthz.getGrpcService().getTimeout())).isEqualTo(1000);
        assertThat(extAuthz.getGrpcService().hasRetryPolicy()).isFalse();
    }

    /** A route that says nothing of its own is held to what a sandbox's method is held to. */
    @Test
    void aYesNamesASandboxUnlessARouteOptsOut() throws Exception {
        RBAC check = connectionManager().getHttpFilters(2).getTypedConfig().unpack(RBAC.class);

        assertThat(check.getRules().getAction()).isEqualTo(io.envoyproxy.envoy.config.rbac.v3.RBAC.Action.ALLOW);
        assertThat(check.getRules().getPoliciesMap().values())
                .singleElement()
                .satisfies(policy -> assertThat(policy.getPermissionsList())
                        .singleElement()
                        .satisfies(permission -> {
                            assertThat(permission.getHeader().getName()).isEqualTo("x-sandbox-principal");
                            assertThat(permission.getHeader().getStringMatch().getPrefix())
                                    .isEqualTo("sandbox;id=");
                        }));
    }

    @Test
    void theStreamGuardFailsClosedChangesNothingAndIsToldNoSecret() throws Exception {
        ExternalProcessor guard =
                connectionManager().getHttpFilters(3).getTypedConfig().unpack(ExternalProcessor.class);

        assertThat(guard.getFailureModeAllow()).isFalse();
        assertThat(guard.getGrpcService().getEnvoyGrpc().getClusterName()).isEqualTo("stream-guard");
        assertThat(guard.getGrpcService().hasTimeout()).isFalse();
        assertThat(guard.getProcessingMode())
                .isEqualTo(ProcessingMode.newBuilder()
                        .setRequestHeaderMode(HeaderSendMode.SEND)
                        .setRequestBodyMode(BodySendMode.STREAMED)
                        .setRequestTrailerMode(HeaderSendMode.SEND)
                        .setResponseHeaderMode(HeaderSendMode.SKIP)
                        .setResponseBodyMode(BodySendMode.NONE)
                        .setResponseTrailerMode(HeaderSendMode.SEND)
                        .build());
        assertThat(guard.getMutationRules().getDisallowAll().getValue()).isTrue();
        assertThat(guard.getAllowModeOverride()).isFalse();
        assertThat(guard.getDisableImmediateResponse()).isFalse();
        assertThat(guard.getDisableClearRouteCache()).isTrue();
        assertThat(guard.getMetadataOptions().getForwardingNamespaces().getUntypedList())
                .containsExactly("envoy.filters.http.ext_authz");
        assertThat(guard.getMetadataOptions().hasReceivingNamespaces()).isFalse();
        assertThat(guard.getForwardRules().getAllowedHeaders().getPatternsList().stream()
                        .map(StringMatcher::getExact))
                .containsExactlyInAnyOrder(":path", "x-request-id");
        assertThat(Durations.toMillis(guard.getMessageTimeout())).isEqualTo(60_000);
    }

    @Test
    void aGuardThatHasFrozenIsNoticedWithinSecondsAndNobodyElseIsPingedWithoutACall() throws Exception {
        for (Cluster cluster :
                bootstrap(new SettingsText()).getStaticResources().getClustersList()) {
            KeepaliveSettings pings = cluster.getTypedExtensionProtocolOptionsMap()
                    .values()
                    .iterator()
                    .next()
                    .unpack(HttpProtocolOptions.class)
                    .getExplicitHttpConfig()
                    .getHttp2ProtocolOptions()
                    .getConnectionKeepalive();
            boolean guard = cluster.getName().equals("stream-guard");
            assertThat(pings.hasInterval()).as(cluster.getName()).isEqualTo(guard);
            if (guard) {
                assertThat(Durations.toMillis(pings.getInterval()) + Durations.toMillis(pings.getTimeout()))
                        .isLessThanOrEqualTo(5000);
            }
        }
    }

    @Test
    void everyPartHasAPoolOfItsOwnThatEndsAndRetriesNothing() throws Exception {
        Bootstrap bootstrap = bootstrap(new SettingsText());

        assertThat(bootstrap.getStaticResources().getClustersList().stream().map(Cluster::getName))
                .containsExactly(
                        "ext-authz",
                        "pod-authorization",
                        "stream-guard",
                        "issuer",
                        "gateway",
                        "gateway-streams",
                        "gateway-users");
        for (Cluster cluster : bootstrap.getStaticResources().getClustersList()) {
            assertThat(cluster.getCircuitBreakers().getThresholdsList().stream().map(Thresholds::getPriority))
                    .containsExactlyInAnyOrder(RoutingPriority.DEFAULT, RoutingPriority.HIGH);
            assertThat(cluster.getCircuitBreakers().getThresholdsList()).allSatisfy(thresholds -> {
                assertThat(thresholds.getMaxConnections().getValue()).isPositive();
                assertThat(thresholds.getMaxPendingRequests().getValue()).isPositive();
                assertThat(thresholds.getMaxRequests().getValue()).isPositive();
                assertThat(thresholds.hasMaxConnectionPools())
                        .as("at a bound Envoy dies, see EnvoyConnectionsTest")
                        .isFalse();
                assertThat(thresholds.hasMaxRetries()).isTrue();
                assertThat(thresholds.getMaxRetries().getValue()).isZero();
            });
            assertThat(cluster.getTypedExtensionProtocolOptionsMap().values())
                    .singleElement()
                    .satisfies(options -> assertThat(options.unpack(HttpProtocolOptions.class)
                                    .getExplicitHttpConfig()
                                    .hasHttp2ProtocolOptions())
                            .isTrue());
            assertThat(cluster.hasTransportSocket()).isFalse();
        }
    }

    @Test
    void theLimitsAreTheSettings() throws Exception {
        Bootstrap bootstrap = bootstrap(
                new SettingsText()
                        .with(
                                "limits",
                                "{connections: 17, streams-per-connection: 3, header-bytes: 16KiB, authorization: 250ms,"
                                        + " authorization-requests: 101, issuer-requests: 102, gateway-requests: 103,"
                                        + " user-requests: 104, guarded-streams: 105, pod-authorization-requests: 106, guard: 350ms, heap: 256MiB}"));
        HttpConnectionManager manager = bootstrap
                .getStaticResources()
                .getListeners(0)
                .getFilterChains(0)
                .getFilters(0)
                .getTypedConfig()
                .unpack(HttpConnectionManager.class);

        assertThat(manager.getHttp2ProtocolOptions().getMaxConcurrentStreams().getValue())
                .isEqualTo(3);
        assertThat(manager.getMaxRequestHeadersKb().getValue()).isEqualTo(16);
        assertThat(Durations.toMillis(manager.getHttpFilters(1)
                        .getTypedConfig()
                        .unpack(ExtAuthz.class)
                        .getGrpcService()
                        .getTimeout()))
                .isEqualTo(250);
        assertThat(Durations.toMillis(manager.getHttpFilters(3)
                        .getTypedConfig()
                        .unpack(ExternalProcessor.class)
                        .getMessageTimeout()))
                .isEqualTo(350);
        assertThat(bootstrap.getStaticResources().getClustersList().stream()
                        .map(cluster -> cluster.getCircuitBreakers()
                                .getThresholds(0)
                                .getMaxRequests()
                                .getValue()))
                .containsExactly(101, 106, 105, 102, 103, 105, 104);
        assertThat(bootstrap.getOverloadManager().toString()).contains("fixed_heap", "downstream_max_connections");
        assertThat(bootstrap
                        .getLayeredRuntime()
                        .getLayers(0)
                        .getStaticLayer()
                        .getFieldsOrThrow("envoy.resource_limits.listener.sallyport.connection_limit")
                        .getNumberValue())
                .isEqualTo(17);
    }

    @Test
    void admittedAddressesAreWrittenAsTheyAre() {
        Bootstrap bootstrap = bootstrap(new SettingsText()
                .with("listen", "unix:/run/envoy.sock")
                .with("admin", "unix:/run/admin.sock")
                .upstreams("unix:/run/a.sock", "localhost:1", "[::1]:2"));

        assertThat(bootstrap
                        .getStaticResources()
                        .getListeners(0)
                        .getAddress()
                        .getPipe()
                        .getPath())
                .isEqualTo("/run/envoy.sock");
        assertThat(bootstrap.getAdmin().getAddress().getPipe().getMode()).isEqualTo(0600);
        assertThat(Stream.of(0, 3, 4)
                        .map(index -> bootstrap
                                .getStaticResources()
                                .getClusters(index)
                                .getLoadAssignment()
                                .getEndpoints(0)
                                .getLbEndpoints(0)
                                .getEndpoint()
                                .getAddress())
                        .map(address -> address.hasPipe()
                                ? address.getPipe().getPath()
                                : address.getSocketAddress().getAddress()))
                .containsExactly("/run/a.sock", "127.0.0.1", "::1");
    }
}
