package io.sallyport.issuer;

import io.sallyport.base.audit.Audit;
import io.sallyport.issuer.mirror.Mirror;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.kubernetes.ClusterSettings;
import io.sallyport.kubernetes.SandboxWatch;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A cluster, the mirror of its Sandboxes, and when the two last agreed. Without it nothing of Kubernetes is loaded. */
final class ClusterMirror implements AutoCloseable {
    private static final Logger log = System.getLogger(ClusterMirror.class.getName());
    private static final Duration LOOK_EVERY = Duration.ofSeconds(1);

    /** Something is always under way where much happens. */
    private static final long OUT_OF_STEP_AFTER_NANOS = Duration.ofSeconds(30).toNanos();

    private final SandboxWatch watch;
    private final Mirror mirror;
    private final InstantSource clock;
    private final ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("mirror-health").factory());
    private volatile @Nullable Instant lastInStep;
    private volatile boolean inStep;
    private long lastInStepNanos;

    private ClusterMirror(SandboxWatch watch, Mirror mirror, InstantSource clock) {
        this.watch = watch;
        this.mirror = mirror;
        this.clock = clock;
    }

    /**
     * Begins to mirror; whether the API server is there or not.
     *
     * @param storeInTrouble told each time the disk or the database failed
     * @param concurrent how many resources are seen to at once
     * @throws IOException when the settings do not say how to reach the cluster
     */
    static ClusterMirror start(
            ClusterSettings settings,
            SandboxStore store,
            Audit audit,
            InstantSource clock,
            Runnable storeInTrouble,
            int concurrent)
            throws IOException {
        SandboxWatch watch;
        try {
            watch = SandboxWatch.of(settings, System::nanoTime);
        } catch (RuntimeException e) {
            throw new IOException(
                    "kubernetes: " + settings.access() + " does not lead to an API server: " + e.getMessage(), e);
        }
        Mirror mirror = new Mirror(watch, store, audit, clock, storeInTrouble, concurrent);
        watch.start(mirror);
        return new ClusterMirror(watch, mirror, clock);
    }

    /** Calls back when records come to say, or no longer say, what the cluster does, and once now. */
    void tell(Consumer<Boolean> listener) {
        listener.accept(false);
        var _ = scheduler.scheduleWithFixedDelay(() -> look(listener), 0, LOOK_EVERY.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** What is wrong, and since when nobody knows more than is recorded. */
    List<String> troubles() {
        List<String> troubles = mirror.troubles();
        if (inStep || !troubles.isEmpty()) {
            return troubles;
        }
        Instant last = lastInStep;
        return List.of(
                "mirror: " + (last == null ? "was not in step with the cluster yet" : "was last in step at " + last));
    }

    /** In numbers (Prometheus text format 0.0.4). */
    String metrics() {
        Instant last = lastInStep;
        return """
                # HELP sallyport_mirror_in_step Whether records say what the cluster's Sandboxes do, but for what is refused.
                # TYPE sallyport_mirror_in_step gauge
                sallyport_mirror_in_step %d
                # HELP sallyport_mirror_in_step_seconds When they last did, in seconds since 1970; 0 for never.
                # TYPE sallyport_mirror_in_step_seconds gauge
                sallyport_mirror_in_step_seconds %d
                # HELP sallyport_mirror_resources Sandbox resources that are known of.
                # TYPE sallyport_mirror_resources gauge
                sallyport_mirror_resources %d
                # HELP sallyport_mirror_refused Sandbox resources that are not recorded, or not under their name.
                # TYPE sallyport_mirror_refused gauge
                sallyport_mirror_refused %d
                """.formatted(
                        inStep ? 1 : 0, last == null ? 0 : last.getEpochSecond(), mirror.resources(), mirror.refused());
    }

    private void look(Consumer<Boolean> listener) {
        long now = System.nanoTime();
        if (mirror.isInStep()) {
            lastInStep = clock.instant();
            lastInStepNanos = now;
            set(true, listener);
        } else if (inStep && now - lastInStepNanos > OUT_OF_STEP_AFTER_NANOS) {
            set(false, listener);
        }
    }

    private void set(boolean now, Consumer<Boolean> listener) {
        if (inStep == now) {
            return;
        }
        inStep = now;
        if (now) {
            log.log(
                    Level.INFO,
                    "in step with the cluster: {0} Sandboxes, {1} of them refused",
                    mirror.resources(),
                    mirror.refused());
        } else {
            log.log(
                    Level.WARNING,
                    "not in step with the cluster since {0}: {1}; tokens are renewed all the same",
                    lastInStep,
                    String.join("; ", troubles()));
        }
        listener.accept(now);
    }

    @Override
    public void close() {
        scheduler.shutdownNow();
        watch.close();
        mirror.close();
    }
}
