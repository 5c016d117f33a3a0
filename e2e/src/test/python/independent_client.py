"""Calls a gateway through Envoy with the published OpenShell stubs and says what came back, one JSON line a row.

usage: independent_client.py WHEEL 0.0|0.1 HOST:PORT TOKENS

TOKENS is a folder with one token a file; tokens never stand in arguments, in the environment or in the output.
"""
import importlib
import json
import pathlib
import sys
import types

import grpc

TIMEOUT_SECONDS = 20


def stubs_of(wheel):
    """The package's generated modules, without its __init__, which wants libraries that no stub needs."""
    package = types.ModuleType("openshell")
    package.__path__ = [wheel + "/openshell"]
    sys.modules["openshell"] = package
    return tuple(
        importlib.import_module("openshell._proto." + name)
        for name in ("openshell_pb2", "openshell_pb2_grpc", "sandbox_pb2", "datamodel_pb2")
    )


def rows(generation, api, sandbox_api, stub):
    """Name, token and call of every row."""
    if generation == "0.0":
        config = {
            "own": sandbox_api.GetSandboxConfigRequest(sandbox_id="alpha-id"),
            "neighbour": sandbox_api.GetSandboxConfigRequest(sandbox_id="beta-id"),
        }
        draft = {name: api.GetDraftPolicyRequest(name=name) for name in ("alpha", "beta")}
        update = {"sandbox_field": "name"}
    else:
        config = {
            "own": sandbox_api.GetSandboxConfigRequest(name="alpha"),
            "neighbour": sandbox_api.GetSandboxConfigRequest(name="beta"),
        }
        draft = {name: api.GetDraftPolicyRequest(sandbox=name) for name in ("alpha", "beta")}
        update = {"sandbox_field": "sandbox"}

    def update_request(name, **more):
        return api.UpdateConfigRequest(
            **{update["sandbox_field"]: name}, policy=sandbox_api.SandboxPolicy(version=1), **more
        )

    def environment(sandbox_id):
        return api.GetSandboxProviderEnvironmentRequest(sandbox_id=sandbox_id)

    def status(sandbox_id):
        return api.ReportPolicyStatusRequest(sandbox_id=sandbox_id, version=1)

    def analysis(name, inner):
        return api.SubmitPolicyAnalysisRequest(name=name, summaries=[api.DenialSummary(sandbox_id=inner)])

    def logs(sandbox_id, inner):
        lines = [api.SandboxLogLine(message="a line"), api.SandboxLogLine(sandbox_id=inner, message="another")]
        return iter([api.PushSandboxLogsRequest(sandbox_id=sandbox_id, logs=lines)])

    yield "own config", "alpha", stub.GetSandboxConfig, config["own"]
    yield "neighbour's config", "alpha", stub.GetSandboxConfig, config["neighbour"]
    yield "no token", None, stub.GetSandboxConfig, config["own"]
    yield "forged token", "forged", stub.GetSandboxConfig, config["own"]
    yield "expired token", "expired", stub.GetSandboxConfig, config["own"]
    yield "neighbour's token for own config", "beta", stub.GetSandboxConfig, config["own"]
    yield "own draft", "alpha", stub.GetDraftPolicy, draft["alpha"]
    yield "neighbour's draft by name", "alpha", stub.GetDraftPolicy, draft["beta"]
    yield "own environment", "alpha", stub.GetSandboxProviderEnvironment, environment("alpha-id")
    yield "neighbour's environment", "alpha", stub.GetSandboxProviderEnvironment, environment("beta-id")
    yield "own status", "alpha", stub.ReportPolicyStatus, status("alpha-id")
    yield "neighbour's status", "alpha", stub.ReportPolicyStatus, status("beta-id")
    yield "own analysis", "alpha", stub.SubmitPolicyAnalysis, analysis("alpha", "alpha-id")
    yield "own analysis, neighbour inside", "alpha", stub.SubmitPolicyAnalysis, analysis("alpha", "beta-id")
    yield "own policy", "alpha", stub.UpdateConfig, update_request("alpha")
    yield "neighbour's policy", "alpha", stub.UpdateConfig, update_request("beta")
    # "global" is a word of Python's own, so it cannot be written as an argument.
    yield "global policy", "alpha", stub.UpdateConfig, update_request("alpha", **{"global": True})
    yield "a method of users", "alpha", stub.GetCurrentUser, api.GetCurrentUserRequest()
    yield "refresh", "alpha", stub.RefreshSandboxToken, api.RefreshSandboxTokenRequest()
    yield "refresh without token", None, stub.RefreshSandboxToken, api.RefreshSandboxTokenRequest()
    yield "bootstrap", "alpha", stub.IssueSandboxToken, api.IssueSandboxTokenRequest()
    yield "own logs", "alpha", stub.PushSandboxLogs, logs("alpha-id", "alpha-id")
    yield "neighbour's logs", "alpha", stub.PushSandboxLogs, logs("beta-id", "beta-id")
    yield "own logs, neighbour inside", "alpha", stub.PushSandboxLogs, logs("alpha-id", "beta-id")
    yield "logs without token", None, stub.PushSandboxLogs, logs("alpha-id", "alpha-id")


def said(answer):
    """What of an answer shows whose data it is; never a token."""
    result = {}
    for field in ("policy_hash", "rolling_summary"):
        if hasattr(answer, field):
            result["data"] = getattr(answer, field)
    if hasattr(answer, "environment"):
        result["data"] = ",".join(answer.environment.values())
    if hasattr(answer, "token"):
        result["data"] = "a token" if answer.token.count(".") == 2 else "no token"
        if hasattr(answer, "expiration_time"):
            result["data"] += ", ends" if answer.expiration_time.seconds > 0 else ", endless"
        else:
            result["data"] += ", ends" if answer.expires_at_ms > 0 else ", endless"
    return result


def main(wheel, generation, target, tokens):
    api, api_grpc, sandbox_api, _ = stubs_of(wheel)
    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = api_grpc.OpenShellStub(channel)
        for name, credential, call, request in rows(generation, api, sandbox_api, stub):
            metadata = ()
            if credential is not None:
                token = (pathlib.Path(tokens) / credential).read_text().strip()
                metadata = (("authorization", "Bearer " + token),)
            try:
                answer = call(request, metadata=metadata, timeout=TIMEOUT_SECONDS)
                result = {"code": "OK", "details": "", **said(answer)}
            except grpc.RpcError as error:
                result = {"code": error.code().name, "details": error.details()}
            print(json.dumps({"row": name, **result}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
