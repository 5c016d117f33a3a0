package io.sallyport.kubernetes;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.Principal;
import io.sallyport.identity.SandboxId;
import io.sallyport.kubernetes.Cluster.Owner;
import io.sallyport.kubernetes.Cluster.Pod;
import io.sallyport.kubernetes.Cluster.Review;
import java.util.List;
import java.util.Optional;

/**
 * Which sandbox a pod is, as its API server tells. The order of the questions is fixed, and each has one answer:
 *
 * <p>the token is good for our audience (TokenReview), and the server says so itself → it is an account's whose pods are
 * sandboxes → it is bound to one pod → that pod is there, and not another one under its name → it goes on living → it names a
 * sandbox → one Sandbox controls it, is there, and is of that id.
 *
 * <p>That the pod is there is asked for itself: a TokenReview goes on saying yes for ten seconds after it has gone.
 */
final class PodCheck {
    private static final String POD_NAME = "authentication.kubernetes.io/pod-name";
    private static final String POD_UID = "authentication.kubernetes.io/pod-uid";
    private static final int MAX_DETAIL = 200;

    private final Cluster cluster;
    private final KubernetesSettings settings;

    PodCheck(Cluster cluster, KubernetesSettings settings) {
        this.cluster = cluster;
        this.settings = settings;
    }

    /** What a TokenReview says of the holder, once it has been held against the settings. */
    private record Holder(String namespace, String account, String pod, String podUid) {
        RejectedException refuse(Reason reason, String detail) {
            return new RejectedException(reason, namespace + "/" + pod + (detail.isEmpty() ? "" : ": " + detail));
        }
    }

    /**
     * Who holds this token.
     *
     * @throws RejectedException with the reason of the first check that failed
     */
    Principal.ServiceAccount check(String token) throws RejectedException, ClusterUnavailableException {
        Holder holder = holder(cluster.review(token, settings.audience()), token);
        Pod pod = cluster.pod(holder.namespace(), holder.pod()).orElseThrow(() -> holder.refuse(Reason.POD_GONE, ""));
        if (!pod.uid().equals(holder.podUid())) {
            throw holder.refuse(Reason.POD_REPLACED, "is " + pod.uid() + ", the token is of " + holder.podUid());
        }
        if (pod.ended()) {
            throw holder.refuse(Reason.POD_ENDED, "");
        }
        if (!SandboxId.isValid(pod.sandbox())) {
            throw holder.refuse(
                    Reason.POD_ANNOTATION,
                    SandboxResources.POD_ANNOTATION
                            + (pod.sandbox().isEmpty() ? " is missing" : " is no sandbox's id"));
        }
        Optional<String> owner = settings.requireOwner() ? Optional.of(ownerUid(holder, pod)) : Optional.empty();
        return new Principal.ServiceAccount(
                holder.namespace(),
                holder.account(),
                holder.pod(),
                holder.podUid(),
                owner,
                new SandboxId(pod.sandbox()));
    }

    private Holder holder(Review review, String token) throws RejectedException {
        if (!review.authenticated()) {
            throw new RejectedException(Reason.REVIEW_REFUSED, loggable(review.error(), token));
        }
        if (!review.audiences().contains(settings.audience())) {
            throw new RejectedException(Reason.REVIEW_AUDIENCE, "confirmed for " + review.audiences());
        }
        String[] parts = review.username().split(":", -1);
        if (parts.length != 4 || !parts[0].equals("system") || !parts[1].equals("serviceaccount")) {
            throw new RejectedException(Reason.REVIEW_USERNAME, "not a ServiceAccount's token");
        }
        String namespace = parts[2];
        String account = parts[3];
        String who = namespace + "/" + account;
        if (!settings.cluster().namespaces().accepts(namespace)) {
            throw new RejectedException(Reason.REVIEW_NAMESPACE, who);
        }
        if (!settings.accounts().contains(account)) {
            throw new RejectedException(Reason.REVIEW_ACCOUNT, who);
        }
        Optional<String> pod = only(review, POD_NAME);
        Optional<String> podUid = only(review, POD_UID);
        if (pod.isEmpty() || podUid.isEmpty()) {
            throw new RejectedException(Reason.REVIEW_POD, who + " by a token that is not bound to one pod");
        }
        return new Holder(namespace, account, pod.get(), podUid.get());
    }

    private static Optional<String> only(Review review, String extra) {
        List<String> values = review.extra().getOrDefault(extra, List.of());
        return values.size() == 1 && !values.getFirst().isEmpty() ? Optional.of(values.getFirst()) : Optional.empty();
    }

    /** Of the one Sandbox that owns the pod, and says that it is the same sandbox. */
    private String ownerUid(Holder holder, Pod pod) throws RejectedException, ClusterUnavailableException {
        List<Owner> owners = pod.owners().stream()
                .filter(owner ->
                        owner.kind().equals(SandboxResources.KIND) && SandboxResources.isVersion(owner.apiVersion()))
                .toList();
        if (owners.isEmpty()) {
            throw holder.refuse(Reason.OWNER_MISSING, "");
        }
        if (owners.size() > 1) {
            throw holder.refuse(Reason.OWNER_SEVERAL, owners.size() + " Sandboxes");
        }
        Owner owner = owners.getFirst();
        if (!owner.controls()) {
            throw holder.refuse(Reason.OWNER_NOT_CONTROLLING, owner.name());
        }
        SandboxResource sandbox = cluster.sandbox(new ResourceName(holder.namespace(), owner.name()))
                .orElseThrow(() -> holder.refuse(Reason.OWNER_GONE, owner.name()));
        if (!sandbox.uid().equals(owner.uid())) {
            throw holder.refuse(Reason.OWNER_REPLACED, owner.name() + " is " + sandbox.uid() + ", not " + owner.uid());
        }
        if (sandbox.deleting()) {
            throw holder.refuse(Reason.OWNER_GONE, owner.name() + " is being deleted");
        }
        if (!sandbox.id().equals(pod.sandbox())) {
            throw holder.refuse(
                    Reason.OWNER_LABEL,
                    owner.name() + (SandboxId.isValid(sandbox.id()) ? " is " + sandbox.id() : " names no sandbox"));
        }
        return sandbox.uid();
    }

    /** The server's words, which should never hold the token, and must not. */
    private static String loggable(String error, String token) {
        if (error.contains(token)) {
            return "";
        }
        String line = error.chars()
                .mapToObj(c -> Character.isISOControl(c) ? " " : Character.toString(c))
                .reduce("", String::concat);
        return line.length() > MAX_DETAIL ? line.substring(0, MAX_DETAIL) : line;
    }
}
