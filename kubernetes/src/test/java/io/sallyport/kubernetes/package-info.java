@NullMarked
package io.sallyport.kubernetes;

import org.jspecify.annotations.NullMarked;
