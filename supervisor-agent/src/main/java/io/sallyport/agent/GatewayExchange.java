package io.sallyport.agent;

import io.grpc.ManagedChannel;
import io.sallyport.api.openshell01.IssueSandboxTokenRequest;
import io.sallyport.api.openshell01.OpenShellGrpc;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/**
 * IssueSandboxToken at the gateway, over a channel of its own: an exchange is rare, and no other call can travel with the
 * ServiceAccount token.
 *
 * @param gateway where to ask
 * @param timeoutSeconds how long one exchange may take
 */
public record GatewayExchange(GatewaySettings gateway, int timeoutSeconds)
        implements ServiceAccountTokenSource.Exchange {
    @Override
    public String sandboxTokenFor(String serviceAccountToken) throws IOException {
        ManagedChannel channel = GatewayChannel.open(gateway);
        try {
            return OpenShellGrpc.newBlockingStub(channel)
                    .withCallCredentials(
                            new SandboxCallCredentials(new FixedTokenSource(serviceAccountToken), gateway.sandboxId()))
                    .withDeadlineAfter(timeoutSeconds, TimeUnit.SECONDS)
                    .issueSandboxToken(IssueSandboxTokenRequest.getDefaultInstance())
                    .getToken();
        } finally {
            channel.shutdownNow();
        }
    }
}
