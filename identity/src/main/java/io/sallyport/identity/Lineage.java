package io.sallyport.identity;

import java.util.Objects;

/**
 * The chain of tokens that one bootstrap opened, and a token's place in it.
 *
 * @param id the lineage ({@code lin}), opaque
 * @param generation the token's place ({@code gen}): 0 is the bootstrap token, each refresh adds one
 */
public record Lineage(String id, long generation) {
    public Lineage {
        Objects.requireNonNull(id, "id is null");
        if (id.isEmpty() || generation < 0) {
            throw new IllegalArgumentException("a lineage has an id and a generation of 0 or more");
        }
    }
}
