/** Why a request was refused and what it costs the caller: one closed list for all parts. */
@NullMarked
package io.sallyport.base;

import org.jspecify.annotations.NullMarked;
