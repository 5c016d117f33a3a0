/** One JSON line for each refusal and each mint, written off the request's path. */
@NullMarked
package io.sallyport.base.audit;

import org.jspecify.annotations.NullMarked;
