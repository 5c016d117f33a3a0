/** Every promise, tried on the real thing: the real programs behind a real Envoy. */
@NullMarked
package io.sallyport.e2e;

import org.jspecify.annotations.NullMarked;
