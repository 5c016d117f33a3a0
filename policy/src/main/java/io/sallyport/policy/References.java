package io.sallyport.policy;

import java.util.List;
import java.util.Objects;

/**
 * Which sandbox a message named, in the message's own words; {@code ""} where it said nothing, as in protobuf.
 *
 * @param id the sandbox's id, for a rule by id
 * @param name the sandbox's name, for a rule by name
 * @param workspace the name's workspace; "" is the default workspace
 * @param inner further ids that must agree, distinct, without the empty ones
 */
public record References(String id, String name, String workspace, List<String> inner) {
    public static final References NONE = new References("", "", "", List.of());

    private static final String DEFAULT_WORKSPACE = "default";

    public References {
        Objects.requireNonNull(id, "id is null");
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(workspace, "workspace is null");
        inner = List.copyOf(inner);
    }

    /**
     * Whether it names, by name, the sandbox of this workspace and name. A sandbox without a name, as one that was adopted, is
     * named by nobody: not by a message that names none either.
     */
    public boolean names(String ownWorkspace, String ownName) {
        return !ownName.isEmpty() && name.equals(ownName) && fullWorkspace().equals(ownWorkspace);
    }

    /** {@code workspace/name}, the default workspace spelled out. */
    public String qualifiedName() {
        return fullWorkspace() + "/" + name;
    }

    private String fullWorkspace() {
        return workspace.isEmpty() ? DEFAULT_WORKSPACE : workspace;
    }
}
