package io.sallyport.e2e.support;

import io.sallyport.base.Reason;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Reads the lines that an audit log got since the last look. The log is written behind the answer, so we wait. */
public final class AuditTail {
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private final Path file;
    private long position;

    public AuditTail(Path file) {
        this.file = file;
        this.position = size();
    }

    /** Forgets what has been written so far. */
    public void skip() {
        position = size();
    }

    /** The next lines, each as its members' text; fewer than asked for when they do not come. */
    public List<Map<String, String>> next(int count) {
        Instant end = Instant.now().plus(PATIENCE);
        List<Map<String, String>> lines = new ArrayList<>();
        while (lines.size() < count && Instant.now().isBefore(end)) {
            List<Map<String, String>> more = read(count - lines.size());
            lines.addAll(more);
            if (more.isEmpty()) {
                // Another process writes the file: there is nothing to wait on but time.
                pause();
            }
        }
        return lines;
    }

    /** What has been written so far and not been read yet. */
    public List<Map<String, String>> available() {
        return read(Integer.MAX_VALUE);
    }

    /** The next line with this reason; what comes before it is passed over. */
    public Map<String, String> next(Reason reason) {
        List<Map<String, String>> line = next(1);
        while (!line.isEmpty() && !reason.code().equals(line.getFirst().get("reason"))) {
            line = next(1);
        }
        if (line.isEmpty()) {
            throw new AssertionError(file + " has no line with " + reason);
        }
        return line.getFirst();
    }

    private List<Map<String, String>> read(int atMost) {
        List<Map<String, String>> lines = new ArrayList<>();
        if (!Files.exists(file)) {
            return lines;
        }
        try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
            byte[] unread = new byte[(int) (in.length() - position)];
            in.seek(position);
            in.readFully(unread);
            int start = 0;
            for (int i = 0; i < unread.length && lines.size() < atMost; i++) {
                if (unread[i] == '\n') {
                    lines.add(JsonLines.members(new String(unread, start, i - start, StandardCharsets.UTF_8)));
                    start = i + 1;
                }
            }
            position += start;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return lines;
    }

    private long size() {
        try {
            return Files.exists(file) ? Files.size(file) : 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void pause() {
        try {
            Thread.sleep(5);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }
}
