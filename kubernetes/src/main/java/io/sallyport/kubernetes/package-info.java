/** What a Kubernetes cluster says: which sandbox a pod is, and which sandboxes there are. */
@NullMarked
package io.sallyport.kubernetes;

import org.jspecify.annotations.NullMarked;
