package io.sallyport.agent;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.UUID;

/**
 * A token file that several processes refresh, a supervisor and {@code debug-rpc} beside it above all: one at a time, and
 * each goes on from what the last one left.
 *
 * <p>A refresh consumes a token. Whoever refreshed on its own, from a copy, would leave the others with a token that is
 * refused as reuse once {@code retry-grace} is over. So the file is locked, read again, and given the successor before
 * anybody else may look: written beside it, synced, and renamed into its place with the mode and the owner it had.
 *
 * <p>The lock is an advisory one on a file of its own, {@code .NAME.lock} in the same directory, which stays: the token
 * file itself is another file after each refresh.
 */
public final class SharedTokenFile {
    private static final Duration POLL = Duration.ofMillis(20);
    private static final Set<PosixFilePermission> OWNER_ONLY = PosixFilePermissions.fromString("rw-------");

    private final Path file;
    private final Duration patience;

    /** @param patience how long to wait for another process that refreshes */
    public SharedTokenFile(Path file, Duration patience) {
        this.file = file.toAbsolutePath();
        this.patience = patience;
    }

    /** Asks the gateway for the successor of a token. */
    @FunctionalInterface
    public interface Refresh {
        /** The successor of {@code token}; both are secrets. What it throws leaves the file as it was. */
        String successorOf(String token);
    }

    /**
     * Whether a successor could be written back. A symbolic link, as in a projected volume, is somebody else's to change.
     */
    public boolean writable() {
        return Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) && Files.isWritable(directory());
    }

    /**
     * The token to go on with: the successor, which is in the file when this returns; or what another process has put
     * there since {@code held} was read.
     *
     * @param held the token that the caller would have refreshed
     * @throws TokenUnavailableException when the file cannot be locked, read or written; nothing was asked then, but for a
     *     file system that fails between the answer and the file: asking again gets the same successor
     */
    public String refresh(String held, Refresh refresh) throws TokenUnavailableException {
        try (FileChannel channel = openLock()) {
            lock(channel); // until the channel is closed
            String current = Files.readString(file, StandardCharsets.ISO_8859_1).strip();
            if (!TokenText.isToken(current)) {
                throw problem("does not hold one bearer token", "write the sandbox's token there");
            }
            if (!current.equals(held)) {
                return current;
            }
            // Made before anything is consumed: a directory that takes no file is found out in time.
            Path successorFile = directory().resolve("." + file.getFileName() + "." + UUID.randomUUID());
            try (FileChannel out = FileChannel.open(
                    successorFile,
                    Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                    PosixFilePermissions.asFileAttribute(OWNER_ONLY))) {
                takeAfter(successorFile);
                String successor = refresh.successorOf(current);
                if (!TokenText.isToken(successor)) {
                    throw problem("was not changed: the gateway's answer holds no bearer token", "ask its operator");
                }
                write(out, successor + "\n");
                Files.move(successorFile, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                syncDirectory();
                return successor;
            } finally {
                Files.deleteIfExists(successorFile);
            }
        } catch (FileSystemException e) {
            throw problem(
                    "cannot be refreshed in place (" + e.getClass().getSimpleName() + ": " + e.getFile() + ")",
                    "its directory must be writable for this user");
        } catch (IOException e) {
            throw problem(
                    "cannot be refreshed in place (" + e.getClass().getSimpleName() + ")",
                    "look at the disk, and try again");
        }
    }

    private FileChannel openLock() throws IOException {
        Path lock = directory().resolve("." + file.getFileName() + ".lock");
        boolean isNew = !Files.exists(lock, LinkOption.NOFOLLOW_LINKS);
        FileChannel channel = FileChannel.open(
                lock,
                Set.of(StandardOpenOption.CREATE, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS),
                PosixFilePermissions.asFileAttribute(OWNER_ONLY));
        if (isNew) {
            takeOwnerOf(lock);
        }
        return channel;
    }

    /** A poll, because a blocking lock has no end, and within one process there is nothing to block on. */
    private void lock(FileChannel channel) throws IOException, TokenUnavailableException {
        long end = System.nanoTime() + patience.toNanos();
        while (true) {
            try {
                if (channel.tryLock() != null) {
                    return;
                }
            } catch (OverlappingFileLockException e) {
                // held within this process
            }
            if (System.nanoTime() - end > 0) {
                throw problem("is being refreshed by another process for too long", "try again");
            }
            try {
                Thread.sleep(POLL);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw problem("was not refreshed: interrupted", "try again");
            }
        }
    }

    /** Mode and owner as the token file has them. */
    private void takeAfter(Path other) throws IOException {
        takeOwnerOf(other);
        Files.setPosixFilePermissions(other, Files.getPosixFilePermissions(file, LinkOption.NOFOLLOW_LINKS));
    }

    /** So that root, asking beside a supervisor of another user, does not lock it out. */
    private void takeOwnerOf(Path other) throws IOException {
        for (String id : List.of("unix:gid", "unix:uid")) {
            Object wanted = Files.getAttribute(file, id, LinkOption.NOFOLLOW_LINKS);
            if (!wanted.equals(Files.getAttribute(other, id, LinkOption.NOFOLLOW_LINKS))) {
                Files.setAttribute(other, id, wanted, LinkOption.NOFOLLOW_LINKS);
            }
        }
    }

    private static void write(FileChannel out, String text) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1));
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
        out.force(true);
    }

    private void syncDirectory() throws IOException {
        try (FileChannel directory = FileChannel.open(directory(), StandardOpenOption.READ)) {
            directory.force(true);
        }
    }

    private Path directory() {
        Path parent = file.getParent();
        return parent == null ? file : parent;
    }

    private TokenUnavailableException problem(String what, String remedy) {
        return new TokenUnavailableException(file + ": " + what + "; " + remedy);
    }

    @Override
    public String toString() {
        return file.toString();
    }
}
