package io.sallyport.issuer.cli;

import io.sallyport.identity.SandboxId;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SecureDirectoryStream;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Writes tokens into files, and removes them again.
 *
 * <p>A file appears whole, mode 0400, with its owner, or not at all. It is made in a directory that only we can enter, so
 * that nobody can exchange it between its making and the change of its owner, and renamed into place; a rename never
 * follows a symbolic link. Directories are held open and everything in them is named relative to that, so that exchanging
 * a directory on the way leads nowhere.
 *
 * <p>What is in the file's place may be replaced only if it is a token of the same sandbox, or empty: a slip of the pen
 * shall not cost anybody their configuration, nor turn one sandbox into another.
 */
final class TokenFiles {
    private static final Set<PosixFilePermission> OWNER_ONLY = PosixFilePermissions.fromString("rwx------");
    private static final Path STAGED = Path.of("token");

    private final Supplier<String> names;

    /** @param names names that nobody can guess, for staging directories */
    TokenFiles(Supplier<String> names) {
        this.names = names;
    }

    /** What became of a file that was to be removed. */
    enum Removal {
        REMOVED,
        /** There is no such file (any more). */
        ABSENT,
        /** Something else has taken its place, and stays. */
        REPLACED
    }

    /**
     * Checks that a token could be written there, before one is made.
     *
     * @param sandbox the id that the token will be for
     * @return the path without symbolic links in its directory, as it is to be remembered
     * @throws CommandFailedException with what is in the way
     */
    Path check(Path file, String sandbox, Optional<FileOwner> owner) throws CommandFailedException {
        Path target = resolve(file);
        try (SecureDirectoryStream<Path> directory = open(target)) {
            checkDirectory(target, directory, owner);
            checkTarget(target, sandbox, directory);
            return target;
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    /**
     * Writes a token.
     *
     * @param target as {@link #check} returned it
     * @param sandbox the id that the token is for
     * @param token a secret
     */
    void write(Path target, String sandbox, byte[] token, Optional<FileOwner> owner) throws CommandFailedException {
        try (SecureDirectoryStream<Path> directory = open(target)) {
            checkDirectory(target, directory, owner);
            Path staging = directory(target).resolve(".sallyport-" + names.get());
            Files.createDirectory(staging, mode("rwx------"));
            try (SecureDirectoryStream<Path> ours =
                    directory.newDirectoryStream(staging.getFileName(), LinkOption.NOFOLLOW_LINKS)) {
                checkStaging(staging, ours);
                try {
                    stage(ours, token, owner);
                    checkTarget(target, sandbox, directory);
                    ours.move(STAGED, directory, name(target));
                } finally {
                    deleteIfPresent(ours, STAGED);
                }
            } finally {
                directory.deleteDirectory(staging.getFileName());
            }
            sync(directory(target));
        } catch (IOException e) {
            throw failed(target, e);
        }
    }

    /**
     * Removes a file, if it still is a regular file with a token of which the caller says that it is the one.
     *
     * @param path absolute
     */
    Removal remove(Path path, Predicate<TokenText> isOurs) throws CommandFailedException {
        try (SecureDirectoryStream<Path> directory = open(path)) {
            BasicFileAttributes before = attributes(directory, name(path));
            if (before == null) {
                return Removal.ABSENT;
            }
            if (!before.isRegularFile()
                    || before.size() > TokenText.MAX_LENGTH
                    || !TokenText.read(content(directory, name(path)))
                            .map(isOurs::test)
                            .orElse(false)) {
                return Removal.REPLACED;
            }
            BasicFileAttributes now = attributes(directory, name(path));
            if (now == null || before.fileKey() == null || !before.fileKey().equals(now.fileKey())) {
                return Removal.REPLACED;
            }
            directory.deleteFile(name(path));
            sync(directory(path));
            return Removal.REMOVED;
        } catch (NoSuchFileException e) {
            return Removal.ABSENT;
        } catch (IOException e) {
            throw failed(path, e);
        }
    }

    private static void stage(SecureDirectoryStream<Path> ours, byte[] token, Optional<FileOwner> owner)
            throws IOException, CommandFailedException {
        try (SeekableByteChannel channel = ours.newByteChannel(
                STAGED,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS),
                mode("r--------"))) {
            if (owner.isPresent()) {
                give(ours, owner.get());
            }
            ByteBuffer bytes = ByteBuffer.wrap(token);
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
            if (!(channel instanceof FileChannel file)) {
                throw new IOException("this file system cannot sync");
            }
            file.force(true);
        }
    }

    private static void give(SecureDirectoryStream<Path> ours, FileOwner owner)
            throws IOException, CommandFailedException {
        PosixFileAttributeView view =
                ours.getFileAttributeView(STAGED, PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS);
        var principals = Path.of("/").getFileSystem().getUserPrincipalLookupService();
        try {
            view.setGroup(principals.lookupPrincipalByGroupName(String.valueOf(owner.group())));
            view.setOwner(principals.lookupPrincipalByName(String.valueOf(owner.user())));
        } catch (IOException e) {
            throw new CommandFailedException("the file could not be given to " + owner.user() + ":" + owner.group()
                    + " (only root may); run as root or leave --owner out");
        }
    }

    private static void checkDirectory(
            Path target, SecureDirectoryStream<Path> directory, Optional<FileOwner> fileOwner)
            throws IOException, CommandFailedException {
        Path path = directory(target);
        var attributes =
                directory.getFileAttributeView(PosixFileAttributeView.class).readAttributes();
        boolean sticky = ((Integer) Files.getAttribute(path, "unix:mode") & 01000) != 0;
        boolean shared = attributes.permissions().contains(PosixFilePermission.GROUP_WRITE)
                || attributes.permissions().contains(PosixFilePermission.OTHERS_WRITE);
        if (shared && !sticky) {
            throw new CommandFailedException(path + " can be written by others, who could exchange the file; use a"
                    + " directory that only its owner can write");
        }
        long owner = Integer.toUnsignedLong((Integer) Files.getAttribute(path, "unix:uid"));
        boolean theirs = fileOwner.isPresent() && fileOwner.get().user() == owner;
        if (owner != 0 && owner != self() && !theirs) {
            throw new CommandFailedException(path + " belongs to user " + owner
                    + ", who could exchange the file; use a directory of root, of yourself or of the file's --owner");
        }
    }

    private static void checkTarget(Path target, String sandbox, SecureDirectoryStream<Path> directory)
            throws IOException, CommandFailedException {
        BasicFileAttributes present = attributes(directory, name(target));
        if (present == null) {
            return;
        }
        if (present.isSymbolicLink()) {
            throw new CommandFailedException(target + " is a symbolic link; name the file itself");
        }
        if (!present.isRegularFile()) {
            throw new CommandFailedException(target + " exists and is not a file; choose another path");
        }
        if (present.size() == 0) {
            return;
        }
        Optional<TokenText> held = present.size() > TokenText.MAX_LENGTH
                ? Optional.empty()
                : TokenText.read(content(directory, name(target)));
        if (held.isEmpty()) {
            throw new CommandFailedException(
                    target + " exists and does not hold a token; remove it first or choose another path");
        }
        Optional<String> holder = held.get().sandbox();
        if (!holder.equals(Optional.of(sandbox))) {
            throw new CommandFailedException(target + " holds a token of "
                    + holder.map(TokenFiles::named).orElse("no sandbox") + ", not of " + named(sandbox)
                    + "; remove it first or choose another path");
        }
    }

    /** What is no id could be anything, and is not repeated on a terminal. */
    private static String named(String id) {
        return SandboxId.isValid(id) ? "sandbox " + id : "something that is no sandbox id";
    }

    /** The directory we made a moment ago, or one exchanged for it? Only one that is ours alone will do. */
    private static void checkStaging(Path staging, SecureDirectoryStream<Path> ours)
            throws IOException, CommandFailedException {
        var attributes = ours.getFileAttributeView(PosixFileAttributeView.class).readAttributes();
        String owner = attributes.owner().getName();
        String self = Files.getOwner(Path.of("/proc/self")).getName();
        if (!attributes.permissions().equals(OWNER_ONLY) || !owner.equals(self)) {
            throw new CommandFailedException(staging + " was exchanged while it was being used; look who did it");
        }
    }

    private static String content(SecureDirectoryStream<Path> directory, Path name) throws IOException {
        try (SeekableByteChannel channel =
                directory.newByteChannel(name, Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS))) {
            ByteBuffer bytes = ByteBuffer.allocate(TokenText.MAX_LENGTH + 1);
            while (bytes.hasRemaining() && channel.read(bytes) >= 0) {
                // Read on.
            }
            return new String(bytes.array(), 0, bytes.position(), StandardCharsets.ISO_8859_1);
        }
    }

