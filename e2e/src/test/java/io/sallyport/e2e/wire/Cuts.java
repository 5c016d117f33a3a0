package io.sallyport.e2e.wire;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Where a run of bytes is cut into DATA frames: message boundaries mean nothing to it. */
@FunctionalInterface
public interface Cuts {
    /** The pieces, none of them empty; together they are the bytes. */
    List<byte[]> of(byte[] bytes);

    /** Everything at once. */
    static Cuts none() {
        return bytes -> bytes.length == 0 ? List.of() : List.of(bytes);
    }

    /** Pieces of this length, the last one shorter. */
    static Cuts every(int length) {
        return bytes -> {
            List<byte[]> pieces = new ArrayList<>();
            for (int at = 0; at < bytes.length; at += length) {
                pieces.add(Arrays.copyOfRange(bytes, at, Math.min(bytes.length, at + length)));
            }
            return pieces;
        };
    }

    /** Two pieces. */
    static Cuts at(int place) {
        return bytes -> place <= 0 || place >= bytes.length
                ? List.of(bytes)
                : List.of(Arrays.copyOf(bytes, place), Arrays.copyOfRange(bytes, place, bytes.length));
    }

    /** Pieces of 1 to {@code longest} bytes, the same ones for the same seed. */
    static Cuts random(long seed, int longest) {
        return bytes -> {
            Random random = new Random(seed);
            List<byte[]> pieces = new ArrayList<>();
            int at = 0;
            while (at < bytes.length) {
                int end = Math.min(bytes.length, at + 1 + random.nextInt(longest));
                pieces.add(Arrays.copyOfRange(bytes, at, end));
                at = end;
            }
            return pieces;
        };
    }
}
