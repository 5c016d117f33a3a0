package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.any;
import static io.sallyport.envoyconfig.Protos.duration;

import com.google.protobuf.Message;
import io.envoyproxy.envoy.config.overload.v3.BufferFactoryConfig;
import io.envoyproxy.envoy.config.overload.v3.OverloadAction;
import io.envoyproxy.envoy.config.overload.v3.OverloadManager;
import io.envoyproxy.envoy.config.overload.v3.ResourceMonitor;
import io.envoyproxy.envoy.config.overload.v3.ScaleTimersOverloadActionConfig;
import io.envoyproxy.envoy.config.overload.v3.ScaleTimersOverloadActionConfig.ScaleTimer;
import io.envoyproxy.envoy.config.overload.v3.ScaleTimersOverloadActionConfig.TimerType;
import io.envoyproxy.envoy.config.overload.v3.ScaledTrigger;
import io.envoyproxy.envoy.config.overload.v3.ThresholdTrigger;
import io.envoyproxy.envoy.config.overload.v3.Trigger;
import io.envoyproxy.envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig;
import io.envoyproxy.envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig;
import java.time.Duration;

/**
 * What Envoy does when its memory runs short, the mildest first.
 *
 * <p>From 60 % of the heap on idle connections are let go sooner; from 70 % on the streams that hold the most memory are
 * reset, which are those of a caller that sends bodies and never ends them; at 95 % new calls get UNAVAILABLE; at 98 %
 * new connections are refused. A caller with ordinary calls is the last to notice. Keep-alive stays on: ending it would
 * send every client away at once, to come back with a new connection.
 */
final class Overload {
    private static final String HEAP = "envoy.resource_monitors.fixed_heap";
    private static final String CONNECTIONS = "envoy.resource_monitors.global_downstream_max_connections";

    /** Streams that hold 2^14 = 16 KiB or more are counted, the largest go first. */
    private static final int SMALLEST_TRACKED_POWER_OF_TWO = 14;

    private Overload() {}

    static OverloadManager of(Limits limits) {
        return OverloadManager.newBuilder()
                .setRefreshInterval(duration(Duration.ofMillis(100)))
                .addResourceMonitors(monitor(
                        HEAP,
                        FixedHeapConfig.newBuilder()
                                .setMaxHeapSizeBytes(limits.heapBytes())
                                .build()))
                .addResourceMonitors(monitor(
                        CONNECTIONS,
                        DownstreamConnectionsConfig.newBuilder()
                                .setMaxActiveDownstreamConnections(limits.connections())
                                .build()))
                .addActions(action("envoy.overload_actions.reduce_timeouts", from(0.60, 0.90))
                        .setTypedConfig(any(shorterTimeouts())))
                .addActions(action("envoy.overload_actions.reset_high_memory_stream", from(0.70, 0.90)))
                .addActions(action("envoy.overload_actions.shrink_heap", at(0.85)))
                .addActions(action("envoy.overload_actions.stop_accepting_requests", at(0.95)))
                .addActions(action("envoy.overload_actions.reject_incoming_connections", at(0.98)))
                .setBufferFactoryConfig(BufferFactoryConfig.newBuilder()
                        .setMinimumAccountToTrackPowerOfTwo(SMALLEST_TRACKED_POWER_OF_TWO))
                .build();
    }

    private static ScaleTimersOverloadActionConfig shorterTimeouts() {
        return ScaleTimersOverloadActionConfig.newBuilder()
                .addTimerScaleFactors(ScaleTimer.newBuilder()
                        .setTimer(TimerType.HTTP_DOWNSTREAM_CONNECTION_IDLE)
                        .setMinTimeout(duration(Duration.ofSeconds(2))))
                .addTimerScaleFactors(ScaleTimer.newBuilder()
                        .setTimer(TimerType.TRANSPORT_SOCKET_CONNECT)
                        .setMinTimeout(duration(Duration.ofSeconds(1))))
                .build();
    }

    private static ResourceMonitor monitor(String name, Message config) {
        return ResourceMonitor.newBuilder()
                .setName(name)
                .setTypedConfig(any(config))
                .build();
    }

    private static OverloadAction.Builder action(String name, Trigger trigger) {
        return OverloadAction.newBuilder().setName(name).addTriggers(trigger);
    }

    private static Trigger at(double share) {
        return Trigger.newBuilder()
                .setName(HEAP)
                .setThreshold(ThresholdTrigger.newBuilder().setValue(share))
                .build();
    }

    private static Trigger from(double begin, double full) {
        return Trigger.newBuilder()
                .setName(HEAP)
                .setScaled(ScaledTrigger.newBuilder().setScalingThreshold(begin).setSaturationThreshold(full))
                .build();
    }
}
