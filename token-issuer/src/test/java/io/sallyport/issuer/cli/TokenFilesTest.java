package io.sallyport.issuer.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What happens in a directory between the look at it and the writing, while the registry is asked for the token. */
class TokenFilesTest {
    private final TokenFiles files = new TokenFiles(() -> "a-name");

    @TempDir
    Path directory;

    @Test
    void whatTookTheFilesPlaceMeanwhileStays() throws Exception {
        Path target = files.check(directory.resolve("alpha.token"), "alpha", Optional.empty());
        for (byte[] precious : new byte[][] {bytes("precious: true\n"), token("beta")}) {
            Files.write(target, precious);
            assertThatThrownBy(() -> files.write(target, "alpha", token("alpha"), Optional.empty()))
                    .isInstanceOf(CommandFailedException.class);
            assertThat(target).hasBinaryContent(precious);
            Files.delete(target);
        }
        Path elsewhere = Files.createFile(directory.resolve("elsewhere"));
        Files.createSymbolicLink(target, elsewhere);
        assertThatThrownBy(() -> files.write(target, "alpha", token("alpha"), Optional.empty()))
                .isInstanceOf(CommandFailedException.class);
        assertThat(elsewhere).isEmptyFile();
        Files.delete(target);
        Files.delete(elsewhere);

        files.write(target, "alpha", token("alpha"), Optional.empty());
        assertThat(target).hasBinaryContent(token("alpha"));
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left).as("nothing is left of what was refused").containsExactly(target);
        }
    }

    private static byte[] token(String sandbox) {
        Base64.Encoder base64 = Base64.getUrlEncoder().withoutPadding();
        return bytes(base64.encodeToString(bytes("{}")) + "."
                + base64.encodeToString(bytes("{\"sandbox_id\":\"" + sandbox + "\"}")) + ".c2ln");
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
