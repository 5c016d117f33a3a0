package io.sallyport.e2e.stack;

import io.grpc.ManagedChannel;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.registry.v1.DeleteSandboxRequest;
import io.sallyport.api.registry.v1.GetSandboxRequest;
import io.sallyport.api.registry.v1.MintBootstrapTokenRequest;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.Revocation;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.api.registry.v1.RevokeRequest;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc.SandboxRegistryBlockingStub;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.api.registry.v1.SetSandboxStateRequest;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.e2e.gateway.KnownSandbox;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** The issuer's registry, over its socket. Errors are gRPC's. */
public final class Registry implements AutoCloseable {
    private final EventLoopGroup loops = GrpcServers.eventLoops("registry", 1);
    private final ManagedChannel channel;

    Registry(Endpoint socket) {
        channel = GrpcChannels.connectTo(socket, loops).build();
    }

    /** Makes a sandbox known. */
    public Sandbox register(KnownSandbox sandbox) {
        return stub().registerSandbox(RegisterSandboxRequest.newBuilder()
                .setId(sandbox.id())
                .setWorkspace(sandbox.workspace())
                .setName(sandbox.name())
                .build());
    }

    /** Ends a sandbox for good. */
    public Sandbox delete(String id) {
        return stub().deleteSandbox(DeleteSandboxRequest.newBuilder().setId(id).build());
    }

    /** What the issuer knows of a sandbox. */
    public Sandbox get(String id) {
        return stub().getSandbox(GetSandboxRequest.newBuilder().setId(id).build());
    }

    /** Stops a sandbox, or lets it go on. */
    public Sandbox setState(String id, SandboxState state) {
        return stub().setSandboxState(SetSandboxStateRequest.newBuilder()
                .setId(id)
                .setState(state)
                .build());
    }

    /** Takes something back. */
    public Revocation revoke(RevocationSubject subject) {
        return stub().revoke(RevokeRequest.newBuilder()
                .setSubject(subject)
                .setReason("because")
                .build());
    }

    /** A bootstrap token: a secret. */
    public String mint(String id) {
        return stub().mintBootstrapToken(
                        MintBootstrapTokenRequest.newBuilder().setId(id).build())
                .getToken();
    }

    @Override
    public void close() {
        channel.shutdownNow();
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
    }

    private SandboxRegistryBlockingStub stub() {
        return SandboxRegistryGrpc.newBlockingStub(channel)
                .withWaitForReady()
                .withDeadlineAfter(Duration.ofSeconds(10));
    }
}
