package io.sallyport.issuer.store;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import java.util.function.LongSupplier;

/**
 * A file that holds nothing but room on the disk, for revocations and deletions that come when there is none left.
 *
 * <p>It is given up for the first of them, and until it is back nothing else is written: or else the refreshes would have
 * the room, and the next revocation none. Used by one thread.
 */
final class DiskReserve {
    static final int BYTES = 1024 * 1024;

    private static final Logger log = System.getLogger(DiskReserve.class.getName());
    private static final long BETWEEN_TRIES = Duration.ofMillis(200).toNanos();

    private final Path file;
    private final Path directory;
    private final LongSupplier nanos;
    private boolean kept;
    private boolean given;
    private long lastTry;

    /** @param nanos a monotonic clock */
    DiskReserve(Path file, LongSupplier nanos) {
        this.file = file;
        this.directory = Objects.requireNonNull(file.toAbsolutePath().getParent(), "the file is a root");
        this.nanos = nanos;
        this.lastTry = nanos.getAsLong() - BETWEEN_TRIES;
    }

    /**
     * Whether others may write: not between {@link #giveUp} and the moment when there is room again. Takes the room as
     * soon as there is some; a disk too small to begin with is written without a reserve.
     */
    boolean isKept() {
        if (!kept && nanos.getAsLong() - lastTry >= BETWEEN_TRIES) {
            lastTry = nanos.getAsLong();
            kept = take();
            if (kept && given) {
                log.log(Level.INFO, "{0}: there is room again", file);
                given = false;
            }
        }
        return kept || !given;
    }

    /** Gives the room away; whether there was any. */
    boolean giveUp() {
        if (!kept) {
            return false;
        }
        kept = false;
        given = true;
        lastTry = nanos.getAsLong();
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            return false;
        }
        log.log(
                Level.ERROR,
                "{0}: the disk is full, and the room that was kept is given to revocations and deletions; nothing else is"
                        + " written until there is space",
                file);
        return true;
    }

    private boolean take() {
        try {
            if (Files.exists(file) && Files.size(file) == BYTES) {
                return true;
            }
            Files.deleteIfExists(file);
            // Twice as much must be free: what is taken here must not be the last of it.
            if (Files.getFileStore(directory).getUsableSpace() < 2L * BYTES) {
                return false;
            }
            write();
            return true;
        } catch (IOException e) {
            log.log(Level.WARNING, "no room is kept in {0} for revocations on a full disk: {1}", file, e.getMessage());
            return false;
        }
    }

    /** Written out, for a file with holes keeps no room. */
    private void write() throws IOException {
        FileChannel out = FileChannel.open(
                file,
                Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        try (out) {
            ByteBuffer bytes = ByteBuffer.allocate(BYTES);
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            out.force(true);
        } catch (IOException e) {
            Files.deleteIfExists(file);
            throw e;
        }
    }
}
