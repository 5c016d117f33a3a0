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
 * the room, and the next revocation none. The file itself says whether that is so, to every process on the database and
 * after every restart. Used by one thread.
 */
final class DiskReserve {
    static final int BYTES = 1024 * 1024;

    private static final Logger log = System.getLogger(DiskReserve.class.getName());
    private static final long BETWEEN_TRIES = Duration.ofMillis(200).toNanos();

    private final Path file;
    private final Path directory;
    private final LongSupplier nanos;
    private boolean kept;
    private boolean missed;
    private long lastTry;

    /** @param nanos a monotonic clock */
    DiskReserve(Path file, LongSupplier nanos) {
        this.file = file;
        this.directory = Objects.requireNonNull(file.toAbsolutePath().getParent(), "the file is a root");
        this.nanos = nanos;
        this.lastTry = nanos.getAsLong() - BETWEEN_TRIES;
    }

    /** Whether others may write: not while there is no such room. Takes the room as soon as there is some. */
    boolean isKept() {
        if (kept && !Files.exists(file)) {
            lost("another process has given the room that was kept to a revocation or a deletion");
        }
        if (!kept && nanos.getAsLong() - lastTry >= BETWEEN_TRIES) {
            lastTry = nanos.getAsLong();
            take();
        }
        return kept;
    }

    /** Gives the room away; whether there was any. */
    boolean giveUp() {
        if (!kept) {
            return false;
        }
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            log.log(Level.ERROR, "{0}: the room that was kept cannot be given away: {1}", file, e.getMessage());
            return false;
        }
        lost("the disk is full, and the room that was kept is given to a revocation or a deletion");
        return true;
    }

    private void lost(String why) {
        kept = false;
        lastTry = nanos.getAsLong();
        missed(why);
    }

    private void take() {
        try {
            kept = isThere() || make();
            if (!kept) {
                missed("the disk has no room to spare");
            } else if (missed) {
                missed = false;
                log.log(Level.INFO, "{0}: there is room again", file);
            }
        } catch (IOException e) {
            missed("it cannot be written (" + e + ")");
        }
    }

    /** Said once, and not again before there is room. */
    private void missed(String why) {
        if (!missed) {
            missed = true;
            log.log(
                    Level.ERROR,
                    "{0}: {1}; until there is space for it, only revocations, stops and deletions are written",
                    file,
                    why);
        }
    }

    private boolean isThere() throws IOException {
        return Files.exists(file) && Files.size(file) == BYTES;
    }

    private boolean make() throws IOException {
        Files.deleteIfExists(file);
        // Twice as much must be free: what is taken here must not be the last of it.
        if (Files.getFileStore(directory).getUsableSpace() < 2L * BYTES) {
            return false;
        }
        write();
        return true;
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
