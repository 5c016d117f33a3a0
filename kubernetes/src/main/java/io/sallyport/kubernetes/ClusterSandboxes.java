package io.sallyport.kubernetes;

import java.util.Optional;
import java.util.Set;

/** The Sandbox resources of the namespaces that sandboxes run in: as last heard of, and asked for one by one. */
public interface ClusterSandboxes {
    /**
     * Whether a namespace is one where sandboxes run, and was listed: until then what is not known there may well be there.
     */
    boolean listens(String namespace);

    /** Whether a namespace is one where sandboxes run. */
    boolean includes(String namespace);

    /** The resource of this name, as last heard of. That there is none proves nothing: ask. */
    Optional<SandboxResource> known(ResourceName name);

    /** All that were heard of. */
    Set<ResourceName> known();

    /**
     * Asks the API server for one.
     *
     * @return empty when it says that there is none of this name
     * @throws ClusterUnavailableException when it does not say
     */
    Optional<SandboxResource> ask(ResourceName name) throws ClusterUnavailableException;

    /** Why not everything is heard that happens, if so; for operators. */
    Optional<String> trouble();

    /** Told of what happens; must return at once. Nothing is told of a namespace before it was listed. */
    interface Listener {
        /** Something may have happened to the resource of this name. */
        void changed(ResourceName name);

        /** A namespace was listed: anything may have happened since the last time. */
        void listed();
    }
}
