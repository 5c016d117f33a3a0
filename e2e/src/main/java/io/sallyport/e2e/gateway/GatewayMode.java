package io.sallyport.e2e.gateway;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** How the reference gateway finds out who is calling. */
public enum GatewayMode {
    /** It believes {@code x-sandbox-principal} and nothing else: whoever gets past Envoy with that header is in. */
    TRUSTING,
    /** It checks the travelling bearer itself, with one public key, as gateways do that know nothing of Sallyport. */
    UNCHANGED;

    /** As command lines spell it. */
    public String spelling() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Reads {@code trusting} or {@code unchanged}.
     *
     * @throws IllegalArgumentException with what would be right
     */
    public static GatewayMode parse(String text) {
        return Arrays.stream(values())
                .filter(mode -> mode.spelling().equals(text))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("expected one of "
                        + Arrays.stream(values()).map(GatewayMode::spelling).collect(Collectors.joining(", "))
                        + ", found \"" + text + "\""));
    }
}
