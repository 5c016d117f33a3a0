package io.sallyport.agent;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.TlsChannelCredentials;
import java.io.IOException;

/** A gRPC channel to the gateway, as the settings want it. */
public final class GatewayChannel {
    private GatewayChannel() {}

    /**
     * Opens a channel; it connects at the first call.
     *
     * @throws IOException when a certificate or key cannot be used
     */
    public static ManagedChannel open(GatewaySettings settings) throws IOException {
        ManagedChannelBuilder<?> builder =
                Grpc.newChannelBuilderForAddress(settings.host(), settings.port(), credentials(settings));
        settings.tls().flatMap(GatewaySettings.Tls::serverName).ifPresent(builder::overrideAuthority);
        // A proxy of the environment is for the outside world; the gateway is next door, and the token is for it alone.
        builder.proxyDetector(address -> null);
        return builder.build();
    }

    private static ChannelCredentials credentials(GatewaySettings settings) throws IOException {
        if (settings.tls().isEmpty()) {
            return InsecureChannelCredentials.create();
        }
        GatewaySettings.Tls tls = settings.tls().get();
        TlsChannelCredentials.Builder builder = TlsChannelCredentials.newBuilder();
        if (tls.ca().isPresent()) {
            builder.trustManager(tls.ca().get().toFile());
        }
        if (tls.client().isPresent()) {
            builder.keyManager(
                    tls.client().get().certificate().toFile(),
                    tls.client().get().key().toFile());
        }
        return builder.build();
    }
}
