package io.sallyport.agent;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A token in a file, read again whenever the file changes.
 *
 * <p>When the file is away, empty or half-written for a moment, the last good token serves on, and the file is tried
 * again at the next call: whether the old token is still good is not for us to say.
 */
public final class FileTokenSource implements TokenSource {
    private static final Logger log = System.getLogger(FileTokenSource.class.getName());
    private static final String REMEDY = "write the sandbox's token there, readable by this user";

    /** Two writes within a tick of the file system's clock look alike; a file this young is read again. */
    private static final Duration RACY = Duration.ofSeconds(2);

    /** What tells one content of a file from the next without reading it. */
    private record Stamp(
            Instant modified, long size, @Nullable Object fileKey) {
        static Stamp of(Path file) throws IOException {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            return new Stamp(attributes.lastModifiedTime().toInstant(), attributes.size(), attributes.fileKey());
        }
    }

    private final Path file;
    private final InstantSource clock;
    private @Nullable Stamp stamp;
    private @Nullable String token;
    private boolean complained;

    public FileTokenSource(Path file, InstantSource clock) {
        this.file = Objects.requireNonNull(file, "file is null");
        this.clock = Objects.requireNonNull(clock, "clock is null");
    }

    /** The file. */
    Path path() {
        return file;
    }

    @Override
    public synchronized String token() throws TokenUnavailableException {
        String message;
        try {
            Stamp before = Stamp.of(file);
            if (token != null && before.equals(stamp)) {
                return token;
            }
            String text = TokenText.read(file, REMEDY);
            // Remembered as read only if nobody wrote meanwhile, and only after it proved good.
            boolean settled = before.equals(Stamp.of(file))
                    && before.modified().plus(RACY).isBefore(clock.instant());
            token = text;
            stamp = settled ? before : null;
            complained = false;
            return text;
        } catch (TokenUnavailableException e) {
            message = String.valueOf(e.getMessage());
        } catch (IOException e) {
            message = file + ": " + TokenText.unreadable(e) + "; " + REMEDY;
        }
        String last = token;
        if (last == null) {
            throw new TokenUnavailableException(message);
        }
        if (!complained) {
            complained = true;
            log.log(Level.WARNING, "{0}. The token read before is used on.", message);
        }
        return last;
    }

    @Override
    public String toString() {
        return file.toString();
    }
}
