package io.sallyport.base;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Set;

/** A directory in which nobody but this process's user, and root, can exchange a file. */
public final class OwnDirectory {
    private OwnDirectory() {}

    /**
     * Refuses a directory that somebody else may write, sticky or not. A symbolic link is judged by what it leads to.
     *
     * @param danger what others could do there, as in "who could …"
     * @throws IOException with the directory and the remedy
     */
    public static void check(Path directory, String danger) throws IOException {
        Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(directory);
        int owner = owner(directory);
        if (permissions.contains(PosixFilePermission.GROUP_WRITE)
                || permissions.contains(PosixFilePermission.OTHERS_WRITE)
                || (owner != owner(Path.of("/proc/self")) && owner != 0)) {
            throw new IOException(directory + " can be written by others, who could " + danger
                    + "; use a directory of this program's user with mode 0700");
        }
    }

    private static int owner(Path path) throws IOException {
        return (Integer) Files.getAttribute(path, "unix:uid");
    }
}
