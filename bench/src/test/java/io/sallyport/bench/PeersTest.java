package io.sallyport.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.bench.peer.AlwaysContinueMain;
import io.sallyport.bench.peer.AlwaysOkMain;
import io.sallyport.bench.peer.ContinueFloorMain;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class PeersTest {
    /** As class files name classes. */
    private static final Pattern OF_THE_BENCH_ELSEWHERE = Pattern.compile("io/sallyport/bench/(?!peer/)\\w+");

    /** Each peer runs from a jar of its package's classes alone, so a class from elsewhere would be missed only there. */
    @Test
    void thePeersUseNothingOfTheBenchsOutsideOfTheirPackage() throws Exception {
        Path classes = Path.of(AlwaysOkMain.class
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI())
                .resolve(AlwaysOkMain.class.getPackageName().replace('.', '/'));
        List<Path> files;
        try (Stream<Path> all = Files.list(classes)) {
            files = all.toList();
        }
        assertThat(files)
                .extracting(file -> file.getFileName().toString())
                .contains(
                        AlwaysOkMain.class.getSimpleName() + ".class",
                        AlwaysContinueMain.class.getSimpleName() + ".class",
                        ContinueFloorMain.class.getSimpleName() + ".class");
        for (Path file : files) {
            assertThat(new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1))
                    .as(file.getFileName().toString())
                    .doesNotContainPattern(OF_THE_BENCH_ELSEWHERE);
        }
    }
}
