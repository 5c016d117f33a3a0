package io.sallyport.agent;

import io.grpc.Attributes;
import io.grpc.CallCredentials;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.SecurityLevel;
import io.grpc.Status;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/**
 * Puts the sandbox's token, and its id in {@code x-sandbox-id}, on every call.
 *
 * <p>The token is asked for at each call, so a new one is used from the next call on. It never goes out in plain text to
 * another machine: what counts is the address the connection really has, not the name it was asked for by. A call without
 * a token fails with UNAVAILABLE, as what is wrong is here and may pass; UNAUTHENTICATED is for the gateway to say.
 */
public final class SandboxCallCredentials extends CallCredentials {
    static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    static final Metadata.Key<String> SANDBOX_ID = Metadata.Key.of("x-sandbox-id", Metadata.ASCII_STRING_MARSHALLER);

    private final TokenSource tokens;
    private final Optional<String> sandboxId;
    private final Consumer<String> sent;

    /** @param sandboxId the sandbox's own id, when it is known; the guard refuses one that is not the token's */
    public SandboxCallCredentials(TokenSource tokens, Optional<String> sandboxId) {
        this(tokens, sandboxId, token -> {});
    }

    /** @param sent is told the token that a call goes out with, before it does */
    SandboxCallCredentials(TokenSource tokens, Optional<String> sandboxId, Consumer<String> sent) {
        this.tokens = Objects.requireNonNull(tokens, "tokens is null");
        this.sandboxId = Objects.requireNonNull(sandboxId, "sandboxId is null");
        this.sent = sent;
    }

    @Override
    public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
        if (call.getSecurityLevel() != SecurityLevel.PRIVACY_AND_INTEGRITY && !staysHere(call.getTransportAttrs())) {
            applier.fail(Status.UNAVAILABLE.withDescription(
                    "the token is not sent in plain text to another machine; use https://"));
            return;
        }
        // Off the transport's thread: the token may have to be read from a file.
        executor.execute(() -> {
            try {
                Metadata metadata = new Metadata();
                String token = tokens.token();
                metadata.put(AUTHORIZATION, "Bearer " + token);
                sandboxId.ifPresent(id -> metadata.put(SANDBOX_ID, id));
                sent.accept(token);
                applier.apply(metadata);
            } catch (TokenUnavailableException e) {
                applier.fail(Status.UNAVAILABLE.withDescription(e.getMessage()));
            } catch (RuntimeException e) {
                // Not the exception itself: a message could quote the token.
                applier.fail(Status.UNAVAILABLE.withDescription(
                        "no token: " + e.getClass().getSimpleName()));
            }
        });
    }

    private static boolean staysHere(Attributes transport) {
        SocketAddress remote = transport.get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR);
        return remote instanceof InetSocketAddress address
                ? address.getAddress() != null && address.getAddress().isLoopbackAddress()
                : remote != null; // a Unix socket
    }

    @Override
    public String toString() {
        return "SandboxCallCredentials[" + tokens + "]";
    }
}
