package io.sallyport.kubernetes;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** What can be asked of a cluster's API server. An answer is the server's own; anything else is an exception. */
interface Cluster {
    /** Asks whether a token is good for an audience (TokenReview, {@code authentication.k8s.io/v1}). */
    Review review(String token, String audience) throws ClusterUnavailableException;

    /** The pod of this name that there is now. */
    Optional<Pod> pod(String namespace, String name) throws ClusterUnavailableException;

    /** The Sandbox of this name that there is now, in whichever version the server has it. */
    Optional<SandboxResource> sandbox(ResourceName name) throws ClusterUnavailableException;

    /** The keys that ServiceAccount tokens are signed with, as a JWKS document. */
    String publishedKeys() throws ClusterUnavailableException;

    /**
     * The API server's opinion of a token.
     *
     * @param authenticated whether it is good
     * @param audiences for whom, as far as we asked
     * @param username whose, {@code system:serviceaccount:NAMESPACE:NAME} for an account's
     * @param extra what else is known of its holder
     * @param error why not, in the server's words
     */
    record Review(
            boolean authenticated,
            List<String> audiences,
            String username,
            Map<String, List<String>> extra,
            String error) {
        public Review {
            audiences = List.copyOf(audiences);
            extra = Map.copyOf(extra);
            Objects.requireNonNull(username, "username is null");
            Objects.requireNonNull(error, "error is null");
        }
    }

    /**
     * A pod.
     *
     * @param ended whether it is being deleted, or has run to its end
     * @param sandbox what its annotation {@code openshell.io/sandbox-id} says; empty without one
     * @param owners what its {@code ownerReferences} say
     */
    record Pod(String uid, boolean ended, String sandbox, List<Owner> owners) {
        public Pod {
            Objects.requireNonNull(uid, "uid is null");
            Objects.requireNonNull(sandbox, "sandbox is null");
            owners = List.copyOf(owners);
        }
    }

    /**
     * What a pod says of an object that owns it.
     *
     * @param controls whether it claims to be the one that controls the pod
     */
    record Owner(String apiVersion, String kind, String name, String uid, boolean controls) {}
}
