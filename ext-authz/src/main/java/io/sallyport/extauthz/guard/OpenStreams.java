package io.sallyport.extauthz.guard;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.SandboxId;
import java.util.Iterator;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** All streams that are open at this moment, and what each sandbox takes of the room for them. */
public final class OpenStreams implements Iterable<GuardedStream> {
    private final StreamLimits limits;
    private final Set<GuardedStream> open = ConcurrentHashMap.newKeySet();
    private final Set<GuardedStream> ending = ConcurrentHashMap.newKeySet();
    private final ConcurrentMap<SandboxId, Share> shares = new ConcurrentHashMap<>();
    private final AtomicInteger count = new AtomicInteger();
    private final AtomicLong unfinished = new AtomicLong();
    private volatile boolean draining;

    public OpenStreams(StreamLimits limits) {
        this.limits = limits;
    }

    /** What the streams of one sandbox take. */
    final class Share implements MessageAssembler.Memory {
        private final AtomicLong held = new AtomicLong();
        /** Changed under the map's lock for its key alone. */
        private int streams;

        @Override
        public boolean reserve(int bytes) {
            if (held.addAndGet(bytes) <= limits.unfinishedPerSandbox()) {
                if (unfinished.addAndGet(bytes) <= limits.unfinished()) {
                    return true;
                }
                unfinished.addAndGet(-bytes);
            }
            held.addAndGet(-bytes);
            return false;
        }

        @Override
        public void release(int bytes) {
            held.addAndGet(-bytes);
            unfinished.addAndGet(-bytes);
        }
    }

    /**
     * A stream opens.
     *
     * @return what its sandbox takes
     * @throws RejectedException when there is no room for it, or we are shutting down
     */
    Share enter(GuardedStream stream, SandboxId sandbox) throws RejectedException {
        if (count.incrementAndGet() > limits.total()) {
            count.decrementAndGet();
            throw new RejectedException(Reason.OVERLOADED, limits.total() + " streams are open");
        }
        Share share = shares.compute(sandbox, (_, known) -> {
            Share its = known == null ? new Share() : known;
            its.streams++;
            return its;
        });
        open.add(stream);
        // After it can be found: whoever drains either finds it or is found here.
        if (draining) {
            leave(stream, sandbox);
            throw new RejectedException(Reason.SHUTTING_DOWN, "");
        }
        if (share.streams > limits.perSandbox()) {
            leave(stream, sandbox);
            throw new RejectedException(Reason.TOO_MANY_STREAMS, limits.perSandbox() + " of the sandbox are open");
        }
        return share;
    }

    /** A stream that had entered is over. */
    void leave(GuardedStream stream, SandboxId sandbox) {
        if (open.remove(stream)) {
            count.decrementAndGet();
            shares.computeIfPresent(sandbox, (_, share) -> --share.streams == 0 ? null : share);
        }
    }

    /** A stream was refused, and Envoy has been told. */
    void ending(GuardedStream stream) {
        ending.add(stream);
    }

    /** The call about a refused stream is over. */
    void ended(GuardedStream stream) {
        ending.remove(stream);
    }

    /** Fails the calls about streams that were refused, and that Envoy should have ended by now. */
    void insist() {
        ending.forEach(GuardedStream::insist);
    }

    /** Ends all streams, and refuses those that come: the gate must not be left without its guard. */
    public void drain() {
        draining = true;
        for (GuardedStream stream : open) {
            stream.cut(new Refusal(Reason.SHUTTING_DOWN, "open when this process was told to stop"));
        }
    }

    @Override
    public Iterator<GuardedStream> iterator() {
        return open.iterator();
    }

    public int size() {
        return count.get();
    }

    /** Bytes of messages that have begun and not ended. */
    public long unfinishedBytes() {
        return unfinished.get();
    }

    /** How many streams of each method are open. */
    public Map<String, Integer> perMethod() {
        Map<String, Integer> counts = new TreeMap<>();
        for (GuardedStream stream : open) {
            counts.merge(stream.method(), 1, Integer::sum);
        }
        return counts;
    }
}
