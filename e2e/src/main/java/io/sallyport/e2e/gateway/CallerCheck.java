package io.sallyport.e2e.gateway;

import io.grpc.Status;
import io.grpc.StatusException;
import io.sallyport.e2e.gateway.Sighting.Header;
import java.util.List;

/** Finds out who is calling, or refuses. */
@FunctionalInterface
interface CallerCheck {
    /**
     * Lets a call through or throws.
     *
     * @param headers of the request, as they arrived
     * @throws StatusException UNAUTHENTICATED when the gateway does not know the caller
     */
    void check(List<Header> headers) throws StatusException;

    /** The one value of a header. */
    static String one(List<Header> headers, String name) throws StatusException {
        List<String> found = headers.stream()
                .filter(header -> header.name().equals(name))
                .map(Header::value)
                .toList();
        if (found.size() != 1) {
            throw Status.UNAUTHENTICATED
                    .withDescription("the gateway expects one " + name + " header, found " + found.size())
                    .asException();
        }
        return found.getFirst();
    }
}
