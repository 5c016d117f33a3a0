/** The real thing, started and attacked: what the walk-through, the tests and the benchmarks have in common. */
@NullMarked
package io.sallyport.e2e;

import org.jspecify.annotations.NullMarked;
