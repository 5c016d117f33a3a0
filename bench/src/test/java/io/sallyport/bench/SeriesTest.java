package io.sallyport.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.DoubleStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SeriesTest {
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            1           | 1.0 (1.0 to 1.0, 1 rounds)
            9 1 2       | 2.0 (1.0 to 9.0, 3 rounds)
            4 1 2 100   | 3.0 (1.0 to 100.0, 4 rounds)
            """)
    void theMedianIsTheMiddleAndTheSpreadIsEverything(String values, String expected) {
        Series series = new Series();
        for (String value : values.split(" ", -1)) {
            series.add(Double.parseDouble(value));
        }
        assertThat(series.describe(1)).isEqualTo(expected);
        assertThat(series.median()).isEqualTo(Double.parseDouble(expected.split(" ", 2)[0]));
    }

    @ParameterizedTest
    @CsvSource({"1", "7", "50"})
    void theOrderDoesNotMatter(int count) {
        Series up = new Series();
        Series down = new Series();
        DoubleStream.iterate(0, value -> value < count, value -> value + 1).forEach(value -> {
            up.add(value);
            down.add(count - 1 - value);
        });
        assertThat(up.median()).isEqualTo(down.median());
    }
}
