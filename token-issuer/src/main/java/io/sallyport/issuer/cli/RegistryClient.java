package io.sallyport.issuer.cli;

import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc.SandboxRegistryBlockingStub;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import java.io.FileNotFoundException;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** The registry, as an operator's command calls it. */
final class RegistryClient implements AutoCloseable {
    private static final int DEADLINE_SECONDS = 10;

    private final Endpoint endpoint;
    private final EventLoopGroup eventLoops;
    private final ManagedChannel channel;

    RegistryClient(Endpoint endpoint) {
        this.endpoint = endpoint;
        eventLoops = GrpcServers.eventLoops("registry-client", 1);
        channel = GrpcChannels.connectTo(endpoint, eventLoops).build();
    }

    /** Makes one call. Its answer may hold a token: never print one whole. */
    <T> T call(Function<SandboxRegistryBlockingStub, T> call) throws CommandFailedException {
        try {
            return call.apply(
                    SandboxRegistryGrpc.newBlockingStub(channel).withDeadlineAfter(DEADLINE_SECONDS, TimeUnit.SECONDS));
        } catch (StatusRuntimeException e) {
            Status status = e.getStatus();
            if (status.getCode() == Status.Code.UNAVAILABLE && status.getCause() != null) {
                throw new CommandFailedException("cannot reach the registry at " + endpoint + " ("
                        + root(status.getCause()) + "); does the issuer run, and may you open its socket?");
            }
            throw new CommandFailedException(status.getCode() + ": " + status.getDescription());
        }
    }

    @Override
    public void close() {
        channel.shutdownNow();
        var _ = eventLoops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    private static String root(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        if (cause instanceof FileNotFoundException) {
            return "there is no such socket";
        }
        return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
    }
}
