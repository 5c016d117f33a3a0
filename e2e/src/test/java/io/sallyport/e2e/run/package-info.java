/** {@code ./run} itself: that it shows what is right, and that it would not show a wrong line as right. */
@NullMarked
package io.sallyport.e2e.run;

import org.jspecify.annotations.NullMarked;
