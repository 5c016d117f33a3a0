package io.sallyport.issuer.cli;

import io.sallyport.api.registry.v1.MintBootstrapTokenRequest;
import io.sallyport.api.registry.v1.MintBootstrapTokenResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.Optional;

/** How a new token gets from the registry to where the sandbox finds it: into a file, or into a pipe. */
sealed interface Delivery {
    /**
     * Into a file, which {@code sandbox delete} removes again.
     *
     * @param target checked, and without symbolic links in its directory
     */
    record ToFile(TokenFiles files, Path target, Optional<FileOwner> owner) implements Delivery {}

    /** Into a pipe or a socket that whoever started us reads. */
    record ToDescriptor(int number, PassedDescriptor descriptor) implements Delivery {}

    /** Mints a token, hands it over, and says so in a line without it. */
    default String deliver(RegistryClient registry, String sandbox) throws CommandFailedException {
        MintBootstrapTokenRequest.Builder request =
                MintBootstrapTokenRequest.newBuilder().setId(sandbox);
        if (this instanceof ToFile(TokenFiles files, Path target, Optional<FileOwner> owner)) {
            request.setTokenFile(target.toString());
        }
        MintBootstrapTokenResponse minted = registry.call(stub -> stub.mintBootstrapToken(request.build()));
        byte[] token = minted.getToken().getBytes(StandardCharsets.US_ASCII);
        String place;
        try {
            place = switch (this) {
                case ToFile(TokenFiles files, Path target, Optional<FileOwner> owner) -> {
                    files.write(target, sandbox, token, owner);
                    yield " file=" + target;
                }
                case ToDescriptor(int number, PassedDescriptor descriptor) -> {
                    descriptor.write(token);
                    yield " fd=" + number;
                }
            };
        } finally {
            Arrays.fill(token, (byte) 0);
        }
        return "sandbox=" + sandbox + " lineage=" + minted.getLineage() + " expires="
                + Instant.ofEpochSecond(minted.getExpires().getSeconds()) + place;
    }
}
