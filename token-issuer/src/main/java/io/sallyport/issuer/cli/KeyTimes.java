package io.sallyport.issuer.cli;

import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.identity.KeyRotation.Windows;
import java.nio.file.Path;
import java.time.Duration;

/**
 * The times that say how soon a key may go from one phase to the next.
 *
 * @param assertion whether the directory holds keys of assertions, not of sandbox tokens
 * @param poll how often replicas look at the directory
 * @param jwksMaxAge how long others keep the published keys
 * @param retryGrace how long a refresh that was just answered is answered again alike
 * @param maxLifetime the longest life of a token
 * @param renewalWindow how long after its end a token can be refreshed
 * @param leeway how far clocks may disagree
 */
public record KeyTimes(
        boolean assertion,
        Duration poll,
        Duration jwksMaxAge,
        Duration retryGrace,
        Duration maxLifetime,
        Duration renewalWindow,
        Duration leeway) {
    /** What the settings have when nothing is set. */
    public static final KeyTimes DEFAULT = new KeyTimes(
            false,
            Duration.ofSeconds(10),
            Duration.ofSeconds(60),
            Duration.ofMinutes(2),
            Duration.ofHours(24),
            Duration.ofHours(24),
            Duration.ofSeconds(60));

    /** Reads them from the issuer's settings. */
    @FunctionalInterface
    public interface Source {
        /**
         * The times for a directory.
         *
         * @throws InvalidSettingsException naming everything that is wrong in the settings
         */
        KeyTimes read(Path config, Path directory) throws InvalidSettingsException;
    }

    Windows windows() {
        return assertion
                ? Windows.ofAssertions(poll, leeway)
                : Windows.ofTokens(poll, jwksMaxAge, retryGrace, maxLifetime, renewalWindow, leeway);
    }
}
