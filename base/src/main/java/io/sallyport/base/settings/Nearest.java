package io.sallyport.base.settings;

import java.util.Collection;
import java.util.Map;
import java.util.Optional;

/** Finds the known word that a mistyped one was probably meant to be. */
public final class Nearest {
    private Nearest() {}

    /** The nearest of the known words; empty when none is near enough to be worth naming. */
    public static Optional<String> of(String word, Collection<String> known) {
        return known.stream()
                .map(candidate -> Map.entry(distance(candidate, word), candidate))
                .filter(entry -> entry.getKey() <= Math.max(2, word.length() / 3))
                .min(Map.Entry.comparingByKey())
                .map(Map.Entry::getValue);
    }

    /** Levenshtein distance: how many letters to change, add or drop. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int above = row[j];
                int replace = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                row[j] = Math.min(replace, Math.min(above, row[j - 1]) + 1);
                diagonal = above;
            }
        }
        return row[b.length()];
    }
}
