package io.sallyport.identity;

import java.util.Objects;
import java.util.Optional;

/** Who is calling. Certificates never make one: they are transport. */
public sealed interface Principal {
    /** A sandbox's supervisor, by a token of the sandbox's own. */
    record Sandbox(SandboxId id, SandboxClaims token) implements Principal {
        public Sandbox {
            Objects.requireNonNull(id, "id is null");
            Objects.requireNonNull(token, "token is null");
        }
    }

    /**
     * A pod's Kubernetes ServiceAccount, bound to one sandbox. Good for bootstrap and for nothing else.
     *
     * @param ownerUid which Sandbox resource owns the pod; empty where that was not asked
     */
    record ServiceAccount(
            String namespace, String account, String pod, String podUid, Optional<String> ownerUid, SandboxId sandbox)
            implements Principal {
        public ServiceAccount {
            Objects.requireNonNull(namespace, "namespace is null");
            Objects.requireNonNull(account, "account is null");
            Objects.requireNonNull(pod, "pod is null");
            Objects.requireNonNull(podUid, "podUid is null");
            Objects.requireNonNull(ownerUid, "ownerUid is null");
            Objects.requireNonNull(sandbox, "sandbox is null");
        }
    }

    /** A person or a program of theirs; {@code source} says who vouches for it, such as {@code developer}. */
    record User(String subject, String source) implements Principal {
        public User {
            Objects.requireNonNull(subject, "subject is null");
            Objects.requireNonNull(source, "source is null");
        }
    }

    /** Nobody in particular: the methods that need no credential. */
    record Anonymous() implements Principal {}
}
