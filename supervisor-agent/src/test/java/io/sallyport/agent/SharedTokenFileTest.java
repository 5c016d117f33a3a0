package io.sallyport.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SharedTokenFileTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @TempDir
    Path temp;

    private Path file;

    /** What the issuer was asked, in order. */
    private final List<String> consumed = new ArrayList<>();

    @BeforeEach
    void writeToken() throws IOException {
        file = Files.writeString(temp.resolve("token"), "gen.0\n");
    }

    /** An issuer that forgives nothing: a token is good for one refresh. */
    private synchronized String strictIssuer(String token) {
        assertThat(consumed).as("a token consumed twice").doesNotContain(token);
        consumed.add(token);
        return "gen." + consumed.size();
    }

    @Test
    void theSuccessorTakesTheFilesPlaceWithItsMode() throws Exception {
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--------"));

        assertThat(new SharedTokenFile(file, PATIENCE).refresh("gen.0", this::strictIssuer))
                .isEqualTo("gen.1");

        assertThat(file).content().isEqualTo("gen.1\n");
        assertThat(Files.getPosixFilePermissions(file)).isEqualTo(PosixFilePermissions.fromString("r--------"));
        assertThat(temp.toFile().list()).containsExactlyInAnyOrder("token", ".token.lock");
    }

    @Test
    void whatAnotherProcessPutThereIsTakenAndNothingIsConsumed() throws Exception {
        assertThat(new SharedTokenFile(file, PATIENCE).refresh("gen.older", this::strictIssuer))
                .isEqualTo("gen.0");

        assertThat(consumed).isEmpty();
    }

    /** A supervisor and several debug-rpcs, each with a view of its own: the chain never forks. */
    @Test
    void manyRefreshersGoOnFromEachOther() throws Exception {
        int refreshers = 8;
        int rounds = 5;
        Callable<Void> refresher = () -> {
            FileTokenSource view = new FileTokenSource(file, java.time.InstantSource.system());
            SharedTokenFile shared = new SharedTokenFile(file, PATIENCE);
            for (int i = 0; i < rounds; i++) {
                shared.refresh(view.token(), this::strictIssuer);
            }
            return null;
        };
        try (var threads = Executors.newFixedThreadPool(refreshers)) {
            for (Future<Void> done : threads.invokeAll(java.util.Collections.nCopies(refreshers, refresher))) {
                done.get();
            }
        }

        assertThat(consumed).hasSizeGreaterThanOrEqualTo(rounds).doesNotHaveDuplicates();
        assertThat(file).content().isEqualTo("gen." + consumed.size() + "\n");
    }

    @Test
    void aRefreshThatFailsLeavesEverythingAsItWas() {
        assertThatThrownBy(() -> new SharedTokenFile(file, PATIENCE).refresh("gen.0", token -> {
                    throw new IllegalStateException("refused");
                }))
                .hasMessage("refused");

        assertThat(file).content().isEqualTo("gen.0\n");
        assertThat(temp.toFile().list()).containsExactlyInAnyOrder("token", ".token.lock");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "two words", "line\nbreak"})
    void anAnswerWithoutATokenNeverReachesTheFile(String answer) {
        assertThatThrownBy(() -> new SharedTokenFile(file, PATIENCE).refresh("gen.0", token -> answer))
                .isInstanceOf(TokenUnavailableException.class)
                .hasMessageContaining(file.toString());

        assertThat(file).content().isEqualTo("gen.0\n");
    }

    @Test
    void aDirectoryThatTakesNoFileIsFoundOutBeforeAnythingIsConsumed() throws Exception {
        Path name = Files.writeString(temp.resolve("t".repeat(240)), "gen.0");

        assertThatThrownBy(() -> new SharedTokenFile(name, PATIENCE).refresh("gen.0", this::strictIssuer))
                .isInstanceOf(TokenUnavailableException.class)
                .hasMessageContaining("its directory must be writable");

        assertThat(consumed).isEmpty();
    }

    @Test
    void aLockHeldForTooLongIsSaidAndNothingConsumed() throws Exception {
        try (FileChannel other = FileChannel.open(
                        temp.resolve(".token.lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = other.lock()) {
            assertThat(held.isValid()).isTrue();
            assertThatThrownBy(
                            () -> new SharedTokenFile(file, Duration.ofMillis(60)).refresh("gen.0", this::strictIssuer))
                    .isInstanceOf(TokenUnavailableException.class)
                    .hasMessageContaining("another process");
        }
        assertThat(consumed).isEmpty();
    }

    @Test
    void aSymbolicLinkInTheLocksPlaceIsNotFollowed() throws Exception {
        Path victim = temp.resolve("victim");
        Files.createSymbolicLink(temp.resolve(".token.lock"), victim);

        assertThatThrownBy(() -> new SharedTokenFile(file, PATIENCE).refresh("gen.0", this::strictIssuer))
                .isInstanceOf(TokenUnavailableException.class);

        assertThat(victim).doesNotExist();
        assertThat(consumed).isEmpty();
    }

    @Test
    void onlyARegularFileIsOursToReplace() throws Exception {
        Path link = Files.createSymbolicLink(temp.resolve("link"), file);

        assertThat(new SharedTokenFile(file, PATIENCE).writable()).isTrue();
        assertThat(new SharedTokenFile(link, PATIENCE).writable()).isFalse();
        assertThat(new SharedTokenFile(temp.resolve("missing"), PATIENCE).writable())
                .isFalse();
        assertThat(Set.of(new SharedTokenFile(file, PATIENCE).toString())).containsExactly(file.toString());
    }
}
