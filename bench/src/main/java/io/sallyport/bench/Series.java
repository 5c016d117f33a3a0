package io.sallyport.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The same figure from several rounds. */
final class Series {
    private final List<Double> values = new ArrayList<>();

    void add(double value) {
        values.add(value);
    }

    double last() {
        return values.getLast();
    }

    double median() {
        List<Double> sorted = values.stream().sorted().toList();
        int half = sorted.size() / 2;
        return sorted.size() % 2 == 1 ? sorted.get(half) : (sorted.get(half - 1) + sorted.get(half)) / 2;
    }

    /** @param percent of the values that are at most this large */
    double percentile(int percent) {
        List<Double> sorted = values.stream().sorted().toList();
        return sorted.get(Math.min(sorted.size() - 1, sorted.size() * percent / 100));
    }

    /** Median and spread, with that many digits after the point. */
    String describe(int digits) {
        String format = "%." + digits + "f";
        return String.format(
                Locale.ROOT,
                format + " (" + format + " to " + format + ", %d rounds)",
                median(),
                values.stream().min(Double::compare).orElse(Double.NaN),
                values.stream().max(Double::compare).orElse(Double.NaN),
                values.size());
    }
}
