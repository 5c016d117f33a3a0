package io.sallyport.kubernetes;

import java.util.List;
import java.util.Set;

/** How the resource behind a sandbox is called, and what stands on it and on its pods. */
final class SandboxResources {
    static final String GROUP = "agents.x-k8s.io";
    static final String KIND = "Sandbox";
    static final String PLURAL = "sandboxes";

    /** The newest first. */
    static final List<String> VERSIONS = List.of("v1beta1", "v1alpha1");

    /** On the pod: which sandbox it is. */
    static final String POD_ANNOTATION = "openshell.io/sandbox-id";

    /** On the Sandbox: its id. */
    static final String ID_LABEL = "openshell.ai/sandbox-id";

    /** On the Sandbox, as annotation or label: what it is called. */
    static final String NAME = "openshell.ai/sandbox-name";

    /** Beside the name: where it is called so. */
    static final String WORKSPACE = "openshell.ai/sandbox-workspace";

    /** All that is read from a Sandbox's labels and annotations. */
    static final Set<String> SAID = Set.of(ID_LABEL, NAME, WORKSPACE);

    private SandboxResources() {}

    static boolean isVersion(String apiVersion) {
        return VERSIONS.stream().anyMatch(version -> apiVersion.equals(GROUP + "/" + version));
    }
}
