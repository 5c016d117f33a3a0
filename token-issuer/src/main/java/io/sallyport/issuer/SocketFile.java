package io.sallyport.issuer;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A Unix socket that nobody can connect to before its permissions are right.
 *
 * <p>bind(2) makes a socket with the permissions that the umask leaves, and only then can they be changed. So the server
 * binds inside a directory that only its own user can enter; the socket is restricted there and then renamed to where
 * clients look for it. The rename also replaces, in one step, what a process that died has left.
 */
final class SocketFile implements AutoCloseable {
    private static final Logger log = System.getLogger(SocketFile.class.getName());

    /** Whom the directory of a socket may let in. */
    enum Neighbours {
        /** Whoever may write there could put a socket of theirs in its place; that is accepted. */
        ANYBODY,
        /** Only the issuer's user, and root, may write there. */
        NOBODY
    }

    private final Path path;
    private final Path privateDirectory;
    private @Nullable Object identity;

    private SocketFile(Path path, Path privateDirectory) {
        this.path = path;
        this.privateDirectory = privateDirectory;
    }

    /**
     * Makes the place where a server may bind. The socket's directory is made too, for this user alone, if its own parent
     * is there.
     *
     * @throws IOException with the remedy: something is in the socket's place, or its directory is open to others
     */
    static SocketFile prepare(Path path, Neighbours neighbours) throws IOException {
        Path directory = path.getParent();
        if (directory == null || path.getFileName() == null) {
            throw new IOException(path + " is not a place for a socket; choose a file in a directory");
        }
        if (!Files.exists(directory)) {
            try {
                Files.createDirectory(directory, mode("rwx------"));
            } catch (NoSuchFileException e) {
                throw new IOException(directory + " is missing and so is its parent; make it, mode 0700", e);
            }
        }
        refuseIfInUse(path);
        Path privateDirectory = privateDirectoryIn(directory);
        try {
            if (neighbours == Neighbours.NOBODY) {
                refuseIfOpenToOthers(directory, owner(privateDirectory));
            }
            return new SocketFile(path, privateDirectory);
        } catch (IOException e) {
            Files.delete(privateDirectory);
            throw e;
        }
    }

    /** Where the server binds. */
    Path bindAt() {
        return privateDirectory.resolve("s");
    }

    /**
     * Puts the bound socket in its place.
     *
     * @param permissions as {@code ls -l} shows them, such as {@code rw-------}
     */
    void publish(String permissions) throws IOException {
        Files.setPosixFilePermissions(bindAt(), PosixFilePermissions.fromString(permissions));
        identity = Files.readAttributes(bindAt(), PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .fileKey();
        Files.move(bindAt(), path, StandardCopyOption.ATOMIC_MOVE);
        Files.delete(privateDirectory);
    }

    /** Removes the socket, unless another has taken its place. */
    @Override
    public void close() {
        try {
            if (identity != null
                    && Files.exists(path, LinkOption.NOFOLLOW_LINKS)
                    && identity.equals(Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                            .fileKey())) {
                Files.delete(path);
            }
            Files.deleteIfExists(bindAt());
            Files.deleteIfExists(privateDirectory);
        } catch (IOException e) {
            log.log(Level.WARNING, "{0} could not be removed: {1}", path, e.toString());
        }
    }

    /** A name of two letters, because a socket's path may have 107 bytes; a few, because another may be starting too. */
    private static Path privateDirectoryIn(Path directory) throws IOException {
        for (char c = 'a'; c <= 'z'; c++) {
            try {
                return Files.createDirectory(directory.resolve("." + c), mode("rwx------"));
            } catch (FileAlreadyExistsException e) {
                // Another's, or left behind by a start that was killed: the next.
            }
        }
        throw new IOException(directory + " is full of directories .a to .z that starts have left behind; remove them");
    }

    private static void refuseIfInUse(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .isOther()) {
            throw new IOException(path + " exists and is not a socket; remove it or choose another path");
        }
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            if (probe.connect(UnixDomainSocketAddress.of(path))) {
                throw new InUseException(path + " is in use: another process listens there; stop it first");
            }
        } catch (InUseException e) {
            throw e;
        } catch (IOException e) {
            log.log(Level.DEBUG, "{0} was left behind ({1}) and will be replaced", path, e.toString());
        }
    }

    private static final class InUseException extends IOException {
        private static final long serialVersionUID = 1;

        InUseException(String message) {
            super(message);
        }
    }

    private static void refuseIfOpenToOthers(Path directory, int self) throws IOException {
        Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(directory);
        int owner = owner(directory);
        if (permissions.contains(PosixFilePermission.GROUP_WRITE)
                || permissions.contains(PosixFilePermission.OTHERS_WRITE)
                || (owner != self && owner != 0)) {
            throw new IOException(directory
                    + " can be written by others, who could put a socket of theirs in this one's place; use a directory"
                    + " of the issuer's user with mode 0700 (a missing one is made so)");
        }
    }

    private static int owner(Path path) throws IOException {
        return (Integer) Files.getAttribute(path, "unix:uid");
    }

    private static FileAttribute<?> mode(String permissions) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
    }
}
