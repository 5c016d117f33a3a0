package io.sallyport.identity;

import java.util.Objects;

/**
 * The chain of tokens that one bootstrap opened, and a token's place in it.
 *
 * @param id the lineage ({@code lin}), opaque
 * @param generation the token's place ({@code gen}): 0 is the bootstrap token, each refresh adds one
 */
public record Lineage(String id, long generation) {
    /** What the names of lineages begin with that no issuer opened; a name of its own making never does. */
    public static final String ADOPTED = "adopted-";

    private static final int ADOPTED_DIGITS = 32;

    public Lineage {
        Objects.requireNonNull(id, "id is null");
        if (id.isEmpty() || generation < 0) {
            throw new IllegalArgumentException("a lineage has an id and a generation of 0 or more");
        }
    }

    /**
     * The place of a token that names none, since an unchanged gateway minted it: the beginning of a lineage whose name
     * follows from the sandbox and the token, so that everybody finds the same one.
     */
    static Lineage adopted(SandboxId sandbox, String tokenId) {
        return new Lineage(
                ADOPTED + Digests.sha256(sandbox.value() + "\n" + tokenId).substring(0, ADOPTED_DIGITS), 0);
    }

    /**
     * Whether the token at this place was minted by an unchanged gateway. What an issuer gave for it is in the same lineage,
     * and says so itself.
     */
    public boolean isAdopted() {
        return generation == 0 && id.startsWith(ADOPTED);
    }
}
