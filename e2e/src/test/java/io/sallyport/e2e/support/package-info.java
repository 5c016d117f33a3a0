/** What the tests through the real Envoy share: running stacks, callers, and the question what the gateway saw. */
@NullMarked
package io.sallyport.e2e.support;

import org.jspecify.annotations.NullMarked;
