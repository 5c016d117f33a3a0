package io.sallyport.extauthz;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import io.envoyproxy.envoy.config.core.v3.Address;
import io.envoyproxy.envoy.config.core.v3.SocketAddress;
import io.envoyproxy.envoy.service.auth.v3.AttributeContext;
import io.envoyproxy.envoy.service.auth.v3.AttributeContext.HttpRequest;
import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Builds the questions that Envoy would ask. */
final class Requests {
    static final String CONFIG = "/openshell.v1.OpenShell/GetSandboxConfig";
    static final String DRAFT = "/openshell.v1.OpenShell/GetDraftPolicy";
    static final String ANALYSIS = "/openshell.v1.OpenShell/SubmitPolicyAnalysis";
    static final String REFRESH = "/openshell.v1.OpenShell/RefreshSandboxToken";
    static final String ISSUE = "/openshell.v1.OpenShell/IssueSandboxToken";
    static final String LOGS = "/openshell.v1.OpenShell/PushSandboxLogs";
    static final String BUNDLE = "/openshell.inference.v1.Inference/GetInferenceBundle";
    static final String HEALTH = "/openshell.v1.OpenShell/Health";
    static final String USER = "/openshell.v1.OpenShell/GetSandbox";

    private final Map<String, String> headers = new LinkedHashMap<>();
    private final Map<String, String> extensions = new LinkedHashMap<>();
    private final String path;
    private byte[] body = new byte[0];
    private @Nullable Long size;
    private String address = "10.0.0.7";
    private int port = 40_000;

    private Requests(String path, String digest) {
        this.path = path;
        headers.put("content-type", "application/grpc");
        headers.put("x-request-id", "req-1");
        headers.put("x-envoy-auth-partial-body", "false");
        extensions.put(CheckCallReader.POLICY_EXTENSION, digest);
    }

    static Requests to(String path, String digest) {
        return new Requests(path, digest);
    }

    Requests bearer(String token) {
        return header("authorization", "Bearer " + token);
    }

    Requests header(String name, @Nullable String value) {
        if (value == null) {
            headers.remove(name);
        } else {
            headers.put(name, value);
        }
        return this;
    }

    Requests digest(@Nullable String digest) {
        if (digest == null) {
            extensions.clear();
        } else {
            extensions.put(CheckCallReader.POLICY_EXTENSION, digest);
        }
        return this;
    }

    Requests message(MessageLite message) {
        return body(frame(message.toByteArray()));
    }

    Requests body(byte[] bytes) {
        body = bytes.clone();
        return this;
    }

    Requests size(long bytes) {
        size = bytes;
        return this;
    }

    Requests from(String address, int port) {
        this.address = address;
        this.port = port;
        return this;
    }

    static byte[] frame(byte[] message) {
        return ByteBuffer.allocate(5 + message.length)
                .put((byte) 0)
                .putInt(message.length)
                .put(message)
                .array();
    }

    CheckRequest build() {
        return CheckRequest.newBuilder()
                .setAttributes(AttributeContext.newBuilder()
                        .setSource(AttributeContext.Peer.newBuilder()
                                .setAddress(Address.newBuilder()
                                        .setSocketAddress(SocketAddress.newBuilder()
                                                .setAddress(address)
                                                .setPortValue(port))))
                        .setRequest(AttributeContext.Request.newBuilder()
                                .setHttp(HttpRequest.newBuilder()
                                        .setId("1")
                                        .setMethod("POST")
                                        .putAllHeaders(headers)
                                        .setPath(path)
                                        .setHost("gateway")
                                        .setScheme("http")
                                        .setProtocol("HTTP/2")
                                        .setSize(size == null ? body.length : size)
                                        .setRawBody(ByteString.copyFrom(body))))
                        .putAllContextExtensions(extensions))
                .build();
    }

    CheckCall call() {
        try {
            return CheckCallReader.read(build().toByteArray());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
