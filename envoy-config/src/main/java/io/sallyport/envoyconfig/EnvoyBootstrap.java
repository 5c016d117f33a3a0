package io.sallyport.envoyconfig;

import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.bootstrap.v3.Admin;
import io.envoyproxy.envoy.config.bootstrap.v3.Bootstrap;
import io.envoyproxy.envoy.config.bootstrap.v3.Bootstrap.StaticResources;
import io.envoyproxy.envoy.config.bootstrap.v3.LayeredRuntime;
import io.envoyproxy.envoy.config.bootstrap.v3.RuntimeLayer;
import io.envoyproxy.envoy.config.core.v3.Node;
import io.sallyport.policy.MethodRule;
import java.util.List;

/** The whole configuration of an Envoy: a pure function of settings and policy. */
final class EnvoyBootstrap {
    private EnvoyBootstrap() {}

    static Bootstrap of(EnvoyConfigSettings settings) {
        return of(settings, settings.policy().rules(), settings.policy().digest());
    }

    static Bootstrap of(EnvoyConfigSettings settings, List<MethodRule> rules, String digest) {
        Bootstrap.Builder bootstrap = Bootstrap.newBuilder()
                .setNode(Node.newBuilder()
                        .setId("sallyport-" + settings.gatewayId())
                        .setCluster("sallyport"))
                .setStaticResources(StaticResources.newBuilder()
                        .addListeners(new HttpListener(settings).of(new Routes(settings, digest).of(rules)))
                        .addAllClusters(Clusters.of(settings)))
                .setOverloadManager(Overload.of(settings.limits()))
                .setLayeredRuntime(runtime(settings.limits()));
        settings.admin()
                .ifPresent(address ->
                        bootstrap.setAdmin(Admin.newBuilder().setAddress(Addresses.listenedPrivately(address))));
        return bootstrap.build();
    }

    /** Static only: no layer that the admin interface could write to. */
    private static LayeredRuntime runtime(Limits limits) {
        String connectionLimit = "envoy.resource_limits.listener." + HttpListener.NAME + ".connection_limit";
        return LayeredRuntime.newBuilder()
                .addLayers(RuntimeLayer.newBuilder()
                        .setName("static")
                        .setStaticLayer(Struct.newBuilder()
                                .putFields(
                                        connectionLimit,
                                        Value.newBuilder()
                                                .setNumberValue(limits.connections())
                                                .build())))
                .build();
    }
}
