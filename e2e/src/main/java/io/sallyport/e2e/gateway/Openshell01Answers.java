package io.sallyport.e2e.gateway;

import io.grpc.Status;
import io.grpc.StatusException;
import io.sallyport.api.openshell01.ExchangeProviderSubjectTokenRequest;
import io.sallyport.api.openshell01.ExchangeProviderSubjectTokenResponse;
import io.sallyport.api.openshell01.FinalizeMainProcessExitRequest;
import io.sallyport.api.openshell01.FinalizeMainProcessExitResponse;
import io.sallyport.api.openshell01.GetCurrentUserResponse;
import io.sallyport.api.openshell01.GetDraftPolicyRequest;
import io.sallyport.api.openshell01.GetDraftPolicyResponse;
import io.sallyport.api.openshell01.GetSandboxProviderEnvironmentRequest;
import io.sallyport.api.openshell01.GetSandboxProviderEnvironmentResponse;
import io.sallyport.api.openshell01.HealthResponse;
import io.sallyport.api.openshell01.ReportEndpointStatusRequest;
import io.sallyport.api.openshell01.ReportEndpointStatusResponse;
import io.sallyport.api.openshell01.ReportMainProcessExitRequest;
import io.sallyport.api.openshell01.ReportMainProcessExitResponse;
import io.sallyport.api.openshell01.ReportPolicyStatusRequest;
import io.sallyport.api.openshell01.ReportPolicyStatusResponse;
import io.sallyport.api.openshell01.ReportProviderReadinessRequest;
import io.sallyport.api.openshell01.ReportProviderReadinessResponse;
import io.sallyport.api.openshell01.ReportSandboxConfigurationRequest;
import io.sallyport.api.openshell01.ReportSandboxConfigurationResponse;
import io.sallyport.api.openshell01.SandboxResponse;
import io.sallyport.api.openshell01.SubmitPolicyAnalysisRequest;
import io.sallyport.api.openshell01.SubmitPolicyAnalysisResponse;
import io.sallyport.api.openshell01.UpdateConfigRequest;
import io.sallyport.api.openshell01.UpdateConfigResponse;
import io.sallyport.api.openshell01.datamodel.WorkspaceSelector;
import io.sallyport.api.openshell01.sandbox.GetSandboxConfigRequest;
import io.sallyport.api.openshell01.sandbox.GetSandboxConfigResponse;
import java.util.Map;

/**
 * Generation 0.1: a configuration is asked for by name and workspace. Whatever sandbox a request names, its data is what
 * comes back.
 */
final class Openshell01Answers implements Answers {
    private final Map<String, Unary> unary;

