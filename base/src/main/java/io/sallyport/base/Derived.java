package io.sallyport.base;

import java.util.Objects;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What is made from a value that may be replaced: made again once another one is there.
 *
 * <p>Threads that meet a new value at once may each make theirs; they are alike.
 */
public final class Derived<S, T> implements Supplier<T> {
    private final Supplier<S> source;
    private final Function<S, T> make;
    private volatile @Nullable Made<S, T> last;

    private record Made<S, T>(S from, T value) {}

    /**
     * @param source gives the same object until there is another value
     * @param make makes what is asked for, from a value
     */
    public Derived(Supplier<S> source, Function<S, T> make) {
        this.source = Objects.requireNonNull(source, "source is null");
        this.make = Objects.requireNonNull(make, "make is null");
    }

    /** What belongs to the value there is now. */
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
