/** What the generated configuration says, and what a real Envoy makes of it. */
@NullMarked
package io.sallyport.envoyconfig;

import org.jspecify.annotations.NullMarked;
