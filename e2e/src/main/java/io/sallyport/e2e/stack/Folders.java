package io.sallyport.e2e.stack;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.stream.Stream;

/** Folders that do not last. */
public final class Folders {
    private Folders() {}

    /**
     * Deletes a folder and everything in it; links are deleted, not followed.
     *
     * @throws IOException when something in it cannot be deleted; a folder that is not there is no error
     */
    public static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        } catch (NoSuchFileException e) {
            // As wanted.
            return;
        }
    }
}
