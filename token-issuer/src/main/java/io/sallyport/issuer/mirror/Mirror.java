package io.sallyport.issuer.mirror;

import io.sallyport.base.Reason;
import io.sallyport.base.audit.Audit;
import io.sallyport.base.audit.AuditEvent;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.MirroredSandbox;
import io.sallyport.issuer.store.MirroredSandbox.Resource;
import io.sallyport.issuer.store.SandboxRecord;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.issuer.store.SandboxStore.Mirroring;
import io.sallyport.issuer.store.SandboxStore.Mirroring.Mirrored.Change;
import io.sallyport.issuer.store.SandboxStore.Registration;
import io.sallyport.issuer.store.StoreBusyException;
import io.sallyport.issuer.store.StoreUnavailableException;
import io.sallyport.kubernetes.ClusterSandboxes;
import io.sallyport.kubernetes.ClusterUnavailableException;
import io.sallyport.kubernetes.ResourceName;
import io.sallyport.kubernetes.SandboxResource;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Makes the records say what the cluster's Sandbox resources say.
 *
 * <p>For each resource's name: what is recorded, and what is there? A resource that is there makes a record. What is
 * recorded already is changed only after the API server was asked about this very resource, and has answered; that
 * something is missing from a list, or was said to be deleted, is a reason to ask and no more. Whatever cannot be done now
 * is tried again.
 *
 * <p>Every write is one transaction that does nothing where it has been done, so that any number of issuers may do this
 * side by side.
 */
public final class Mirror implements ClusterSandboxes.Listener, AutoCloseable {
    private static final Logger log = System.getLogger(Mirror.class.getName());
    private static final String PRINCIPAL = "kubernetes";

    /** What nobody tells of (another issuer has freed a name, somebody has changed the database) is found out so. */
    private static final Duration EVERYTHING_EVERY = Duration.ofMinutes(5);

    private static final Duration FIRST_RETRY = Duration.ofSeconds(1);
    private static final Duration LAST_RETRY = Duration.ofSeconds(30);
    private static final int PAGE = 1000;

    /** What is to be seen to. */
    private sealed interface Task {
        record Everything() implements Task {}

        record One(ResourceName name) implements Task {}
    }

    /**
     * Why a resource is not recorded, or not under its name.
     *
     * @param waitsFor who has what it wants
     */
    private record Complaint(Reason reason, String text, Optional<SandboxId> waitsFor) {
        /** A name that rests is free in a moment, and no more worth a line than a record. */
        Level level() {
            return reason == Reason.RECORD_RESTING ? Level.DEBUG : Level.WARNING;
        }
    }

    /** Something that is away; said when that begins, and when it is over. */
    private static final class Outage {
        private final AtomicReference<@Nullable String> why = new AtomicReference<>();

        void begins(String text) {
            if (why.getAndSet(text) == null) {
                log.log(Level.WARNING, "the mirror waits, and records stay as they are: {0}", text);
            }
        }

        void isOver() {
            String was = why.getAndSet(null);
            if (was != null) {
                log.log(Level.INFO, "the mirror goes on after: {0}", was);
            }
        }

        Optional<String> why() {
            return Optional.ofNullable(why.get());
        }
    }

    private final ClusterSandboxes cluster;
    private final SandboxStore store;
    private final Audit audit;
    private final InstantSource clock;
    private final Runnable storeInTrouble;
    private final WorkQueue<Task> queue;
    private final Outage clusterAway = new Outage();
    private final Outage storeAway = new Outage();
    private final Map<ResourceName, Complaint> complaints = new ConcurrentHashMap<>();
    private final Set<Task> unsettled = ConcurrentHashMap.newKeySet();
    private volatile Map<String, Integer> strays = Map.of();
    private volatile boolean lookedAtEverything;
    /** What fails from then on, fails for that. */
    private volatile boolean closed;

