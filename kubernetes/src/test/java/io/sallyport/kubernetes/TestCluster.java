package io.sallyport.kubernetes;

import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.nio.file.Path;

/** A cluster for tests: an {@link ApiServer} of our own, or one that somebody named. */
public interface TestCluster extends AutoCloseable {
    /** A client that may do everything. */
    KubernetesClient admin();

    /** Where the API server is. */
    String url();

    /** A kubeconfig of somebody with this token who comes by this address, in a new file. */
    Path kubeconfig(String token, String url) throws IOException;

    /** What all names end with that tests make outside of their own namespaces, so that they are nobody else's. */
    String suffix();

    /** Installs the definition of Sandboxes, served in both versions. */
    void defineSandboxes();

    @Override
    void close();
}
