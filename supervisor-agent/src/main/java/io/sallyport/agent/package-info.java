/** The supervisor's side: where its token comes from, how a call carries it, and {@code debug-rpc} to try both. */
@NullMarked
package io.sallyport.agent;

import org.jspecify.annotations.NullMarked;
