/** What ext-authz is measured beside: programs of their own, which use nothing of the bench's outside of this package. */
@NullMarked
package io.sallyport.bench.peer;

import org.jspecify.annotations.NullMarked;
