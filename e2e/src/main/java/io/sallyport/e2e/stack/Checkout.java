package io.sallyport.e2e.stack;

import java.nio.file.Files;
import java.nio.file.Path;

/** The folder this project was checked out into: the programs are taken from its {@code MODULE/target/app}. */
public final class Checkout {
    private Checkout() {}

    /** Looks upwards from a folder. */
    public static Path find(Path from) {
        for (Path at = from.toAbsolutePath(); at != null; at = at.getParent()) {
            if (Files.isRegularFile(at.resolve("mvnw")) && Files.isDirectory(at.resolve("token-issuer"))) {
                return at;
            }
        }
        throw new StackException(from + " is not inside a checkout of Sallyport");
    }
}
