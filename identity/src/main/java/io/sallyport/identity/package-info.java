/** Who is calling: principals, sandbox tokens, assertions, signing keys, authenticators. */
@NullMarked
package io.sallyport.identity;

import org.jspecify.annotations.NullMarked;
