package io.sallyport.policy;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Coverage-guided search for a message that the scanner accepts and a decoder reads otherwise.
 *
 * <p>Without {@code JAZZER_FUZZ} in the environment the seeds alone run. {@code ./test --fuzz 10m policy} searches.
 */
class MessageScannerFuzzTest {
    private static final List<DecoderOracle> ORACLES = oracles();

    private static List<DecoderOracle> oracles() {
        List<DecoderOracle> oracles = new ArrayList<>(DecoderOracle.all("preset: openshell-0.0"));
        oracles.addAll(DecoderOracle.all("preset: openshell-0.1"));
        return List.copyOf(oracles);
    }

    /** The first byte chooses the method. */
    @MethodSource("seeds")
    @FuzzTest(maxDuration = "10s")
    void whatTheScannerAcceptsADecoderReadsTheSame(byte[] data) {
        if (data.length == 0) {
            return;
        }
        ORACLES.get((data[0] & 0xFF) % ORACLES.size()).check(Arrays.copyOfRange(data, 1, data.length));
    }

    static Stream<byte[]> seeds() {
        Wire policy =
                Wire.EMPTY.text(1, "alpha").message(2, Wire.EMPTY.number(1, 3)).number(6, 0);
        Wire scoped = Wire.EMPTY.text(1, "alpha").message(3, Wire.EMPTY.text(1, "team"));
        Wire batch = Wire.EMPTY
                .text(1, "alpha")
                .message(2, Wire.EMPTY.text(1, "alpha").text(5, "hello"))
                .message(2, Wire.EMPTY.text(1, "alpha"));
        Wire hello = Wire.EMPTY.message(1, Wire.EMPTY.text(1, "alpha"));
        Wire everyWireType = Wire.EMPTY
                .number(90, 300)
                .tag(91, 1)
                .raw(new byte[8])
                .tag(92, 5)
                .raw(new byte[4]);
        return Stream.of(Wire.EMPTY, policy, scoped, batch, hello, everyWireType)
                .flatMap(message -> Stream.iterate(0, i -> i < ORACLES.size(), i -> i + 1)
                        .map(i -> Wire.EMPTY.raw(i).raw(message.bytes()).bytes()));
    }
}
