/** Access policy and settings in, a whole Envoy bootstrap out: what Envoy forwards is what the policy says. */
@NullMarked
package io.sallyport.envoyconfig;

import org.jspecify.annotations.NullMarked;
