/** The token issuer as a program: its settings, its listeners, its main. */
@NullMarked
package io.sallyport.issuer;

import org.jspecify.annotations.NullMarked;
