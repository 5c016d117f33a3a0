package io.sallyport.extauthz.guard;

import static io.sallyport.extauthz.guard.GuardStage.LOGS;
import static io.sallyport.extauthz.guard.GuardStage.frame;
import static io.sallyport.extauthz.guard.GuardStage.logs;
import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.sallyport.base.Reason;
import io.sallyport.extauthz.guard.GuardStage.Running;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pieces so large that Envoy reads no more while they wait. */
class LargePiecesTest {
    private final GuardStage stage = new GuardStage();

    /** A message of alpha's with a log line of that length. */
    private static byte[] message(Random random, int length) {
        byte[] named = logs("alpha").toByteArray();
        byte[] unknown = new byte[length];
        random.nextBytes(unknown);
        // Field 15, which no message here has: length-delimited.
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes(named);
        bytes.write((15 << 3) | 2);
        int rest = length;
        while (rest > 0x7F) {
            bytes.write((rest & 0x7F) | 0x80);
            rest >>>= 7;
        }
        bytes.write(rest);
        bytes.writeBytes(unknown);
        return frame(bytes.toByteArray());
    }

    private static int waiting(Running running) {
        return running.envoy.waiting.stream().mapToInt(piece -> piece.length).sum();
    }

    /** Envoy holds 128 KiB beside the largest message, and reads on below that. */
    private static void assertEnvoyReadsOn(Running running) {
        assertThat(waiting(running)).isLessThan((1 << 20) + 5 + (128 << 10));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
    void everyByteGoesOnOnceAndInOrderWhateverTheCuts(int seed) {
        Random random = new Random(seed);
        ByteArrayOutputStream stream = new ByteArrayOutputStream();
        TreeSet<Integer> boundaries = new TreeSet<>();
        boundaries.add(0);
        while (stream.size() < 6 << 20) {
            stream.writeBytes(message(random, random.nextInt(random.nextBoolean() ? 400 : 600_000)));
            boundaries.add(stream.size());
        }
        byte[] all = stream.toByteArray();
        Running running = stage.open("alpha", LOGS);
        int at = 0;
        while (at < all.length) {
            int size = Math.min(all.length - at, 1 + random.nextInt(random.nextBoolean() ? 16 << 10 : 1_200_000));
            running.piece(Arrays.copyOfRange(all, at, at + size), at + size == all.length);
            at += size;

            byte[] passed = running.envoy.passed.toByteArray();
            assertThat(Arrays.equals(passed, 0, passed.length, all, 0, passed.length))
                    .isTrue();
            int whole = Objects.requireNonNull(boundaries.floor(at));
            assertThat(passed.length).isLessThanOrEqualTo(whole);
            if (at < all.length) {
                assertThat(waiting(running)).isLessThanOrEqualTo(size + (1 << 20) + 5 + Remainder.WAITS_IN_ENVOY);
            }
        }

        assertThat(running.envoy.passed.toByteArray()).isEqualTo(all);
        running.stream.envoyEnded();
        assertThat(running.envoy.status).isEqualTo(Status.OK);
        assertThat(stage.streams.unfinishedBytes()).isZero();
    }

    @Test
    void aPieceOfMoreThanOneMessageDoesNotWaitForTheRestOfTheLast() {
        Random random = new Random(7);
        byte[] first = message(random, 700 << 10);
        byte[] second = message(random, 700 << 10);
        byte[] piece = Arrays.copyOf(first, first.length + 400_000);
        System.arraycopy(second, 0, piece, first.length, 400_000);
        Running running = stage.open("alpha", LOGS);

        running.piece(piece);

        assertThat(running.envoy.passed.toByteArray()).isEqualTo(first);
        assertThat(running.envoy.waiting).isEmpty();
        for (int at = 400_000; at < second.length; at += 16 << 10) {
            assertEnvoyReadsOn(running);
            running.piece(Arrays.copyOfRange(second, at, Math.min(second.length, at + (16 << 10))));
        }
        assertThat(running.envoy.waiting).isEmpty();
        assertThat(running.envoy.passed.size()).isEqualTo(first.length + second.length);
        assertThat(stage.streams.unfinishedBytes()).isZero();
    }

    @Test
    void whatWasTakenOutNeverGoesOnOnceTheStreamIsRefused() {
        Random random = new Random(7);
        byte[] first = message(random, 200_000);
        byte[] other = frame(logs("beta").toByteArray());
        byte[] piece = Arrays.copyOf(first, first.length + other.length - 1);
        System.arraycopy(other, 0, piece, first.length, other.length - 1);
        Running running = stage.open("alpha", LOGS);
        running.piece(piece);

        running.piece(Arrays.copyOfRange(other, other.length - 1, other.length));

        assertThat(running.ended()).isEqualTo(Reason.STREAM_SWITCHED);
        assertThat(running.envoy.passed.toByteArray()).isEqualTo(first);
        assertThat(stage.streams.unfinishedBytes()).isZero();
    }

    @Test
    void whatWasTakenOutIsLetGoWithTheStream() {
        Random random = new Random(7);
        byte[] first = message(random, 200_000);
        Running running = stage.open("alpha", LOGS);
        running.piece(Arrays.copyOf(first, first.length + 3));
        assertThat(stage.streams.unfinishedBytes()).isPositive();

        running.stream.cancelled();

        assertThat(stage.streams.unfinishedBytes()).isZero();
    }
}
