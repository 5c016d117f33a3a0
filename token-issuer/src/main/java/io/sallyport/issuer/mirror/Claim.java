package io.sallyport.issuer.mirror;

import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.MirroredSandbox;
import io.sallyport.issuer.store.MirroredSandbox.Resource;
import io.sallyport.issuer.store.SandboxName;
import io.sallyport.kubernetes.SandboxResource;
import java.util.Optional;

/** Which sandbox a resource says that it is. */
sealed interface Claim {
    /** It says nothing: it is not there, or not for long, or is no sandbox of ours. */
    record None() implements Claim {}

    /** It says so. */
    record Of(MirroredSandbox sandbox) implements Claim {}

    /**
     * What it says cannot be read.
     *
     * @param what of it, and what would be right; nothing of it is repeated
     * @param id what can be read all the same: the name is to blame
     */
    record Unclear(String what, Optional<SandboxId> id) implements Claim {}

    static Claim of(Optional<SandboxResource> resource) {
        if (resource.isEmpty() || resource.get().deleting()) {
            return new None();
        }
        SandboxResource said = resource.get();
        if (said.id().isEmpty()) {
            return new None();
        }
        if (!SandboxId.isValid(said.id())) {
            return new Unclear(
                    "the label openshell.ai/sandbox-id is no sandbox's id; label it with 1 to 63 of [A-Za-z0-9._-]",
                    Optional.empty());
        }
        SandboxId id = new SandboxId(said.id());
        for (SandboxResource.Stated stated : new SandboxResource.Stated[] {said.name(), said.workspace()}) {
            if (!stated.clear()) {
                return new Unclear(
                        "annotation and label " + stated.key() + " differ; make them the same, or leave one out",
                        Optional.of(id));
            }
        }
        try {
            return new Of(new MirroredSandbox(
                    id,
                    said.name().text().isEmpty()
                            ? Optional.empty()
                            : Optional.of(SandboxName.of(
                                    said.workspace().text(), said.name().text())),
                    resource(said)));
        } catch (IllegalArgumentException e) {
            return new Unclear(
                    said.name().key() + " or " + said.workspace().key() + " is none: " + e.getMessage(),
                    Optional.of(id));
        }
    }

    /** The resource, as the store knows it. */
    static Resource resource(SandboxResource resource) {
        return new Resource(resource.at().namespace(), resource.at().name(), resource.uid());
    }
}
