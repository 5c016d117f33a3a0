package io.sallyport.kubernetes;

import java.util.Objects;

/** Where a Sandbox resource is: another one may have been there before it, and may come after. */
public record ResourceName(String namespace, String name) {
    public ResourceName {
        Objects.requireNonNull(namespace, "namespace is null");
        Objects.requireNonNull(name, "name is null");
    }

    @Override
    public String toString() {
        return namespace + "/" + name;
    }
}
