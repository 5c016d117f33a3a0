package io.sallyport.issuer.service;

import io.grpc.Context;
import io.grpc.Metadata;
import io.sallyport.identity.PrincipalHeader;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a call's metadata says, as far as the issuer looks at it.
 *
 * @param assertions every {@code x-sandbox-principal-jwt} there was; exactly one is right. Secrets
 * @param requestId Envoy's {@code x-request-id}, if there was one
 */
record CallHeaders(List<String> assertions, @Nullable String requestId) {
    private static final Metadata.Key<String> ASSERTION =
            Metadata.Key.of(PrincipalHeader.ASSERTION_NAME, Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<String> REQUEST_ID =
            Metadata.Key.of("x-request-id", Metadata.ASCII_STRING_MARSHALLER);
    private static final int MAX_REQUEST_ID = 128;
    private static final Context.Key<CallHeaders> KEY =
            Context.keyWithDefault("call-headers", new CallHeaders(List.of(), null));

    /** The headers of the call that this thread answers; none where the interceptor is not in place. */
    static CallHeaders current() {
        return KEY.get();
    }

    /** The context in which a service finds these headers. */
    Context in(Context context) {
        return context.withValue(KEY, this);
    }

    static CallHeaders of(Metadata metadata) {
        List<String> assertions = new ArrayList<>();
        Iterable<String> found = metadata.getAll(ASSERTION);
        if (found != null) {
            found.forEach(assertions::add);
        }
        String requestId = metadata.get(REQUEST_ID);
        return new CallHeaders(
                List.copyOf(assertions),
                requestId != null && requestId.length() > MAX_REQUEST_ID
                        ? requestId.substring(0, MAX_REQUEST_ID)
                        : requestId);
    }

    @Override
    public String toString() {
        return "CallHeaders[" + assertions.size() + " assertions, " + requestId + "]";
    }
}
