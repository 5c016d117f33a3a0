package io.sallyport.kubernetes;

import java.util.List;

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

    private SandboxResources() {}

    static boolean isVersion(String apiVersion) {
        return VERSIONS.stream().anyMatch(version -> apiVersion.equals(GROUP + "/" + version));
    }
}
