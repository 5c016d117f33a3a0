package io.sallyport.e2e.gateway;

import java.util.Objects;

/**
 * A sandbox that the gateway has a configuration for.
 *
 * @param id as tokens and 0.0 requests name it
 * @param workspace never empty
 * @param name as 0.1 requests name it
 */
public record KnownSandbox(String id, String workspace, String name) {
    public KnownSandbox {
        Objects.requireNonNull(id, "id is null");
        Objects.requireNonNull(workspace, "workspace is null");
        Objects.requireNonNull(name, "name is null");
        if (id.isEmpty() || workspace.isEmpty() || name.isEmpty()) {
            throw new IllegalArgumentException("a sandbox is written id or id:workspace/name");
        }
    }

    /** Reads {@code id} (in workspace {@code default}, named like its id) or {@code id:workspace/name}. */
    public static KnownSandbox parse(String text) {
        int colon = text.indexOf(':');
        int slash = text.indexOf('/', colon + 1);
        if (colon < 0) {
            return new KnownSandbox(text, "default", text);
        }
        if (slash < 0) {
            throw new IllegalArgumentException("a sandbox is written id or id:workspace/name, found \"" + text + "\"");
        }
        return new KnownSandbox(text.substring(0, colon), text.substring(colon + 1, slash), text.substring(slash + 1));
    }

    /** The form that {@link #parse} reads. */
    public String spelling() {
        return id + ":" + workspace + "/" + name;
    }
}
