package io.sallyport.agent;

import java.util.Set;

/** The environment variables a supervisor is configured with, and those that no child of it may inherit. */
public final class EnvironmentNames {
    /** The token itself; comes before both files. */
    public static final String SANDBOX_TOKEN = "OPENSHELL_SANDBOX_TOKEN";

    /** A file that holds the token; comes before the ServiceAccount's. */
    public static final String SANDBOX_TOKEN_FILE = "OPENSHELL_SANDBOX_TOKEN_FILE";

    /** A file with a Kubernetes ServiceAccount token, to be exchanged for a sandbox token. */
    public static final String K8S_SA_TOKEN_FILE = "OPENSHELL_K8S_SA_TOKEN_FILE";

    /** Where the gateway is: {@code http://host:port} or {@code https://host:port}. */
    public static final String ENDPOINT = "OPENSHELL_ENDPOINT";

    /** The sandbox's own id, sent as {@code x-sandbox-id}. */
    public static final String SANDBOX_ID = "OPENSHELL_SANDBOX_ID";

    /** The sandbox's own name. */
    public static final String SANDBOX_NAME = "OPENSHELL_SANDBOX";

    /** Certificates (PEM) that the gateway's is checked against, instead of the JVM's. */
    public static final String TLS_CA = "OPENSHELL_TLS_CA";

    /** A client certificate (PEM), with {@link #TLS_KEY}. */
    public static final String TLS_CERT = "OPENSHELL_TLS_CERT";

    /** The client certificate's key (PKCS#8 PEM), with {@link #TLS_CERT}. */
    public static final String TLS_KEY = "OPENSHELL_TLS_KEY";

    /** The name the gateway's certificate must have, when it is not the endpoint's. */
    public static final String TLS_SERVER_NAME = "OPENSHELL_GATEWAY_TLS_SERVER_NAME";

    /**
     * What must never be in the environment of a process that a supervisor starts: whoever reads one of these can be the
     * sandbox.
     */
    public static final Set<String> NEVER_IN_CHILDREN =
            Set.of(SANDBOX_TOKEN, SANDBOX_TOKEN_FILE, K8S_SA_TOKEN_FILE, TLS_CA, TLS_CERT, TLS_KEY);

    private EnvironmentNames() {}

    /** Takes all of {@link #NEVER_IN_CHILDREN} out of the environment of a process to be started. */
    public static ProcessBuilder withoutCredentials(ProcessBuilder child) {
        child.environment().keySet().removeAll(NEVER_IN_CHILDREN);
        return child;
    }
}
