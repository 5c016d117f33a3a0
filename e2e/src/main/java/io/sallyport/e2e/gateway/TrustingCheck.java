package io.sallyport.e2e.gateway;

import io.grpc.Status;
import io.grpc.StatusException;
import io.sallyport.e2e.gateway.Sighting.Header;
import java.util.List;

/** Believes {@code x-sandbox-principal}: its being there is enough. */
final class TrustingCheck implements CallerCheck {
    @Override
    public void check(List<Header> headers) throws StatusException {
        if (CallerCheck.one(headers, "x-sandbox-principal").isEmpty()) {
            throw Status.UNAUTHENTICATED
                    .withDescription("x-sandbox-principal is empty")
                    .asException();
        }
    }
}
