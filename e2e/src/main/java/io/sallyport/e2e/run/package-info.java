/** {@code ./run}: the real thing on this machine, and a walk through what it lets pass and what it does not. */
@NullMarked
package io.sallyport.e2e.run;

import org.jspecify.annotations.NullMarked;
