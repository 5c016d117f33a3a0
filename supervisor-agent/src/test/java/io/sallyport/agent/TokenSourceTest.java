package io.sallyport.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenSourceTest {
    private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

    @TempDir
    Path temp;

    private Instant now = START.plusSeconds(60);

    private TokenSource source(Map<String, String> environment) throws AgentSettingsException {
        return TokenSource.fromEnvironment(environment, () -> now, token -> "for-" + token);
    }

    /** Written in place, so that the file stays the same file. */
    private Path write(String text, Instant modified) throws Exception {
        Path file = temp.resolve("token");
        Files.writeString(file, text);
        Files.setLastModifiedTime(file, FileTime.from(modified));
        return file;
    }

    @Test
    void theTokenItselfComesBeforeTheFileAndTheFileBeforeTheServiceAccount() throws Exception {
        String file = write("from-file", START).toString();

        assertThat(source(Map.of(
                                "OPENSHELL_SANDBOX_TOKEN", "from-env",
                                "OPENSHELL_SANDBOX_TOKEN_FILE", file,
                                "OPENSHELL_K8S_SA_TOKEN_FILE", "/x"))
                        .token())
                .isEqualTo("from-env");
        assertThat(source(Map.of("OPENSHELL_SANDBOX_TOKEN_FILE", file, "OPENSHELL_K8S_SA_TOKEN_FILE", "/x"))
                        .token())
                .isEqualTo("from-file");
        assertThat(source(Map.of("OPENSHELL_SANDBOX_TOKEN", " ", "OPENSHELL_SANDBOX_TOKEN_FILE", file))
                        .token())
                .isEqualTo("from-file");
    }

    @Test
    void theServiceAccountComesLastAndIsExchanged() throws Exception {
        String file = write("account", START).toString();

        assertThat(source(Map.of("OPENSHELL_SANDBOX_TOKEN_FILE", " ", "OPENSHELL_K8S_SA_TOKEN_FILE", file))
                        .token())
                .isEqualTo("for-account");
    }

    @Test
    void noCredentialSaysWhatToSet() {
        assertThatThrownBy(() -> source(Map.of()))
                .isInstanceOf(AgentSettingsException.class)
                .hasMessageContaining("OPENSHELL_SANDBOX_TOKEN_FILE");
    }

    @ParameterizedTest
    @ValueSource(strings = {"two words", "line\nx-admin: 1", "tab\tbed", "caf\u00e9", "nul\0"})
    void whatIsNoTokenIsNeitherSentNorShown(String text) throws Exception {
        assertThatThrownBy(() -> source(Map.of("OPENSHELL_SANDBOX_TOKEN", text)))
                .isInstanceOf(AgentSettingsException.class)
                .message()
                .doesNotContain(text);
        Path file = write(text, START);
        TokenSource source = source(Map.of("OPENSHELL_SANDBOX_TOKEN_FILE", file.toString()));
        assertThatThrownBy(source::token)
                .isInstanceOf(TokenUnavailableException.class)
                .hasMessageContaining(file.toString())
                .message()
                .doesNotContain(text);
    }

    @Test
    void noTextFormShowsTheToken() throws Exception {
        Path file = write("secret-in-file", START);
        FileTokenSource fromFile = new FileTokenSource(file, InstantSource.system());
        fromFile.token();

        assertThat(new FixedTokenSource("secret-in-env").toString()).isEqualTo("OPENSHELL_SANDBOX_TOKEN");
        assertThat(fromFile.toString()).isEqualTo(file.toString());
    }

    @Test
    void theFileIsTrimmedAndReadAgainWhenItChanges() throws Exception {
        FileTokenSource source = new FileTokenSource(write(" one \r\n\n", START), () -> now);
        assertThat(source.token()).isEqualTo("one");

        write("twenty\n", START);
        assertThat(source.token()).as("another size").isEqualTo("twenty");
        write("thirty\n", START.plusSeconds(1));
        assertThat(source.token()).as("another time").isEqualTo("thirty");
        Path other = Files.writeString(temp.resolve("other"), "fourty\n");
        Files.setLastModifiedTime(other, FileTime.from(START.plusSeconds(1)));
        Files.move(other, temp.resolve("token"), java.nio.file.StandardCopyOption.ATOMIC_MOVE);
        assertThat(source.token()).as("another file in its place").isEqualTo("fourty");
    }

    @Test
    void anUnchangedFileIsNotReadAgain() throws Exception {
        FileTokenSource source = new FileTokenSource(write("one", START), () -> now);
        assertThat(source.token()).isEqualTo("one");

        write("two", START); // same size, same time: nothing to be seen of it

        assertThat(source.token()).isEqualTo("one");
    }

    @Test
    void aFileWrittenTwiceWithinOneTickIsReadAgain() throws Exception {
        now = START.plusSeconds(1);
        FileTokenSource source = new FileTokenSource(write("one", START), () -> now);
        assertThat(source.token()).isEqualTo("one");

        write("two", START);

        assertThat(source.token()).isEqualTo("two");
    }

    @Test
    void whileTheFileIsAwayOrEmptyTheLastTokenServes() throws Exception {
        Path file = write("one", START);
        FileTokenSource source = new FileTokenSource(file, () -> now);
        assertThat(source.token()).isEqualTo("one");

        Files.delete(file);
        assertThat(source.token()).isEqualTo("one");
        write("", START.plusSeconds(1));
        assertThat(source.token()).isEqualTo("one");
        write("two", START.plusSeconds(1));
        assertThat(source.token()).isEqualTo("two");
    }

    @Test
    void withoutATokenEverTheFileAndTheRemedyAreNamed() throws Exception {
        Path missing = temp.resolve("missing");
        assertThatThrownBy(() -> new FileTokenSource(missing, () -> now).token())
                .isInstanceOf(TokenUnavailableException.class)
                .hasMessageContainingAll(missing.toString(), "write the sandbox's token there");
        Path big = write("x".repeat(70_000), START);
        assertThatThrownBy(() -> new FileTokenSource(big, () -> now).token()).hasMessageContaining("too big");
    }
}
