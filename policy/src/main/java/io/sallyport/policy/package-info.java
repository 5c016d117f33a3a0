/** May they call this, and which sandbox does the request mean: method rules and the strict message scanner. */
@NullMarked
package io.sallyport.policy;

import org.jspecify.annotations.NullMarked;
