package io.sallyport.bench;

import com.google.protobuf.ByteString;
import com.google.protobuf.Timestamp;
import io.envoyproxy.envoy.config.core.v3.Address;
import io.envoyproxy.envoy.config.core.v3.SocketAddress;
import io.envoyproxy.envoy.service.auth.v3.AttributeContext;
import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.identity.SandboxTokenMinter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;

/** Tokens and the questions that Envoy asks about them: a GetSandboxConfig of the caller's own, small and usual. */
final class Questions {
    static final String METHOD = "openshell.v1.OpenShell/GetSandboxConfig";
    private static final GatewayId GATEWAY = new GatewayId("local");

    private final SandboxTokenMinter minter;
    private final String digest;

    Questions(Path tokenKeys, String digest) throws IOException {
        this.minter = new SandboxTokenMinter(GATEWAY, KeyDirectory.readSigning(tokenKeys), Ed25519.choose());
        this.digest = digest;
    }

    /** A token like the issuer's, different each time. */
    String token(String sandbox) {
        return token(sandbox, UUID.randomUUID().toString());
    }

    /** @param id the token's own */
    String token(String sandbox, String id) {
        Instant now = Instant.now();
        return minter.mint(new SandboxClaims(
                new SandboxId(sandbox),
                Optional.of(id),
                Optional.of(new Lineage(UUID.randomUUID().toString(), 3)),
                now,
                now.plus(Duration.ofHours(1)),
                minter.keyId()));
    }

    /** The message that a sandbox sends, without its frame. */
    static byte[] message(String sandbox) {
        byte[] id = sandbox.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(2 + id.length)
                .put((byte) 0x0a)
                .put((byte) id.length)
                .put(id)
                .array();
    }

    /** What Envoy asks about it, with the headers that the generated configuration lets through. */
    byte[] about(String sandbox, String token) {
        byte[] message = message(sandbox);
        byte[] body = ByteBuffer.allocate(5 + message.length)
                .put((byte) 0)
                .putInt(message.length)
                .put(message)
                .array();
        Instant now = Instant.now();
        return CheckRequest.newBuilder()
                .setAttributes(AttributeContext.newBuilder()
                        .setSource(peer("127.0.0.1", 43_210))
                        .setDestination(peer("127.0.0.1", 8080))
                        .setRequest(AttributeContext.Request.newBuilder()
                                .setTime(Timestamp.newBuilder()
                                        .setSeconds(now.getEpochSecond())
                                        .setNanos(now.getNano()))
                                .setHttp(AttributeContext.HttpRequest.newBuilder()
                                        .setId("17361234567890123456")
                                        .setMethod("POST")
                                        .putHeaders("authorization", "Bearer " + token)
                                        .putHeaders("content-type", "application/grpc")
                                        .putHeaders("x-request-id", "0f9b1c1e-3b1f-4c67-9a55-0d0f3e8f1a2b")
                                        .putHeaders("x-sandbox-id", sandbox)
                                        .putHeaders("x-envoy-auth-partial-body", "false")
                                        .setPath("/" + METHOD)
                                        .setHost("127.0.0.1:8080")
                                        .setScheme("http")
                                        .setProtocol("HTTP/2")
                                        .setSize(body.length)
                                        .setRawBody(ByteString.copyFrom(body))))
                        .putContextExtensions("sallyport.policy", digest))
                .build()
                .toByteArray();
    }

    private static AttributeContext.Peer peer(String address, int port) {
        return AttributeContext.Peer.newBuilder()
                .setAddress(Address.newBuilder()
                        .setSocketAddress(
                                SocketAddress.newBuilder().setAddress(address).setPortValue(port)))
                .build();
    }
}
