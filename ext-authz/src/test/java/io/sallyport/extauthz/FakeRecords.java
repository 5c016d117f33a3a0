package io.sallyport.extauthz;

import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/** An issuer in memory: answers at once, or when told. */
final class FakeRecords implements RecordSource {
    final List<String> asked = Collections.synchronizedList(new ArrayList<>());
    private final Map<String, RecordLookup> records = new ConcurrentHashMap<>();
    private final Queue<Held> held = new ConcurrentLinkedQueue<>();

    private record Held(String id, CompletableFuture<RecordLookup> answer) {}

    final List<String> adoptions = Collections.synchronizedList(new ArrayList<>());
    private volatile boolean adopting;
    private volatile boolean holding;
    private long versions;

    FakeRecords with(SandboxRecord sandbox) {
        records.put(sandbox.id(), new RecordLookup.Found(sandbox));
        return this;
    }

    FakeRecords with(String id, String workspace, String name, SandboxRecord.State state) {
        versions++;
        return with(new SandboxRecord(id, workspace, name, state, versions));
    }

    SandboxRecord get(String id) {
        if (records.get(id) instanceof RecordLookup.Found(SandboxRecord sandbox)) {
            return sandbox;
        }
        throw new IllegalArgumentException(id + " has no record");
    }

    void unavailable(String id) {
        records.put(id, new RecordLookup.Unavailable("out of order"));
    }

    void forget(String id) {
        records.remove(id);
    }

    /** From now on, questions wait for {@link #release}. */
    void hold() {
        holding = true;
    }

    void release() {
        holding = false;
        held.forEach(question -> question.answer().complete(answer(question.id())));
        held.clear();
    }

    private RecordLookup answer(String id) {
        return records.getOrDefault(id, new RecordLookup.Missing());
    }

    /** From now on, tokens of unknown sandboxes make them known. */
    void adopt() {
        adopting = true;
    }

    @Override
    public CompletableFuture<RecordLookup> adopt(SandboxClaims token) {
        String id = token.sandbox().value();
        adoptions.add(id);
        if (adopting) {
            with(id, "", "", SandboxRecord.State.ACTIVE);
        }
        return CompletableFuture.completedFuture(answer(id));
    }

    @Override
    public CompletableFuture<RecordLookup> find(SandboxId id) {
        if (holding) {
            CompletableFuture<RecordLookup> question = new CompletableFuture<>();
            held.add(new Held(id.value(), question));
            asked.add(id.value());
            return question;
        }
        asked.add(id.value());
        return CompletableFuture.completedFuture(answer(id.value()));
    }
}