    /**
     * @param storeInTrouble told each time the disk or the database failed
     * @param concurrent how many resources are seen to at once: as many writes of the store, or questions to the API
     *     server
     */
    public Mirror(
            ClusterSandboxes cluster,
            SandboxStore store,
            Audit audit,
            InstantSource clock,
            Runnable storeInTrouble,
            int concurrent) {
        this.cluster = cluster;
        this.store = store;
        this.audit = audit;
        this.clock = clock;
        this.storeInTrouble = storeInTrouble;
        this.queue = new WorkQueue<>(concurrent, this::see);
    }

    @Override
    public void changed(ResourceName name) {
        queue.add(new Task.One(name));
    }

    @Override
    public void listed() {
        queue.add(new Task.Everything());
    }

    /** Whether the records say what the cluster is known to say, but for what is refused. */
    public boolean isInStep() {
        return lookedAtEverything
                && unsettled.isEmpty()
                && queue.isIdle()
                && cluster.trouble().isEmpty();
    }

    /** How many resources there are, as far as is known. */
    public int resources() {
        return cluster.known().size();
    }

    /** How many resources are not recorded, or not under their name, and why. */
    public int refused() {
        return complaints.size();
    }

    /** What is wrong, for operators. */
    public List<String> troubles() {
        List<String> troubles = new ArrayList<>();
        cluster.trouble().ifPresent(troubles::add);
        clusterAway.why().ifPresent(troubles::add);
        storeAway.why().ifPresent(troubles::add);
        complaints.values().stream()
                .map(Complaint::text)
                .min(String::compareTo)
                .ifPresent(first -> troubles.add(complaints.size() + " Sandboxes are refused, such as " + first));
        strays.forEach((namespace, count) -> troubles.add(stray(namespace, count)));
        return troubles.stream().map(text -> "mirror: " + text).toList();
    }

    @Override
    public void close() {
        closed = true;
        queue.close();
    }

    private Optional<Duration> see(Task task, int tries) {
        // Also where this ends by an exception.
        unsettled.add(task);
        try {
            Optional<Duration> again = switch (task) {
                case Task.Everything _ -> everything();
                case Task.One(ResourceName name) -> one(name, tries);
            };
            storeAway.isOver();
            unsettled.remove(task);
            if (unsettled.isEmpty()) {
                // Whatever was to be asked has been, or need not be any more.
                clusterAway.isOver();
            }
            return again;
        } catch (ClusterUnavailableException e) {
            if (!closed) {
                clusterAway.begins(String.valueOf(e.getMessage()));
            }
        } catch (StoreUnavailableException e) {
            if (!closed && !(e instanceof StoreBusyException)) {
                storeInTrouble.run();
            }
            if (!closed) {
                storeAway.begins(String.valueOf(e.getMessage()));
            }
        }
        return Optional.of(backoff(tries));
    }

    private static Duration backoff(int tries) {
        Duration backoff = FIRST_RETRY.multipliedBy(1L << Math.min(tries, 10));
        return backoff.compareTo(LAST_RETRY) < 0 ? backoff : LAST_RETRY;
    }

    /** Finds what is not as it should be, on either side. */
    private Optional<Duration> everything() throws StoreUnavailableException {
        Map<ResourceName, List<MirroredSandbox>> recorded = new HashMap<>();
        Map<String, Integer> elsewhere = new TreeMap<>();
        Optional<SandboxId> last = Optional.empty();
        for (List<MirroredSandbox> page = store.mirrored(last, PAGE);
                !page.isEmpty();
                page = store.mirrored(last, PAGE)) {
            for (MirroredSandbox sandbox : page) {
                Resource resource = sandbox.resource();
                if (cluster.includes(resource.namespace())) {
                    recorded.computeIfAbsent(
                                    new ResourceName(resource.namespace(), resource.name()), _ -> new ArrayList<>())
                            .add(sandbox);
                } else {
                    elsewhere.merge(resource.namespace(), 1, Integer::sum);
                }
            }
            last = Optional.of(page.getLast().id());
        }
        Set<ResourceName> names = new HashSet<>(cluster.known());
        names.addAll(recorded.keySet());
        // Also of those that are gone: nobody tells of what happens before a list.
        names.addAll(complaints.keySet());
        for (ResourceName name : names) {
            if (complaints.containsKey(name)
                    || !agree(Claim.of(cluster.known(name)), recorded.getOrDefault(name, List.of()))) {
                changed(name);
            }
        }
        if (!elsewhere.equals(strays)) {
            strays = elsewhere;
            elsewhere.forEach((namespace, count) -> log.log(Level.WARNING, stray(namespace, count)));
        }
        lookedAtEverything = true;
        return Optional.of(EVERYTHING_EVERY);
    }

