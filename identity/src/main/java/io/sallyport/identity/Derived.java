package io.sallyport.identity;

import java.util.Objects;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What is made from a value that may be replaced: made again once another one is there.
 *
 * <p>Threads that meet a new value at once may each make theirs; they are alike.
 */
final class Derived<S, T> implements Supplier<T> {
    private final Supplier<S> source;
    private final Function<S, T> make;
    private volatile @Nullable Made<S, T> last;

    private record Made<S, T>(S from, T value) {}

    Derived(Supplier<S> source, Function<S, T> make) {
        this.source = Objects.requireNonNull(source, "source is null");
        this.make = Objects.requireNonNull(make, "make is null");
    }

    @Override
    @SuppressWarnings("ReferenceEquality") // the very snapshot, not one like it
    public T get() {
        S now = source.get();
        Made<S, T> made = last;
        if (made == null || made.from() != now) {
            made = new Made<>(now, make.apply(now));
            last = made;
        }
        return made.value();
    }
}
