package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;

/** Runs after all others: whatever they sent, none of it stands in a log, an audit file, a setting or the database. */
@Order(Integer.MAX_VALUE)
@Isolated
@ExtendWith(Arenas.Resolver.class)
class NothingLeaksTest {
    /** How every token of ours begins, good or bad: an opened JSON object, encoded. */
    private static final Pattern TOKEN = Pattern.compile("eyJ[A-Za-z0-9_-]{8,}");

    /**
     * A token with its signature. The database keeps what is signed, so that the same token can be made again, and never
     * the signature that makes it one.
     */
    private static final Pattern SIGNED =
            Pattern.compile("eyJ[A-Za-z0-9_-]{8,}\\.eyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}");

    private static final Pattern PRIVATE_KEY = Pattern.compile("PRIVATE KEY");
    private static final String BODY_MARK = "words-of-a-body-that-nobody-writes-down";

    @Test
    void noTokenAndNoBodyStandsInAnyFile(Arenas arenas) throws IOException {
        Arena first = arenas.shared(Setup.V0_0_TRUSTING);
        // Its own attempts, in case it runs alone: a refused token, a token in the place of a name, a body.
        first.call(
                Headers.grpc(Arena.GET_CONFIG)
                        .bearer(first.forge()
                                .withStrangersKey()
                                .token("alpha-id")
                                .signed()),
                first.configOf(first.alpha().sandbox()));
        first.call(
                Headers.grpc(Arena.GET_CONFIG).bearer(first.alpha().token()),
                Wire.message().string(1, first.beta().token()).framed());
        first.call(
                Headers.grpc(Arena.GET_CONFIG)
                        .bearer(first.alpha().token())
                        .add("x-sandbox-id", first.beta().token()),
                Wire.message().string(1, "alpha-id").string(1000, BODY_MARK).framed());
        first.call(
                Headers.grpc("/" + first.beta().token() + "/" + first.beta().token())
                        .bearer(first.alpha().token()),
                Wire.message().string(1, BODY_MARK).framed());
        first.audit().skip();

        List<String> found = new ArrayList<>();
        for (Arena arena : arenas.started()) {
            for (Path file : files(arena.stack().options().state())) {
                String text = Files.readString(file, StandardCharsets.ISO_8859_1);
                boolean database = file.startsWith(arena.stack().store());
                if ((database ? SIGNED : TOKEN).matcher(text).find()
                        || text.contains(BODY_MARK)
                        || PRIVATE_KEY.matcher(text).find()) {
                    found.add(file.toString());
                }
            }
            assertThat(arena.stack().auditLog(Part.EXT_AUTHZ)).isNotEmptyFile();
            assertThat(arena.stack().auditLog(Part.ISSUER)).isNotEmptyFile();
            assertThat(PosixFilePermissions.toString(
                            Files.getPosixFilePermissions(arena.stack().auditLog(Part.EXT_AUTHZ))))
                    .isEqualTo("rw-------");
        }
        assertThat(found)
                .as("files with a token, a private key or a body in them")
                .isEmpty();
    }

    /** Every file but the keys, which are where private keys belong. */
    private static List<Path> files(Path state) throws IOException {
        try (Stream<Path> all = Files.walk(state)) {
            return all.filter(Files::isRegularFile)
                    .filter(file -> !file.startsWith(state.resolve("keys")))
                    .toList();
        }
    }
}
