package io.sallyport.e2e.gateway;

import io.grpc.Status;
import io.grpc.StatusException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The sandboxes that the gateway knows. Thread-safe. */
final class SandboxTable {
    private final Map<String, KnownSandbox> byId = new ConcurrentHashMap<>();

    void add(KnownSandbox sandbox) {
        byId.put(sandbox.id(), sandbox);
    }

    KnownSandbox byId(String id) throws StatusException {
        KnownSandbox found = byId.get(id);
        if (found == null) {
            throw notFound();
        }
        return found;
    }

    /** An empty workspace is {@code default}, as in both generations of the API. */
    KnownSandbox byName(String workspace, String name) throws StatusException {
        String where = workspace.isEmpty() ? "default" : workspace;
        return byId.values().stream()
                .filter(sandbox ->
                        sandbox.workspace().equals(where) && sandbox.name().equals(name))
                .findFirst()
                .orElseThrow(SandboxTable::notFound);
    }

    private static StatusException notFound() {
        return Status.NOT_FOUND.withDescription("sandbox not found").asException();
    }
}