    Openshell01Answers(SandboxTable sandboxes) {
        unary = Map.ofEntries(
                Map.entry(
                        "/openshell.v1.OpenShell/Health",
                        body -> HealthResponse.newBuilder()
                                .setVersion("reference 0.1")
                                .build()),
                Map.entry(
                        "/openshell.v1.OpenShell/GetCurrentUser",
                        body -> GetCurrentUserResponse.newBuilder()
                                .setSubject("somebody")
                                .build()),
                Map.entry("/openshell.v1.OpenShell/GetSandbox", body -> SandboxResponse.getDefaultInstance()),
                Map.entry("/openshell.v1.OpenShell/GetSandboxConfig", body -> {
                    GetSandboxConfigRequest request = GetSandboxConfigRequest.parseFrom(body);
                    KnownSandbox sandbox = sandboxes.byName(workspace(request.getWorkspaceScope()), request.getName());
                    return GetSandboxConfigResponse.newBuilder()
                            .setVersion(1)
                            .setPolicyHash(SandboxData.policyOf(sandbox))
                            .setWorkspace(sandbox.workspace())
                            .build();
                }),
                Map.entry("/openshell.v1.OpenShell/UpdateConfig", body -> {
                    UpdateConfigRequest request = UpdateConfigRequest.parseFrom(body);
                    return UpdateConfigResponse.newBuilder()
                            .setVersion(2)
                            .setPolicyHash(SandboxData.policyOf(
                                    sandboxes.byName(workspace(request.getWorkspaceScope()), request.getSandbox())))
                            .build();
                }),
                Map.entry("/openshell.v1.OpenShell/GetDraftPolicy", body -> {
                    GetDraftPolicyRequest request = GetDraftPolicyRequest.parseFrom(body);
                    return GetDraftPolicyResponse.newBuilder()
                            .setRollingSummary(SandboxData.draftOf(
                                    sandboxes.byName(workspace(request.getWorkspaceScope()), request.getSandbox())))
                            .build();
                }),
                Map.entry("/openshell.v1.OpenShell/SubmitPolicyAnalysis", body -> {
                    SubmitPolicyAnalysisRequest request = SubmitPolicyAnalysisRequest.parseFrom(body);
                    sandboxes.byName(workspace(request.getWorkspaceScope()), request.getName());
                    return SubmitPolicyAnalysisResponse.newBuilder()
                            .setAcceptedChunks(request.getProposedChunksCount())
                            .build();
                }),
                Map.entry("/openshell.v1.OpenShell/ReportPolicyStatus", body -> {
                    sandboxes.byId(ReportPolicyStatusRequest.parseFrom(body).getSandboxId());
                    return ReportPolicyStatusResponse.getDefaultInstance();
                }),
                Map.entry("/openshell.v1.OpenShell/GetSandboxProviderEnvironment", body -> {
                    KnownSandbox sandbox = sandboxes.byId(
                            GetSandboxProviderEnvironmentRequest.parseFrom(body).getSandboxId());
                    return GetSandboxProviderEnvironmentResponse.newBuilder()
                            .putEnvironment("PROVIDER_KEY", SandboxData.secretOf(sandbox))
                            .build();
                }),
                Map.entry("/openshell.v1.OpenShell/ExchangeProviderSubjectToken", body -> {
                    KnownSandbox sandbox = sandboxes.byId(
                            ExchangeProviderSubjectTokenRequest.parseFrom(body).getSandboxId());
                    return ExchangeProviderSubjectTokenResponse.newBuilder()
                            .setAccessToken(SandboxData.secretOf(sandbox))
                            .build();
                }),
                Map.entry("/openshell.v1.OpenShell/ReportMainProcessExit", body -> {
                    sandboxes.byId(ReportMainProcessExitRequest.parseFrom(body).getSandboxId());
                    return ReportMainProcessExitResponse.getDefaultInstance();
                }),
                Map.entry("/openshell.v1.OpenShell/FinalizeMainProcessExit", body -> {
                    sandboxes.byId(
                            FinalizeMainProcessExitRequest.parseFrom(body).getSandboxId());
                    return FinalizeMainProcessExitResponse.getDefaultInstance();
                }),
                Map.entry("/openshell.v1.OpenShell/ReportEndpointStatus", body -> {
                    sandboxes.byId(ReportEndpointStatusRequest.parseFrom(body).getSandboxId());
                    return ReportEndpointStatusResponse.getDefaultInstance();
                }),
                Map.entry("/openshell.v1.OpenShell/ReportProviderReadiness", body -> {
                    sandboxes.byId(
                            ReportProviderReadinessRequest.parseFrom(body).getSandboxId());
                    return ReportProviderReadinessResponse.getDefaultInstance();
                }),
                Map.entry("/openshell.v1.OpenShell/ReportSandboxConfiguration", body -> {
                    sandboxes.byId(
                            ReportSandboxConfigurationRequest.parseFrom(body).getSandboxId());
                    return ReportSandboxConfigurationResponse.getDefaultInstance();
                }));
    }

    /** Unset means {@code default}; "all workspaces" is nobody's name. */
    private static String workspace(WorkspaceSelector scope) throws StatusException {
        if (scope.hasAllWorkspaces()) {
            throw Status.INVALID_ARGUMENT
                    .withDescription("one workspace is needed")
                    .asException();
        }
        return scope.getWorkspace();
    }

    @Override
    public Map<String, Unary> unary() {
        return unary;
    }

    @Override
    public Map<String, Streaming> streaming() {
        return SandboxData.STREAMING;
    }
}
