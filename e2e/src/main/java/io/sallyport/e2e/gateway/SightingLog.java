package io.sallyport.e2e.gateway;

import com.google.protobuf.ByteString;
import io.sallyport.e2e.gateway.Sighting.End;
import io.sallyport.e2e.gateway.Sighting.Header;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;

/**
 * What reached the gateway, in the order of arrival. Thread-safe.
 *
 * <p>The newest {@link #KEPT} streams are kept with the first {@link #KEPT_BYTES} of each, so that a benchmark does not
 * fill the memory; the count never forgets.
 */
final class SightingLog {
    static final int KEPT = 8_192;
    static final String TAG = "x-test-tag";
    static final int KEPT_BYTES = 1 << 20;

    private static final Set<String> SECRET =
            Set.of("authorization", "proxy-authorization", "cookie", "x-sandbox-principal-jwt");

    private final Deque<Entry> entries = new ArrayDeque<>();
    private long count;

    /** A stream that may still grow. */
    final class Entry {
        private final long number;
        private final List<Header> headers;
        private final String tag;
        private final ByteArrayOutputStream data = new ByteArrayOutputStream();
        private long dataLength;
        private List<Header> trailers = List.of();
        private End end = End.OPEN;
        private String answer = "";

        private Entry(long number, List<Header> headers) {
            this.number = number;
            this.headers = headers;
            this.tag = headers.stream()
                    .filter(header -> header.name().equals(TAG))
                    .map(Header::value)
                    .findFirst()
                    .orElse("");
        }

        void data(byte[] bytes) {
            synchronized (SightingLog.this) {
                dataLength += bytes.length;
                data.write(bytes, 0, Math.min(bytes.length, KEPT_BYTES - data.size()));
            }
        }

        void trailers(List<Header> received) {
            synchronized (SightingLog.this) {
                trailers = withoutSecrets(received);
            }
        }

        /** A request that was half-closed can still be broken off, as long as it has no answer. */
        void end(End how) {
            synchronized (SightingLog.this) {
                if (end == End.OPEN || (how == End.RESET && answer.isEmpty())) {
                    end = how;
                }
            }
        }

        void answered(String status) {
            synchronized (SightingLog.this) {
                answer = status;
            }
        }

        private Sighting snapshot() {
            return new Sighting(
                    number, headers, ByteString.copyFrom(data.toByteArray()), dataLength, trailers, end, answer);
        }
    }

    synchronized Entry open(List<Header> headers) {
        Entry entry = new Entry(++count, withoutSecrets(headers));
        entries.addLast(entry);
        if (entries.size() > KEPT) {
            entries.removeFirst();
        }
        return entry;
    }

    /** How many streams ever arrived. */
    synchronized long count() {
        return count;
    }

    /** Those with a number over {@code since} and, unless it is empty, this tag, as they are now. */
    synchronized List<Sighting> since(long since, String tag) {
        List<Sighting> found = new ArrayList<>();
        for (Entry entry : entries) {
            if (entry.number > since && (tag.isEmpty() || entry.tag.equals(tag))) {
                found.add(entry.snapshot());
            }
        }
        return found;
    }

    private static List<Header> withoutSecrets(List<Header> headers) {
        return headers.stream()
                .map(header -> SECRET.contains(header.name())
                        ? new Header(header.name(), "sha256:" + sha256(header.value()))
                        : header)
                .toList();
    }

    private static String sha256(String text) {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.ISO_8859_1)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }
}
