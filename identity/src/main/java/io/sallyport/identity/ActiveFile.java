package io.sallyport.identity;

import java.io.IOException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The file {@code active}: on its first line the {@code kid} of the key that signs; on the others, newest first, each key
 * that signed before and until when ({@code <kid> <RFC 3339 time>}).
 *
 * <p>Which key signs and since when the others do not is one file, so that one rename changes both.
 *
 * @param keyId the key that signs
 * @param until when other keys ceased to
 */
record ActiveFile(String keyId, Map<String, Instant> until) {
    ActiveFile {
        until = Map.copyOf(until);
    }

    static ActiveFile parse(KeyFiles.Content file) throws IOException {
        if (!file.isThere()) {
            throw new IOException(file.path() + ": is missing; write the kid of the key that signs into it");
        }
        List<String> lines = file.read().strip().lines().map(String::strip).toList();
        String keyId = lines.isEmpty() ? "" : lines.getFirst();
        if (!KeyDirectory.isKeyId(keyId)) {
            throw new IOException(file.path() + ": does not hold a kid (1 to 128 of [A-Za-z0-9._-])");
        }
        Map<String, Instant> until = new LinkedHashMap<>();
        for (String line : lines.subList(1, lines.size())) {
            String[] words = line.split(" ", -1);
            try {
                if (words.length != 2
                        || !KeyDirectory.isKeyId(words[0])
                        || words[0].equals(keyId)
                        || until.put(words[0], Instant.parse(words[1])) != null) {
                    throw new DateTimeException("");
                }
            } catch (DateTimeException e) {
                throw new IOException(
                        file.path() + ": line " + (until.size() + 2)
                                + " is not a kid and a time, such as: k1 2026-01-02T03:04:05Z; each key once, below the active one");
            }
        }
        return new ActiveFile(keyId, until);
    }

    /** The text of the file. */
    String format() {
        StringBuilder text = new StringBuilder(keyId).append('\n');
        until.entrySet().stream()
                .sorted(Map.Entry.<String, Instant>comparingByValue()
                        .reversed()
                        .thenComparing(Map.Entry.comparingByKey()))
                .forEach(line -> text.append(line.getKey())
                        .append(' ')
                        .append(line.getValue())
                        .append('\n'));
        return text.toString();
    }
}
