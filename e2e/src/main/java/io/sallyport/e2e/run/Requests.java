package io.sallyport.e2e.run;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.sallyport.e2e.Generation;

/** The requests of the walk-through, in the words of either generation. */
final class Requests {
    private static final String OPEN_SHELL = "/openshell.v1.OpenShell/";

    static final String GET_CONFIG = OPEN_SHELL + "GetSandboxConfig";
    static final String GET_DRAFT = OPEN_SHELL + "GetDraftPolicy";
    static final String GET_SANDBOX = OPEN_SHELL + "GetSandbox";
    static final String PUSH_LOGS = OPEN_SHELL + "PushSandboxLogs";
    static final String CONNECT = OPEN_SHELL + "ConnectSupervisor";
    static final String REFRESH = OPEN_SHELL + "RefreshSandboxToken";

    private Requests() {}

    /** For {@link #GET_CONFIG}; the walk-through's sandboxes are named like their ids. */
    static byte[] config(Generation generation, String sandbox) {
        return switch (generation) {
            case V0_0 ->
                io.sallyport.api.openshell00.sandbox.GetSandboxConfigRequest.newBuilder()
                        .setSandboxId(sandbox)
                        .build()
                        .toByteArray();
            case V0_1 ->
                io.sallyport.api.openshell01.sandbox.GetSandboxConfigRequest.newBuilder()
                        .setName(sandbox)
                        .build()
                        .toByteArray();
        };
    }

    /** For {@link #GET_DRAFT}. */
    static byte[] draft(Generation generation, String name) {
        return switch (generation) {
            case V0_0 ->
                io.sallyport.api.openshell00.GetDraftPolicyRequest.newBuilder()
                        .setName(name)
                        .build()
                        .toByteArray();
            case V0_1 ->
                io.sallyport.api.openshell01.GetDraftPolicyRequest.newBuilder()
                        .setSandbox(name)
                        .build()
                        .toByteArray();
        };
    }

    /** For {@link #GET_SANDBOX}, a method of users. */
    static byte[] sandbox(Generation generation, String name) {
        return switch (generation) {
            case V0_0 ->
                io.sallyport.api.openshell00.GetSandboxRequest.newBuilder()
                        .setName(name)
                        .build()
                        .toByteArray();
            case V0_1 ->
                io.sallyport.api.openshell01.GetSandboxRequest.newBuilder()
                        .setName(name)
                        .build()
                        .toByteArray();
        };
    }

    /** For {@link #PUSH_LOGS}: the same in both generations. */
    static byte[] logs(String sandbox) {
        return io.sallyport.api.openshell00.PushSandboxLogsRequest.newBuilder()
                .setSandboxId(sandbox)
                .addLogs(io.sallyport.api.openshell00.SandboxLogLine.newBuilder()
                        .setLevel("info")
                        .setMessage("a line of " + sandbox))
                .build()
                .toByteArray();
    }

    /** For {@link #CONNECT}: the same in both generations. */
    static byte[] hello(String sandbox) {
        return io.sallyport.api.openshell00.SupervisorMessage.newBuilder()
                .setHello(io.sallyport.api.openshell00.SupervisorHello.newBuilder()
                        .setSandboxId(sandbox))
                .build()
                .toByteArray();
    }

    /** The policy hash in an answer to {@link #GET_CONFIG}: the same field in both generations. */
    static String policyHash(ByteString answer) throws InvalidProtocolBufferException {
        return io.sallyport.api.openshell00.sandbox.GetSandboxConfigResponse.parseFrom(answer)
                .getPolicyHash();
    }

    /** The token in an answer to {@link #REFRESH}: the same field in both generations. */
    static String token(ByteString answer) throws InvalidProtocolBufferException {
        return io.sallyport.api.openshell00.RefreshSandboxTokenResponse.parseFrom(answer)
                .getToken();
    }
}
