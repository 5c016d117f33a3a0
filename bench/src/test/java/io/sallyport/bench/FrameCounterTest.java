package io.sallyport.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FrameCounterTest {
    private static final int[] SIZES = {0, 1, 300, 70_000, 0, 5, 0};

    private static ByteBuf messages() {
        ByteBuf all = Unpooled.buffer();
        for (int size : SIZES) {
            all.writeByte(0).writeInt(size).writeZero(size);
        }
        return all;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void cutsMakeNoDifference(long seed) {
        Random random = new Random(seed);
        FrameCounter counter = new FrameCounter();
        ByteBuf all = messages();
        int size = all.readableBytes();
        while (all.isReadable()) {
            counter.take(all.readSlice(Math.min(all.readableBytes(), random.nextInt(1 << random.nextInt(14)))));
        }
        assertThat(counter.messages()).isEqualTo(SIZES.length);
        assertThat(counter.bytes()).isEqualTo(size);
    }

    /** Bytes taken off the end, and how many messages are whole then. */
    @ParameterizedTest
    @CsvSource({"0, 7", "1, 6", "5, 6", "6, 5", "15, 5", "16, 4", "20, 4", "21, 3"})
    void anUnfinishedMessageIsNone(int cut, int whole) {
        FrameCounter counter = new FrameCounter();
        ByteBuf all = messages();
        counter.take(all.slice(0, all.readableBytes() - cut));
        assertThat(counter.messages()).isEqualTo(whole);
    }
}
