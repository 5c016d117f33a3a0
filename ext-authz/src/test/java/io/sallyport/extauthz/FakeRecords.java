package io.sallyport.extauthz;

import io.sallyport.identity.SandboxId;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

/** An issuer in memory: answers at once, or when told. */
final class FakeRecords implements RecordSource {
    final List<String> asked = Collections.synchronizedList(new ArrayList<>());
    private final Map<String, RecordLookup> records = new ConcurrentHashMap<>();
    private final List<CompletableFuture<RecordLookup>> held = Collections.synchronizedList(new ArrayList<>());
    private volatile boolean holding;

    FakeRecords with(SandboxRecord sandbox) {
        records.put(sandbox.id(), new RecordLookup.Found(sandbox));
        return this;
    }

    FakeRecords with(String id, String workspace, String name, SandboxRecord.State state) {
        return with(new SandboxRecord(id, workspace, name, state));
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

    void release(RecordLookup lookup) {
        holding = false;
        List<CompletableFuture<RecordLookup>> waiting = List.copyOf(held);
        held.clear();
        waiting.forEach(question -> question.complete(lookup));
    }

    @Override
    public CompletableFuture<RecordLookup> find(SandboxId id) {
        asked.add(id.value());
        if (holding) {
            CompletableFuture<RecordLookup> question = new CompletableFuture<>();
            held.add(question);
            return question;
        }
        return CompletableFuture.completedFuture(records.getOrDefault(id.value(), new RecordLookup.Missing()));
    }
}
