/** Starts issuer, ext-authz, reference gateway and Envoy as the real programs they are, and stops them again. */
@NullMarked
package io.sallyport.e2e.stack;

import org.jspecify.annotations.NullMarked;
