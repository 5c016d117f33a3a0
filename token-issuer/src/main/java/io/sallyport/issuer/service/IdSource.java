package io.sallyport.issuer.service;

import java.util.HexFormat;
import java.util.random.RandomGenerator;

/** Makes ids that nobody can guess and no two calls share: {@code jti} and {@code lin}. */
@FunctionalInterface
public interface IdSource {
    /** 128 bits, in hex. */
    String next();

    static IdSource of(RandomGenerator random) {
        return () -> {
            byte[] bytes = new byte[16];
            random.nextBytes(bytes);
            return HexFormat.of().formatHex(bytes);
        };
    }
}
