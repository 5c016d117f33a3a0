/** Envoy's messages by the numbers of their fields, without its generated classes. */
@NullMarked
package io.sallyport.extauthz.envoy;

import org.jspecify.annotations.NullMarked;
