package io.sallyport.e2e.gateway;

import io.sallyport.e2e.gateway.Answers.Streaming;
import java.util.Map;

/** What belongs to one sandbox and to nobody else: a leak shows by these texts. */
public final class SandboxData {
    static final Map<String, Streaming> STREAMING = Map.of(
            "/openshell.v1.OpenShell/PushSandboxLogs", Streaming.COLLECT,
            "/openshell.v1.OpenShell/ConnectSupervisor", Streaming.SESSION,
            "/openshell.v1.OpenShell/RelayStream", Streaming.ECHO);

    private SandboxData() {}

    public static String policyOf(KnownSandbox sandbox) {
        return "policy-of-" + sandbox.id();
    }

    public static String draftOf(KnownSandbox sandbox) {
        return "draft-of-" + sandbox.id();
    }

    public static String secretOf(KnownSandbox sandbox) {
        return "secret-of-" + sandbox.id();
    }
}