    private static String stray(String namespace, int count) {
        return count + " sandboxes come from the namespace " + namespace
                + ", which is not among the settings' and is not looked at; \"sandbox delete\" removes them";
    }

    private static boolean agree(Claim claim, List<MirroredSandbox> recorded) {
        return switch (claim) {
            case Claim.None _ -> recorded.isEmpty();
            case Claim.Of(MirroredSandbox sandbox) -> recorded.equals(List.of(sandbox));
            case Claim.Unclear _ -> false;
        };
    }

    private Optional<Duration> one(ResourceName name, int tries)
            throws StoreUnavailableException, ClusterUnavailableException {
        if (!cluster.listens(name.namespace())) {
            return Optional.empty(); // Once it was listed, everything is looked at.
        }
        List<MirroredSandbox> recorded = store.mirrored(name.namespace(), name.name());
        Optional<SandboxResource> resource = cluster.known(name);
        if (agree(Claim.of(resource), recorded)) {
            settled(name);
            return Optional.empty();
        }
        if (!recorded.isEmpty()) {
            resource = cluster.ask(name);
            clusterAway.isOver();
            for (MirroredSandbox sandbox : recorded) {
                if (!isStill(sandbox, resource)) {
                    gone(sandbox);
                }
            }
        }
        return switch (Claim.of(resource)) {
            case Claim.None _ -> {
                settled(name);
                yield Optional.empty();
            }
            case Claim.Of(MirroredSandbox sandbox) -> record(name, sandbox, tries);
            case Claim.Unclear(String what, Optional<SandboxId> id) -> {
                for (MirroredSandbox sandbox : recorded) {
                    if (isStill(sandbox, resource)) {
                        // Whatever it is called now, it is not what it was called before.
                        var _ = store.mirror(
                                new MirroredSandbox(sandbox.id(), Optional.empty(), sandbox.resource()),
                                clock.instant());
                    }
                }
                complain(name, id, new Complaint(Reason.RESOURCE_UNCLEAR, name + ": " + what, Optional.empty()));
                yield Optional.empty();
            }
        };
    }

    /** Whether the resource that a record is mirrored from still says so, being asked. */
    private static boolean isStill(MirroredSandbox sandbox, Optional<SandboxResource> asked) {
        return asked.filter(resource -> !resource.deleting())
                .filter(resource -> Claim.resource(resource).equals(sandbox.resource()))
                .filter(resource -> resource.id().equals(sandbox.id().value()))
                .isPresent();
    }

    private void gone(MirroredSandbox sandbox) throws StoreUnavailableException {
        Optional<SandboxRecord> deleted = store.unmirror(sandbox.id(), sandbox.resource(), clock.instant());
        if (deleted.isPresent()) {
            audit(Reason.SANDBOX_RESOURCE_GONE, Optional.of(sandbox.id()), text(sandbox.resource()));
        }
        released(sandbox.id());
    }

