package io.sallyport.agent;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * {@link SandboxCallCredentials} on every call, and a word to the source when the gateway answers UNAUTHENTICATED, so that
 * the next call has a token it takes. The call itself is not repeated: whether it may be is for its caller to know.
 */
public final class TokenRecovery implements ClientInterceptor {
    private final TokenSource tokens;
    private final Optional<String> sandboxId;

    /** @param sandboxId as for {@link SandboxCallCredentials} */
    public TokenRecovery(TokenSource tokens, Optional<String> sandboxId) {
        this.tokens = Objects.requireNonNull(tokens, "tokens is null");
        this.sandboxId = Objects.requireNonNull(sandboxId, "sandboxId is null");
    }

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        // The token that this call went out with: by the time it is refused the source may have another one.
        AtomicReference<@Nullable String> sent = new AtomicReference<>();
        SandboxCallCredentials credentials = new SandboxCallCredentials(tokens, sandboxId, sent::set);
        return new SimpleForwardingClientCall<>(next.newCall(method, options.withCallCredentials(credentials))) {
            @Override
            public void start(Listener<A> listener, Metadata headers) {
                super.start(
                        new SimpleForwardingClientCallListener<>(listener) {
                            @Override
                            public void onClose(Status status, Metadata trailers) {
                                String refused = sent.get();
                                if (refused != null && status.getCode() == Status.Code.UNAUTHENTICATED) {
                                    tokens.rejected(refused);
                                }
                                super.onClose(status, trailers);
                            }
                        },
                        headers);
            }
        };
    }
}
