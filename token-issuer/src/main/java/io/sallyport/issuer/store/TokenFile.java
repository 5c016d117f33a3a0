package io.sallyport.issuer.store;

import java.util.Objects;

/**
 * A file that was to be given a token.
 *
 * @param path absolute, on the machine of whoever asked for the token
 * @param lineage the lineage of the token
 */
public record TokenFile(String path, String lineage) {
    private static final int MAX_LENGTH = 4096;

    public TokenFile {
        Objects.requireNonNull(path, "path is null");
        Objects.requireNonNull(lineage, "lineage is null");
        if (!path.startsWith("/") || path.length() > MAX_LENGTH || path.chars().anyMatch(Character::isISOControl)) {
            throw new IllegalArgumentException(
                    "a token file's path is absolute, at most 4096 long and without control characters");
        }
    }
}
