package io.sallyport.base.net;

import io.sallyport.base.OwnDirectory;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.ConnectException;
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
import java.nio.file.attribute.PosixFilePermissions;
import org.jspecify.annotations.Nullable;

/**
 * A Unix socket that nobody can connect to before its permissions are right.
 *
 * <p>bind(2) makes a socket with the permissions that the umask leaves, and only then can they be changed. So the server
 * binds inside a directory that only its own user can enter; the socket is restricted there and then renamed to where
 * clients look for it. The rename also replaces, in one step, what a process that died has left.
 */
public final class SocketFile implements AutoCloseable {
    private static final Logger log = System.getLogger(SocketFile.class.getName());

    /** {@code S_IFMT} and {@code S_IFSOCK} of stat(2). */
    private static final int FILE_TYPE = 0xf000;

    private static final int SOCKET = 0xc000;

    /** Whom the directory of a socket may let in. */
    public enum Neighbours {
        /** Whoever may write there could put a socket of theirs in its place; that is accepted. */
        ANYBODY,
        /** Only this process's user, and root, may write there. */
        NOBODY
    }

    private final Path path;
    private final Path privateDirectory;
    private final Endpoint.Unix bindAt;
    private @Nullable Object identity;

    private SocketFile(Path path, Path privateDirectory, Endpoint.Unix bindAt) {
        this.path = path;
        this.privateDirectory = privateDirectory;
        this.bindAt = bindAt;
    }

    /**
     * Makes the place where a server may bind. The socket's directory is made too, for this user alone, if its own parent
     * is there.
     *
     * @throws IOException with the remedy: something is in the socket's place, or its directory is open to others
     */
    public static SocketFile prepare(Path path, Neighbours neighbours) throws IOException {
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
                OwnDirectory.check(directory, "put a socket of theirs in this one's place");
            }
            return new SocketFile(path, privateDirectory, endpointIn(privateDirectory));
        } catch (IOException e) {
            Files.delete(privateDirectory);
            throw e;
        }
    }

    /** Where the server binds. */
    public Endpoint.Unix bindAt() {
        return bindAt;
    }

    /**
     * Puts the bound socket in its place.
     *
     * @param permissions as {@code ls -l} shows them, such as {@code rw-------}
     */
    public void publish(String permissions) throws IOException {
        Files.setPosixFilePermissions(bindAt.path(), PosixFilePermissions.fromString(permissions));
        identity = Files.readAttributes(bindAt.path(), PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .fileKey();
        Files.move(bindAt.path(), path, StandardCopyOption.ATOMIC_MOVE);
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
            Files.deleteIfExists(bindAt.path());
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

    private static Endpoint.Unix endpointIn(Path privateDirectory) throws IOException {
        try {
            return new Endpoint.Unix(privateDirectory.resolve("s"));
        } catch (IllegalArgumentException e) {
            throw new IOException(e.getMessage() + " (while it is being made ready); choose a shorter directory", e);
        }
    }

    private static void refuseIfInUse(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        int mode = (int) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS);
        if ((mode & FILE_TYPE) != SOCKET) {
            throw new IOException(path + " exists and is not a socket; remove it or choose another path");
        }
        if (isServed(path)) {
            throw new IOException(path + " is in use: another process listens there; stop it first");
        }
        log.log(Level.DEBUG, "{0} was left behind and will be replaced", path);
    }

    /** Only a refused connection shows that nobody listens; whose socket we may not open may well be alive. */
    private static boolean isServed(Path path) throws IOException {
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return probe.connect(UnixDomainSocketAddress.of(path));
        } catch (ConnectException e) {
            return false;
        } catch (IOException e) {
            throw new IOException(
                    path + " exists and cannot be tried (" + e.getMessage() + "); remove it or choose another path", e);
        }
    }

    private static FileAttribute<?> mode(String permissions) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
    }
}