    private static @Nullable BasicFileAttributes attributes(SecureDirectoryStream<Path> directory, Path name)
            throws IOException {
        try {
            return directory
                    .getFileAttributeView(name, BasicFileAttributeView.class, LinkOption.NOFOLLOW_LINKS)
                    .readAttributes();
        } catch (NoSuchFileException e) {
            return null;
        }
    }

    private static void deleteIfPresent(SecureDirectoryStream<Path> directory, Path name) throws IOException {
        try {
            directory.deleteFile(name);
        } catch (NoSuchFileException e) {
            // Renamed into place.
        }
    }

    @SuppressWarnings("StreamResourceLeak") // The caller closes it.
    private static SecureDirectoryStream<Path> open(Path target) throws IOException {
        DirectoryStream<Path> stream = Files.newDirectoryStream(directory(target));
        if (stream instanceof SecureDirectoryStream<Path> secure) {
            return secure;
        }
        stream.close();
        throw new IOException("this system cannot hold a directory open; tokens are written on Linux only");
    }

    private static Path resolve(Path file) throws CommandFailedException {
        Path absolute = file.toAbsolutePath();
        Path parent = absolute.getParent();
        Path name = absolute.getFileName();
        if (parent == null
                || name == null
                || name.toString().equals("..")
                || name.toString().equals(".")) {
            throw new CommandFailedException(file + " is not a file in a directory; choose another path");
        }
        try {
            return parent.toRealPath().resolve(name);
        } catch (IOException e) {
            throw new CommandFailedException(parent + " is not a directory we can use; make it first");
        }
    }

    private static void sync(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static Path directory(Path target) {
        Path parent = target.getParent();
        if (parent == null) {
            throw new IllegalArgumentException("a token file is a file in a directory");
        }
        return parent;
    }

    private static Path name(Path target) {
        Path name = target.getFileName();
        if (name == null) {
            throw new IllegalArgumentException("a token file has a name");
        }
        return name;
    }

    private static long self() throws IOException {
        return Integer.toUnsignedLong((Integer) Files.getAttribute(Path.of("/proc/self"), "unix:uid"));
    }

    private static CommandFailedException failed(Path target, IOException e) {
        return new CommandFailedException(
                target + ": " + e.getClass().getSimpleName() + " " + String.valueOf(e.getMessage()));
    }

    private static FileAttribute<Set<PosixFilePermission>> mode(String permissions) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
    }
}
