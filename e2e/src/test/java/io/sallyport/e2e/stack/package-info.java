/** Tests of the harness itself: what starts must stop, and what does not start must say why. */
@NullMarked
package io.sallyport.e2e.stack;

import org.jspecify.annotations.NullMarked;
