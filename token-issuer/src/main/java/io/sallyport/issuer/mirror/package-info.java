/** Records that follow the Sandbox resources of a Kubernetes cluster. */
@NullMarked
package io.sallyport.issuer.mirror;

import org.jspecify.annotations.NullMarked;
