package io.sallyport.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.policy.DecoderOracle.Outcome;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the scanner accepts, a decoder reads the same; what an encoder writes, the scanner accepts. Seeded. */
class ScannerAgreesWithDecoderTest {
    private static final int CASES = 100_000;

    @ParameterizedTest
    @ValueSource(strings = {"openshell-0.0", "openshell-0.1"})
    void onDamagedMessagesOfTheShippedDescriptors(String preset) {
        damage(DecoderOracle.all("preset: " + preset), CASES, 20_251);
    }

    @ParameterizedTest
    @CsvSource({"openshell-0.0, 0.0.113", "openshell-0.1, 0.1.5"})
    void onDamagedMessagesOfThePublishedDescriptors(String preset, String version, @TempDir Path directory)
            throws IOException, InterruptedException {
        Path set = PublishedDescriptors.of(version, directory);
        damage(DecoderOracle.all("{preset: " + preset + ", descriptor-set: " + set + "}"), CASES / 4, 42);
    }

    @Test
    void theOracleSeesALie() {
        // Were the scanner to take the first of two ids, this is how it would show.
        DecoderOracle oracle = DecoderOracle.all("preset: openshell-0.0").stream()
                .filter(candidate -> candidate.rule().path().endsWith("/GetSandboxConfig"))
                .findFirst()
                .orElseThrow();
        assertThat(oracle.check(Wire.EMPTY.text(1, "alpha").bytes())).isEqualTo(Outcome.ACCEPTED);
        assertThat(oracle.check(Wire.EMPTY.text(1, "alpha").text(1, "beta").bytes()))
                .isEqualTo(Outcome.REFUSED);
    }

    private static void damage(List<DecoderOracle> oracles, int cases, long seed) {
        Random random = new Random(seed);
        RandomMessages messages = new RandomMessages(random);
        int perMessage = 50;
        int accepted = 0;
        for (int i = 0; i < cases; i += perMessage) {
            DecoderOracle oracle = oracles.get(i / perMessage % oracles.size());
            var message = messages.message(oracle.type());
            oracle.checkEncoded(message);
            byte[] bytes = message.toByteArray();
            byte[] other = messages.message(oracle.type()).toByteArray();
            for (int j = 0; j < perMessage; j++) {
                if (oracle.check(messages.damaged(bytes, other)) == Outcome.ACCEPTED) {
                    accepted++;
                }
            }
        }
        // Damage that is always noticed would prove nothing about what is accepted.
        assertThat(accepted).isBetween(cases / 20, cases * 19 / 20);
    }
}
