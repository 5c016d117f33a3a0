package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import java.util.Objects;
import java.util.Optional;

/**
 * A sandbox that is mirrored from a resource of a cluster: what the resource says, or what its record does.
 *
 * @param id the sandbox's
 * @param name empty where the resource gives none, or where it is another's
 * @param resource where it comes from
 */
public record MirroredSandbox(SandboxId id, Optional<SandboxName> name, Resource resource) {
    public MirroredSandbox {
        Objects.requireNonNull(id, "id is null");
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(resource, "resource is null");
    }

    /**
     * A Sandbox resource.
     *
     * @param uid tells it from others of the same name, before and after
     */
    public record Resource(String namespace, String name, String uid) {
        public Resource {
            Objects.requireNonNull(namespace, "namespace is null");
            Objects.requireNonNull(name, "name is null");
            Objects.requireNonNull(uid, "uid is null");
        }

        @Override
        public String toString() {
            return namespace + "/" + name;
        }
    }
}
