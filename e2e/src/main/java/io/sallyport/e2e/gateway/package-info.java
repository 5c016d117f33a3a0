/** A gateway to stand behind Sallyport: it answers believably, and remembers every byte that reached it. */
@NullMarked
package io.sallyport.e2e.gateway;

import org.jspecify.annotations.NullMarked;
