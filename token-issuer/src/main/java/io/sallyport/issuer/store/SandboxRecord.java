package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/**
 * One sandbox, as the issuer knows it.
 *
 * @param id its id, for ever: an id that was deleted never comes back
 * @param name what it is called; unique among the living of its workspace. Empty for a sandbox that was adopted and not
 *     named yet, and for one whose resource gives it no name that it can have
 * @param state whether its tokens pass and renew
 * @param source who told us of it
 * @param created when it was registered, to the millisecond
 * @param deleted when it was deleted; present exactly in the state {@link State#DELETED}
 * @param version number of the event that was its last change; the newer of two copies has the greater one. 0 for a
 *     record that has not changed since there is an event log
 */
public record SandboxRecord(
        SandboxId id,
        Optional<SandboxName> name,
        State state,
        Source source,
        Instant created,
        Optional<Instant> deleted,
        long version) {
    public SandboxRecord {
        Objects.requireNonNull(id, "id is null");
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(state, "state is null");
        Objects.requireNonNull(source, "source is null");
        Objects.requireNonNull(created, "created is null");
        Objects.requireNonNull(deleted, "deleted is null");
        if ((state == State.DELETED) != deleted.isPresent()) {
            throw new IllegalArgumentException("a sandbox has a time of deletion exactly when it is deleted");
        }
        if (name.isEmpty() && source == Source.REGISTRY) {
            throw new IllegalArgumentException("a sandbox that was registered has a name");
        }
    }

    /** Where a sandbox is in its life. */
    public enum State {
        /** Its tokens are accepted and renewed. */
        ACTIVE,
        /** Its tokens pass nothing and renew nothing until it is active again. */
        STOPPED,
        /** A tombstone: final. */
        DELETED
    }

    /** Who told us of a sandbox. */
    public enum Source {
        /** The gateway, its driver or an operator, over the registry socket. */
        REGISTRY,
        /** A token that an unchanged gateway minted for it. */
        ADOPT,
        /** A Sandbox resource of a Kubernetes cluster. */
        KUBERNETES
    }
}
