/** What Sallyport costs, beside a peer that does nothing: ratios from one run, never a timed test. */
@NullMarked
package io.sallyport.bench;

import org.jspecify.annotations.NullMarked;
