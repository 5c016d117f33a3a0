package io.sallyport.kubernetes;

import io.fabric8.kubernetes.api.model.ObjectMeta;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A Sandbox resource ({@code agents.x-k8s.io}), as far as it matters here. Its texts are what somebody wrote, and may be
 * anything.
 *
 * @param at where it is
 * @param uid tells it from others of the same name, before and after
 * @param deleting whether it is being deleted, which nothing takes back
 * @param id what its label {@code openshell.ai/sandbox-id} says; empty without one
 * @param name what its annotation or label {@code openshell.ai/sandbox-name} says
 * @param workspace what its annotation or label {@code openshell.ai/sandbox-workspace} says
 */
public record SandboxResource(ResourceName at, String uid, boolean deleting, String id, Stated name, Stated workspace) {
    public SandboxResource {
        Objects.requireNonNull(at, "at is null");
        Objects.requireNonNull(uid, "uid is null");
        Objects.requireNonNull(id, "id is null");
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(workspace, "workspace is null");
    }

    /**
     * What stands on a resource as annotation, as label, or as both.
     *
     * @param key of the annotation and of the label
     * @param text empty where there is neither
     * @param clear whether it can be read in one way: not where annotation and label differ
     */
    public record Stated(String key, String text, boolean clear) {
        static Stated on(ObjectMeta meta, String key) {
            String annotation = value(meta.getAnnotations(), key);
            String label = value(meta.getLabels(), key);
            return new Stated(
                    key,
                    annotation.isEmpty() ? label : annotation,
                    annotation.isEmpty() || label.isEmpty() || annotation.equals(label));
        }
    }

    /** @throws ClusterUnavailableException when this is no object */
    static SandboxResource of(ResourceName at, @Nullable ObjectMeta meta) throws ClusterUnavailableException {
        if (meta == null || meta.getUid() == null) {
            throw new ClusterUnavailableException("the API server's answer is an object without a uid");
        }
        return new SandboxResource(
                at,
                meta.getUid(),
                meta.getDeletionTimestamp() != null,
                value(meta.getLabels(), SandboxResources.ID_LABEL),
                Stated.on(meta, SandboxResources.NAME),
                Stated.on(meta, SandboxResources.WORKSPACE));
    }

    private static String value(@Nullable Map<String, String> of, String key) {
        return of == null ? "" : Objects.requireNonNullElse(of.get(key), "");
    }
}
