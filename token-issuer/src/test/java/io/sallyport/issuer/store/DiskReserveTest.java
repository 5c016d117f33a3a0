package io.sallyport.issuer.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Room for what is urgent, shared by the processes of one database. */
class DiskReserveTest {
    private final AtomicLong nanos = new AtomicLong();
    private Path file;
    private DiskReserve reserve;
    private DiskReserve ofAnotherProcess;

    @BeforeEach
    void make(@TempDir Path directory) {
        file = directory.resolve("issuer.db-reserve");
        reserve = new DiskReserve(file, nanos::get);
        ofAnotherProcess = new DiskReserve(file, nanos::get);
    }

    @Test
    void itIsMadeOnceAndGivenUpOnce() {
        assertThat(reserve.isKept()).isTrue();
        assertThat(file).hasSize(DiskReserve.BYTES);

        assertThat(reserve.giveUp()).isTrue();
        assertThat(file).doesNotExist();
        assertThat(reserve.isKept()).as("just now").isFalse();
        assertThat(reserve.giveUp()).as("there is nothing to give").isFalse();

        nanos.addAndGet(Duration.ofMillis(200).toNanos());
        assertThat(reserve.isKept()).as("there is room again").isTrue();
        assertThat(file).hasSize(DiskReserve.BYTES);
    }

    @Test
    void whatAnotherProcessGaveUpIsKeptByNobody() {
        assertThat(reserve.isKept()).isTrue();
        assertThat(ofAnotherProcess.isKept()).isTrue();

        reserve.giveUp();

        assertThat(ofAnotherProcess.isKept())
                .as("or else its writes would take the room")
                .isFalse();
        nanos.addAndGet(Duration.ofMillis(200).toNanos());
        assertThat(ofAnotherProcess.isKept()).isTrue();
        assertThat(reserve.isKept()).isTrue();
    }

    @Test
    void aDirectoryThatTakesNoFileKeepsNoRoom() throws Exception {
        Files.createDirectory(file);
        Files.createFile(file.resolve("in the way"));

        assertThat(reserve.isKept()).isFalse();

        Files.delete(file.resolve("in the way"));
        nanos.addAndGet(Duration.ofMillis(200).toNanos());
        assertThat(reserve.isKept()).isTrue();
    }
}
