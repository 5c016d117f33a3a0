package io.sallyport.kubernetes;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import io.fabric8.kubernetes.client.informers.cache.BasicItemStore;
import io.fabric8.kubernetes.client.informers.cache.Cache;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Listens to the Sandbox resources of a cluster, by an informer for each namespace: a list, then a watch from there, and
 * again a list where the watch cannot go on.
 *
 * <p>What an informer heard stays known while the API server is away. An informer that cannot go on (its version is not
 * served any more), or that heard nothing for minutes though a watch is never silent for so long (a connection can be dead
 * without anybody's saying so), is replaced once another has listed everything.
 */
public final class SandboxWatch implements ClusterSandboxes, AutoCloseable {
    private static final Logger log = System.getLogger(SandboxWatch.class.getName());

    /** How many resources one answer of a list holds: with all that stands in them they have to fit into the heap. */
    private static final long PAGE = 250;

    private static final Duration LOOK_EVERY = Duration.ofMillis(500);

    /** A watch brings a bookmark about once a minute. */
    private static final Duration SILENCE = Duration.ofMinutes(3);

    /** How often it is asked whether the API server lets us watch, while a watch has not brought anything yet. */
    private static final Duration ASK_EVERY = Duration.ofSeconds(5);

    private static final Duration LONGEST_BACKOFF = Duration.ofSeconds(15);
    private static final int MAX_TEXT = 300;

    private final ClusterSettings settings;
    private final ApiServerCluster cluster;
    private final LongSupplier nanos;
    private final List<Place> places;
    private final Duration silence;
    private final ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("sandbox-watch").factory());

    private SandboxWatch(ClusterSettings settings, ApiServerCluster cluster, LongSupplier nanos, Duration silence) {
        this.settings = settings;
        this.cluster = cluster;
        this.nanos = nanos;
        this.silence = silence;
        this.places = switch (settings.namespaces()) {
            case Namespaces.Named(Set<String> names) ->
                names.stream().sorted().map(Optional::of).map(Place::new).toList();
            // Which ones there are is not known beforehand.
            case Namespaces.Prefix _ -> List.of(new Place(Optional.empty()));
        };
    }

    /**
     * Of the cluster that the settings name; connects when it is {@linkplain #start started}.
     *
     * @param nanos a monotonic clock, such as {@code System::nanoTime}
     * @throws IllegalArgumentException when the settings do not say how to reach it
     */
    public static SandboxWatch of(ClusterSettings settings, LongSupplier nanos) {
        return of(settings, nanos, SILENCE);
    }

    static SandboxWatch of(ClusterSettings settings, LongSupplier nanos, Duration silence) {
        return new SandboxWatch(settings, ApiServerCluster.connect(settings), nanos, silence);
    }

    /** Begins to listen; returns at once, whether the API server is there or not. */
    public void start(Listener listener) {
        var _ = scheduler.scheduleWithFixedDelay(
                () -> places.forEach(place -> place.look(listener)), 0, LOOK_EVERY.toMillis(), TimeUnit.MILLISECONDS);
    }

    @Override
    public boolean includes(String namespace) {
        return settings.namespaces().accepts(namespace);
    }

    @Override
    public boolean listens(String namespace) {
        return includes(namespace)
                && place(namespace).filter(place -> place.current != null).isPresent();
    }

    @Override
    public Optional<SandboxResource> known(ResourceName name) {
        return includes(name.namespace())
                ? place(name.namespace()).flatMap(place -> place.known(name))
                : Optional.empty();
    }

    @Override
    public Set<ResourceName> known() {
        return places.stream()
                .flatMap(Place::known)
                .filter(name -> includes(name.namespace()))
                .collect(Collectors.toSet());
    }

    @Override
    public Optional<SandboxResource> ask(ResourceName name) throws ClusterUnavailableException {
        return cluster.sandbox(name);
    }

    @Override
    public Optional<String> trouble() {
        return places.stream().flatMap(place -> place.trouble().stream()).findFirst();
    }

    private Optional<Place> place(String namespace) {
        return places.stream()
                .filter(place -> place.namespace.map(namespace::equals).orElse(true))
                .findFirst();
    }

    @Override
    public void close() {
        scheduler.shutdownNow();
        places.forEach(Place::close);
        cluster.close();
    }

    /** One namespace, or all. */
    private final class Place implements AutoCloseable {
        private final Optional<String> namespace;
        /** Has listed everything; what it heard is what is known. */
        private volatile @Nullable SharedIndexInformer<GenericKubernetesResource> current;
        /** Is about to. */
        private @Nullable SharedIndexInformer<GenericKubernetesResource> next;

        /** Why there is no list; empty if there is one. */
        private volatile String failure = "they were not listed yet";

        /** Why there is no watch, as far as that is known: one that is broken says nothing, and tries again by itself. */
        private volatile String unwatched = "";

        private volatile String version = "";
        private volatile boolean isServed = true;
        private volatile long askAgainAt;
        private boolean closed;
        private int failures;
        private long notBefore = nanos.getAsLong();
        private @Nullable String heard;
        private long heardAt;

        Place(Optional<String> namespace) {
            this.namespace = namespace;
        }

        private String name() {
            return namespace.map(each -> "namespace " + each).orElse("all namespaces");
        }

        Optional<SandboxResource> known(ResourceName name) {
            SharedIndexInformer<GenericKubernetesResource> informer = current;
            return informer == null
                    ? Optional.empty()
                    : Optional.ofNullable(
                                    informer.getStore().getByKey(Cache.namespaceKeyFunc(name.namespace(), name.name())))
                            .flatMap(object -> resource(name, object));
        }

        private static Optional<SandboxResource> resource(ResourceName name, GenericKubernetesResource object) {
            try {
                return Optional.of(SandboxResource.of(name, object.getMetadata()));
            } catch (ClusterUnavailableException e) {
                return Optional.empty(); // Without a uid it is none; whoever asks for it hears so.
            }
        }

        Stream<ResourceName> known() {
            SharedIndexInformer<GenericKubernetesResource> informer = current;
            return informer == null
                    ? Stream.empty()
                    : informer.getStore().list().stream().map(Place::nameOf);
        }

        private static ResourceName nameOf(GenericKubernetesResource object) {
            return new ResourceName(
                    Objects.requireNonNullElse(object.getMetadata().getNamespace(), ""),
                    Objects.requireNonNullElse(object.getMetadata().getName(), ""));
        }

        Optional<String> trouble() {
            return Stream.of(failure, unwatched)
                    .filter(why -> !why.isEmpty())
                    .findFirst()
                    .map(why -> "Sandboxes of " + name() + " are not listened to: " + why);
        }

        /** Sees whether all is well, and begins anew where it is not. Called by one thread. */
        void look(Listener listener) {
            try {
                if (needsAnother() && nanos.getAsLong() - notBefore >= 0) {
                    // Should this not succeed, this is not the time for the next one.
                    notBefore = nanos.getAsLong() + backoff().toNanos();
                    String served = cluster.servedVersion(namespace);
                    begin(listener, served);
                    version = served;
                    isServed = true;
                }
                askWhetherItMayWatch();
            } catch (ClusterUnavailableException e) {
                failed(String.valueOf(e.getMessage()));
            } catch (RuntimeException e) {
                // One that got out would end the schedule.
                failed(e.toString());
            }
        }

        /** A watch that is up shows that with the first thing that it brings, a bookmark at the latest. */
        private void askWhetherItMayWatch() {
            SharedIndexInformer<GenericKubernetesResource> informer = current;
            if (informer == null || informer.isWatching()) {
                unwatched = "";
            } else if (nanos.getAsLong() - askAgainAt >= 0) {
                try {
                    isServed = cluster.tryToWatch(version, namespace, informer.lastSyncResourceVersion());
                    unwatched = isServed ? "" : version + " is not served any more";
                } catch (ClusterUnavailableException e) {
                    unwatched = String.valueOf(e.getMessage());
                }
                askAgainAt = nanos.getAsLong() + ASK_EVERY.toNanos();
            }
        }

        private Duration backoff() {
            Duration backoff = Duration.ofMillis(250L << Math.min(failures, 8));
            return backoff.compareTo(LONGEST_BACKOFF) < 0 ? backoff : LONGEST_BACKOFF;
        }

        private synchronized boolean needsAnother() {
            if (next != null) {
                if (next.isRunning()) {
                    return false;
                }
                next = null;
                return true;
            }
            SharedIndexInformer<GenericKubernetesResource> informer = current;
            if (informer == null || !informer.isRunning() || !isServed) {
                return true;
            }
            String newest = informer.lastSyncResourceVersion();
            if (!Objects.equals(newest, heard)) {
                heard = newest;
                heardAt = nanos.getAsLong();
            }
            return nanos.getAsLong() - heardAt > silence.toNanos();
        }

        private void begin(Listener listener, String version) {
            var resources = cluster.client()
                    .genericKubernetesResources(new ResourceDefinitionContext.Builder()
                            .withGroup(SandboxResources.GROUP)
                            .withVersion(version)
                            .withKind(SandboxResources.KIND)
                            .withPlural(SandboxResources.PLURAL)
                            .withNamespaced(true)
                            .build());
            SharedIndexInformer<GenericKubernetesResource> informer = (namespace.isPresent()
                            ? resources.inNamespace(namespace.get())
                            : resources.inAnyNamespace())
                    .withLimit(PAGE)
                    .runnableInformer(0);
            informer.removeNamespaceIndex()
                    .itemStore(new Trimmed())
                    .exceptionHandler((_, failure) -> goesOn(failure))
                    .addEventHandler(new Events(listener, informer));
            synchronized (this) {
                if (closed) {
                    return;
                }
                next = informer;
            }
            var _ = informer.start();
        }

        /** Whether an informer shall try again what failed: not where it asks for what is not there any more. */
        private boolean goesOn(Throwable failure) {
            Throwable cause = failure;
            while (!(cause instanceof KubernetesClientException) && cause.getCause() != null) {
                cause = cause.getCause();
            }
            failed(String.valueOf(cause.getMessage()));
            return !(cause instanceof KubernetesClientException no && no.getCode() == 404);
        }

        private void failed(String why) {
            failures++;
            String line = why.replaceAll("\\p{Cntrl}", " ");
            line = line.length() > MAX_TEXT ? line.substring(0, MAX_TEXT) : line;
            if (!line.equals(failure)) {
                failure = line;
                log.log(
                        Level.WARNING,
                        "Sandboxes of {0} cannot be listened to, and it is tried again: {1}",
                        name(),
                        line);
            }
        }

        private void listed(SharedIndexInformer<GenericKubernetesResource> informer) {
            SharedIndexInformer<GenericKubernetesResource> last;
            synchronized (this) {
                if (!informer.equals(next) && !informer.equals(current)) {
                    return;
                }
                last = informer.equals(next) ? current : null;
                current = informer;
                failure = "";
                askAgainAt = nanos.getAsLong();
                next = null;
                failures = 0;
                heard = null;
            }
            if (last != null) {
                last.stop();
            }
            log.log(
                    Level.INFO,
                    "listed {0} Sandboxes of {1}",
                    informer.getStore().list().size(),
                    name());
        }

        @Override
        public synchronized void close() {
            closed = true;
            Stream.of(Optional.ofNullable(next), Optional.ofNullable(current))
                    .flatMap(Optional::stream)
                    .forEach(SharedIndexInformer::stop);
        }

        /** Of an informer: passed on once it is the one that counts. */
        private final class Events implements ResourceEventHandler<GenericKubernetesResource> {
            private final Listener listener;
            private final SharedIndexInformer<GenericKubernetesResource> informer;

            Events(Listener listener, SharedIndexInformer<GenericKubernetesResource> informer) {
                this.listener = listener;
                this.informer = informer;
            }

            @Override
            public void onList(String resourceVersion, boolean remainedEmpty) {
                listed(informer);
                listener.listed();
            }

            @Override
            public void onAdd(GenericKubernetesResource object) {
                tell(object);
            }

            @Override
            public void onUpdate(GenericKubernetesResource before, GenericKubernetesResource object) {
                tell(object);
            }

            @Override
            public void onDelete(GenericKubernetesResource object, boolean unknown) {
                tell(object);
            }

            private void tell(GenericKubernetesResource object) {
                ResourceName name = nameOf(object);
                if (informer.equals(current) && includes(name.namespace())) {
                    listener.changed(name);
                }
            }
        }
    }

    /** Keeps of each resource what is looked at: thousands of pods' templates would fill the heap. */
    private static final class Trimmed extends BasicItemStore<GenericKubernetesResource> {
        Trimmed() {
            super(Cache::metaNamespaceKeyFunc);
        }

        @Override
        public @Nullable GenericKubernetesResource put(String key, GenericKubernetesResource object) {
            GenericKubernetesResource trimmed = new GenericKubernetesResource();
            ObjectMeta meta = object.getMetadata();
            trimmed.setMetadata(new ObjectMetaBuilder()
                    .withNamespace(meta.getNamespace())
                    .withName(meta.getName())
                    .withUid(meta.getUid())
                    .withResourceVersion(meta.getResourceVersion())
                    .withDeletionTimestamp(meta.getDeletionTimestamp())
                    .withLabels(only(meta.getLabels()))
                    .withAnnotations(only(meta.getAnnotations()))
                    .build());
            return super.put(key, trimmed);
        }

        private static Map<String, String> only(@Nullable Map<String, String> all) {
            return all == null
                    ? Map.of()
                    : all.entrySet().stream()
                            .filter(each -> SandboxResources.SAID.contains(each.getKey()))
                            .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
        }
    }
}
