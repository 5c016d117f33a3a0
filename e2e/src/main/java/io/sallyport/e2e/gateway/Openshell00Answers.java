package io.sallyport.e2e.gateway;

import io.sallyport.api.openshell00.ExchangeProviderSubjectTokenRequest;
import io.sallyport.api.openshell00.ExchangeProviderSubjectTokenResponse;
import io.sallyport.api.openshell00.GetCurrentUserResponse;
import io.sallyport.api.openshell00.GetDraftPolicyRequest;
import io.sallyport.api.openshell00.GetDraftPolicyResponse;
import io.sallyport.api.openshell00.GetSandboxProviderEnvironmentRequest;
import io.sallyport.api.openshell00.GetSandboxProviderEnvironmentResponse;
import io.sallyport.api.openshell00.HealthResponse;
import io.sallyport.api.openshell00.ReportMainProcessExitRequest;
import io.sallyport.api.openshell00.ReportMainProcessExitResponse;
import io.sallyport.api.openshell00.ReportPolicyStatusRequest;
import io.sallyport.api.openshell00.ReportPolicyStatusResponse;
import io.sallyport.api.openshell00.SandboxResponse;
import io.sallyport.api.openshell00.SubmitPolicyAnalysisRequest;
import io.sallyport.api.openshell00.SubmitPolicyAnalysisResponse;
import io.sallyport.api.openshell00.UpdateConfigRequest;
import io.sallyport.api.openshell00.UpdateConfigResponse;
import io.sallyport.api.openshell00.inference.GetInferenceBundleResponse;
import io.sallyport.api.openshell00.sandbox.GetSandboxConfigRequest;
import io.sallyport.api.openshell00.sandbox.GetSandboxConfigResponse;
import java.util.Map;

/** Generation 0.0: a configuration is asked for by id. Whatever sandbox a request names, its data is what comes back. */
final class Openshell00Answers implements Answers {
    private final Map<String, Unary> unary;

    Openshell00Answers(SandboxTable sandboxes) {
        unary = Map.ofEntries(
                Map.entry(
                        "/openshell.v1.OpenShell/Health",
                        body -> HealthResponse.newBuilder()
                                .setVersion("reference 0.0")
                                .build()),
                Map.entry(
                        "/openshell.v1.OpenShell/GetCurrentUser",
                        body -> GetCurrentUserResponse.newBuilder()
                                .setSubject("somebody")
                                .build()),
                Map.entry("/openshell.v1.OpenShell/GetSandbox", body -> SandboxResponse.getDefaultInstance()),
                Map.entry("/openshell.v1.OpenShell/GetSandboxConfig", body -> {
                    KnownSandbox sandbox = sandboxes.byId(
                            GetSandboxConfigRequest.parseFrom(body).getSandboxId());
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
                            .setPolicyHash(
                                    SandboxData.policyOf(sandboxes.byName(request.getWorkspace(), request.getName())))
                            .build();
                }),
                Map.entry("/openshell.v1.OpenShell/GetDraftPolicy", body -> {
                    GetDraftPolicyRequest request = GetDraftPolicyRequest.parseFrom(body);
                    return GetDraftPolicyResponse.newBuilder()
                            .setRollingSummary(
                                    SandboxData.draftOf(sandboxes.byName(request.getWorkspace(), request.getName())))
                            .build();
                }),
                Map.entry("/openshell.v1.OpenShell/SubmitPolicyAnalysis", body -> {
                    SubmitPolicyAnalysisRequest request = SubmitPolicyAnalysisRequest.parseFrom(body);
                    sandboxes.byName(request.getWorkspace(), request.getName());
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
                Map.entry(
                        "/openshell.inference.v1.Inference/GetInferenceBundle",
                        body -> GetInferenceBundleResponse.getDefaultInstance()));
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
