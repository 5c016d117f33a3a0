/** That the measurements count what they say they count. Nothing here is timed. */
@NullMarked
package io.sallyport.bench;

import org.jspecify.annotations.NullMarked;