    private Optional<Duration> record(ResourceName name, MirroredSandbox sandbox, int tries)
            throws StoreUnavailableException {
        SandboxId id = sandbox.id();
        String who = name + " (" + id + ")";
        return switch (store.mirror(sandbox, clock.instant())) {
            case Mirroring.Mirrored(SandboxRecord _, Change change) -> {
                if (change == Change.MADE) {
                    audit(Reason.SANDBOX_MIRRORED, Optional.of(id), text(sandbox.resource()));
                } else if (change == Change.RENAMED) {
                    released(id);
                }
                settled(name);
                yield Optional.empty();
            }
            case Mirroring.IdDeleted(SandboxRecord tombstone) -> {
                complain(
                        name,
                        Optional.of(id),
                        new Complaint(
                                Reason.RECORD_DELETED,
                                who + ": this id was deleted at "
                                        + tombstone
                                                .deleted()
                                                .map(Instant::toString)
                                                .orElse("")
                                        + ", and a deleted id never comes back; give the Sandbox another one",
                                Optional.empty()));
                yield Optional.empty();
            }
            case Mirroring.IdTaken(SandboxRecord _, Optional<Resource> other) -> {
                complain(
                        name,
                        Optional.of(id),
                        new Complaint(
                                Reason.RECORD_TAKEN,
                                who + ": this id is that of "
                                        + other.map(each -> "the Sandbox " + each)
                                                .orElse(
                                                        "a sandbox that was not made by a Sandbox (\"sandbox delete\" ends it)")
                                        + "; give the Sandbox another one",
                                Optional.of(id)));
                // Perhaps it is gone, and nobody has noticed.
                other.ifPresent(each -> changed(new ResourceName(each.namespace(), each.name())));
                yield Optional.of(backoff(tries));
            }
            case Mirroring.NameRefused(Registration why) -> {
                complain(name, Optional.of(id), refusedName(who, sandbox, why));
                // What it was called before is free in a while.
                released(id);
                yield Optional.of(backoff(tries));
            }
        };
    }

    private static Complaint refusedName(String who, MirroredSandbox sandbox, Registration why) {
        String name = who + ": the name " + sandbox.name().map(Object::toString).orElse("");
        return switch (why) {
            case Registration.NameTaken(SandboxRecord holder) ->
                new Complaint(
                        Reason.RECORD_TAKEN,
                        name + " is that of " + holder.id() + "; give the Sandbox another one, or end the other",
                        Optional.of(holder.id()));
            case Registration.NameResting(SandboxId last, Instant until) ->
                new Complaint(
                        Reason.RECORD_RESTING,
                        name + " was that of " + last + " until " + until
                                + ", and is free once every ext-authz has heard so",
                        Optional.empty());
            case Registration.Registered _, Registration.IdTaken _, Registration.IdDeleted _ ->
                throw new IllegalStateException("not about a name: " + why);
        };
    }

    /** Others may have what this sandbox had. */
    private void released(SandboxId id) {
        complaints.forEach((name, complaint) -> {
            if (complaint.waitsFor().equals(Optional.of(id))) {
                changed(name);
            }
        });
    }

    private void settled(ResourceName name) {
        Complaint was = complaints.remove(name);
        if (was != null) {
            log.log(was.level(), "no longer so: {0}", was.text());
        }
    }

    private void complain(ResourceName name, Optional<SandboxId> id, Complaint complaint) {
        if (complaint.equals(complaints.put(name, complaint))) {
            return;
        }
        if (complaint.reason() == Reason.RECORD_RESTING) {
            log.log(complaint.level(), "a Sandbox waits for its name: {0}", complaint.text());
        } else {
            log.log(complaint.level(), "a Sandbox is refused: {0}", complaint.text());
            audit(complaint.reason(), id, complaint.text());
        }
    }

    private static String text(Resource resource) {
        return resource + " uid=" + resource.uid();
    }

    private void audit(Reason reason, Optional<SandboxId> id, String detail) {
        audit.record(new AuditEvent(
                clock.instant(), reason, PRINCIPAL, "", id.map(SandboxId::value).orElse(null), null, 0, detail));
    }
}
