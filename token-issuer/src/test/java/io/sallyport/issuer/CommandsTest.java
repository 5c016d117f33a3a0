package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.issuer.RunningIssuer.Printed;
import io.sallyport.issuer.cli.Commands;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an operator types, against a running issuer. */
class CommandsTest {
    @TempDir
    private Path directory;

    private RunningIssuer issuer;
    private Path tokens;
    private Path file;

    @BeforeEach
    void start() throws Exception {
        issuer = RunningIssuer.in(directory);
        tokens = Files.createDirectory(directory.resolve("tokens"));
        file = tokens.toRealPath().resolve("alpha.token");
    }

    @AfterEach
    void stop() {
        issuer.close();
    }

    // Keys.

    @Test
    void generatesBothKeysOnce() throws Exception {
        Path keys = directory.resolve("new");

        Printed first = run("keys", "generate", keys.toString());

        assertThat(first.exitCode()).isZero();
        assertThat(first.out())
                .contains(KeyDirectory.readSigning(keys.resolve("jwt")).keyId())
                .contains(KeyDirectory.readSigning(keys.resolve("assertion")).keyId())
                .contains("signing half: ext-authz. Public half: the token issuer.");
        Printed second = run("keys", "generate", keys.toString());
        assertThat(second.exitCode()).isEqualTo(1);
        assertThat(second.err()).contains("never overwritten");
    }

    @Test
    void oneOfTheTwoIsReasonEnoughToMakeNeither() throws Exception {
        Path keys = Files.createDirectories(directory.resolve("new"));
        Files.createDirectory(keys.resolve("assertion"));

        assertThat(run("keys", "generate", keys.toString()).exitCode()).isEqualTo(1);
        assertThat(keys.resolve("jwt")).doesNotExist();
    }

    // Sandboxes.

    @Test
    void createsListsShowsAndDeletes() {
        assertThat(issuer.command("sandbox", "create", "alpha", "--name", "one", "--workspace", "w"))
                .isEqualTo(
                        new Printed(0, "sandbox=alpha name=w/one state=active created=2026-11-24T10:00:00.500Z\n", ""));
        issuer.command("sandbox", "create", "beta");
        assertThat(issuer.command("sandbox", "list").out().lines()).hasSize(2);
        assertThat(issuer.command("sandbox", "delete", "beta").out())
                .isEqualTo("sandbox=beta name=default/beta state=deleted created=2026-11-24T10:00:00.500Z"
                        + " deleted=2026-11-24T10:00:00.500Z\n");
        assertThat(issuer.command("sandbox", "list").out()).contains("alpha").doesNotContain("beta");
        assertThat(issuer.command("sandbox", "list", "--all").out()).contains("beta");
        assertThat(issuer.command("sandbox", "get", "beta").out()).contains("state=deleted");

        Printed again = issuer.command("sandbox", "create", "beta");
        assertThat(again.exitCode()).isEqualTo(1);
        assertThat(again.err()).contains("FAILED_PRECONDITION", "never comes back");
        assertThat(issuer.command("sandbox", "delete", "nobody").exitCode()).isEqualTo(1);
    }

    @Test
    void theListIsWholeHoweverManyThereAre() throws Exception {
        int many = Commands.PAGE + 1;
        for (int i = 0; i < many; i++) {
            issuer.register("sandbox-" + i);
        }
        assertThat(issuer.command("sandbox", "list").out().lines()).hasSize(many);
    }

    @Test
    void theRegistryIsNamedByOptionOrEnvironment() {
        String address = issuer.issuer().registry().toString();
        assertThat(run("sandbox", "list", "--registry", address).exitCode()).isZero();
        assertThat(RunningIssuer.run(
                                Map.of("SALLYPORT_REGISTRY_SOCKET", address.substring("unix:".length())),
                                InputStream.nullInputStream(),
                                "sandbox",
                                "list")
                        .exitCode())
                .isZero();
        assertThat(run("sandbox", "list").exitCode()).isEqualTo(2);
        assertThat(run("sandbox", "list", "--registry", "127.0.0.1:1").exitCode())
                .isEqualTo(2);
        assertThat(run("sandbox", "list", "--registry", "unix:relative").exitCode())
                .isEqualTo(2);
        Printed away = run("sandbox", "list", "--registry", "unix:" + directory.resolve("no.sock"));
        assertThat(away.exitCode()).isEqualTo(1);
        assertThat(away.err()).contains("cannot reach the registry", "no such socket");
    }

    @Test
    void badUsageIsTwo() {
        for (String[] arguments : new String[][] {
            {},
            {"nonsense"},
            {"sandbox"},
            {"sandbox", "create"},
            {"token", "mint", "alpha"},
            {"token", "mint", "alpha", "--token-file", file.toString(), "--token-fd", "5"},
            {"token", "mint", "alpha", "--token-file", file.toString(), "--owner", "root:root"},
            {"token", "mint", "alpha", "--token-file", file.toString(), "--owner", "1"},
            {"token", "mint", "alpha", "--owner", "1:1"},
            {"token", "mint", "alpha", "--token-fd", "x"},
            {"serve"},
            {"serve", "--config", directory.resolve("missing.yaml").toString()},
        }) {
            Printed printed = issuer.command(arguments);
            assertThat(printed.exitCode()).as(String.join(" ", arguments)).isEqualTo(2);
            assertThat(printed.err()).isNotEmpty();
        }
        assertThat(file).doesNotExist();
    }

    // Token files.

    @Test
    void aTokenFileHoldsTheTokenForItsOwnerAlone() throws Exception {
        Printed printed = issuer.command("sandbox", "create", "alpha", "--token-file", file.toString());

        assertThat(printed.exitCode()).isZero();
        String token = Files.readString(file);
        SandboxClaims claims = issuer.verify(token);
        assertThat(claims.sandbox().value()).isEqualTo("alpha");
        assertThat(permissions(file)).isEqualTo("r--------");
        assertThat(printed.out())
                .isEqualTo("sandbox=alpha lineage="
                        + claims.lineage().orElseThrow().id() + " expires=2026-11-24T11:00:00Z file=" + file + "\n");
        assertNoSecret(printed, token);
        assertThat(names(tokens)).containsExactly("alpha.token");
    }

    @Test
    void theFileIsGivenToItsOwner() throws Exception {
        // The tests of CI run as root; elsewhere only one's own ids can be given.
        int user = (Integer) Files.getAttribute(directory, "unix:uid");
        int group = (Integer) Files.getAttribute(directory, "unix:gid");
        boolean root = user == 0;
        String owner = root ? "12345:54321" : user + ":" + group;

        Printed printed =
                issuer.command("sandbox", "create", "alpha", "--token-file", file.toString(), "--owner", owner);

        assertThat(printed.exitCode()).as(printed.err()).isZero();
        assertThat(Files.getAttribute(file, "unix:uid") + ":" + Files.getAttribute(file, "unix:gid"))
                .isEqualTo(owner);
        assertThat(permissions(file)).isEqualTo("r--------");
    }

    @Test
    void mintingReplacesATokenAndNothingElse() throws Exception {
        issuer.register("alpha");
        mintToFile();
        String first = Files.readString(file);

        mintToFile();

        assertThat(Files.readString(file)).isNotEqualTo(first);
        assertThat(permissions(file)).isEqualTo("r--------");

        Path precious = Files.writeString(tokens.resolve("settings.yaml"), "precious: true\n");
        Printed refused = issuer.command("token", "mint", "alpha", "--token-file", precious.toString());
        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains("does not hold a token");
        assertThat(precious).hasContent("precious: true\n");

        Path empty = Files.createFile(tokens.resolve("empty"));
        assertThat(issuer.command("token", "mint", "alpha", "--token-file", empty.toString())
                        .exitCode())
                .isZero();
    }

    @Test
    void aFileOfAnotherSandboxStaysWhatItIs() throws Exception {
        issuer.register("alpha");
        issuer.register("beta");
        mintToFile();
        record Row(String content, String holder) {}
        for (Row row : List.of(
                new Row(Files.readString(file), "sandbox alpha"),
                new Row(issuer.mint("alpha") + "\n", "sandbox alpha"),
                new Row(token("{\"sandbox_id\":\"beta\\u001b[2J\"}"), "something that is no sandbox id"),
                new Row(token("{\"sub\":\"somebody\"}"), "no sandbox"))) {
            Files.deleteIfExists(file);
            Files.writeString(file, row.content());
            for (String[] command : new String[][] {{"token", "mint", "beta"}, {"sandbox", "create", "gamma"}}) {
                String id = command[2];

                Printed refused = issuer.command(command[0], command[1], id, "--token-file", file.toString());

                assertThat(refused.exitCode()).isEqualTo(1);
                assertThat(refused.err())
                        .isEqualTo(file + " holds a token of " + row.holder() + ", not of sandbox " + id
                                + "; remove it first or choose another path\n");
                assertThat(file).hasContent(row.content());
            }
        }
        assertThat(issuer.command("sandbox", "list").out()).doesNotContain("gamma");
        assertThat(issuer.auditAfterClosing()).as("the two of alpha").hasSize(2);
    }

    private static String token(String claims) {
        Base64.Encoder base64 = Base64.getUrlEncoder().withoutPadding();
        return base64.encodeToString("{}".getBytes(StandardCharsets.UTF_8)) + "."
                + base64.encodeToString(claims.getBytes(StandardCharsets.UTF_8)) + ".c2ln";
    }

    @Test
    void aRefusedPlaceMintsNothingAndRegistersNothing() throws Exception {
        Path target = Files.writeString(tokens.resolve("target"), "");
        Path link = Files.createSymbolicLink(tokens.resolve("link"), target);
        Path dangling = Files.createSymbolicLink(tokens.resolve("dangling"), tokens.resolve("nothing"));
        Path folder = Files.createDirectory(tokens.resolve("folder"));
        Path open = Files.createDirectory(directory.resolve("open"));
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
        Path pipe = fifo("pipe");

        record Row(Path place, String message) {}
        for (Row row : List.of(
                new Row(link, "symbolic link"),
                new Row(dangling, "symbolic link"),
                new Row(folder, "not a file"),
                new Row(pipe, "not a file"),
                new Row(open.resolve("token"), "written by others"),
                new Row(tokens.resolve("missing/token"), "make it first"),
                new Row(tokens.resolve(".."), "not a file in a directory"))) {
            Printed printed = issuer.command(
                    "sandbox", "create", "alpha", "--token-file", row.place().toString());
            assertThat(printed.exitCode()).as(row.toString()).isEqualTo(1);
            assertThat(printed.err()).contains(row.message());
        }
        assertThat(issuer.command("sandbox", "list").out()).isEmpty();
        assertThat(target).isEmptyFile();
        assertThat(tokens.resolve("nothing")).doesNotExist();
        assertThat(names(open)).isEmpty();
        assertThat(issuer.auditAfterClosing()).isEmpty();
    }

    @Test
    void somebodyElsesDirectoryIsForTheirOwnFilesAlone() throws Exception {
        // Only root can make one; elsewhere there is nothing to see.
        boolean root = (Integer) Files.getAttribute(directory, "unix:uid") == 0;
        Path theirs = Files.createDirectory(directory.resolve("theirs"));
        if (root) {
            Files.setAttribute(theirs, "unix:uid", 12345);
        }
        String place = theirs.resolve("token").toString();
        for (String owner : List.of("12345:54321", "54321:54321")) {
            Printed printed = issuer.command("sandbox", "create", "alpha", "--token-file", place, "--owner", owner);
            assertThat(printed.exitCode()).as(printed.err()).isEqualTo(root && owner.startsWith("12345") ? 0 : 1);
            Files.deleteIfExists(Path.of(place));
        }
        if (root) {
            Printed printed = issuer.command("token", "mint", "alpha", "--token-file", place);
            assertThat(printed.exitCode()).isEqualTo(1);
            assertThat(printed.err()).contains("belongs to user 12345");
        }
    }

    @Test
    void aStickyDirectoryLikeTmpIsFine() throws Exception {
        Path sticky = Files.createDirectory(directory.resolve("sticky"));
        Files.setAttribute(sticky, "unix:mode", 01777);
        issuer.register("alpha");

        Printed printed = issuer.command(
                "token", "mint", "alpha", "--token-file", sticky.resolve("t").toString());

        assertThat(printed.exitCode()).as(printed.err()).isZero();
        assertThat(names(sticky)).containsExactly("t");
    }

    @Test
    void aLinkOnTheWayIsResolvedOnceAndRemembered() throws Exception {
        Path way = Files.createSymbolicLink(directory.resolve("way"), tokens);
        issuer.register("alpha");

        Printed printed = issuer.command(
                "token",
                "mint",
                "alpha",
                "--token-file",
                way.resolve("alpha.token").toString());

        assertThat(printed.out()).contains("file=" + file);
        assertThat(issuer.command("sandbox", "delete", "alpha").out()).contains("removed " + file);
        assertThat(file).doesNotExist();
    }

    @Test
    void anOtherHardLinkKeepsWhatItHad() throws Exception {
        issuer.register("alpha");
        mintToFile();
        String first = Files.readString(file);
        Path other = Files.createLink(tokens.resolve("other"), file);

        mintToFile();

        assertThat(Files.readString(other)).isEqualTo(first);
        assertThat(Files.readString(file)).isNotEqualTo(first);
    }

    @Test
    void anIssuerThatCannotMintLeavesTheOldFile() throws Exception {
        issuer.register("alpha");
        mintToFile();
        String first = Files.readString(file);
        issuer.command("sandbox", "delete", "alpha");
        Files.writeString(file, first);

        Printed refused = issuer.command("token", "mint", "alpha", "--token-file", file.toString());

        assertThat(refused.exitCode()).isEqualTo(1);
        assertThat(refused.err()).contains("FAILED_PRECONDITION");
        assertThat(file).hasContent(first);
        assertThat(names(tokens)).containsExactly("alpha.token");
    }

    // Deleting.

    @Test
    void deletingRemovesEveryFileThatStillHoldsItsToken() throws Exception {
        Path second = file.resolveSibling("second.token");
        Path third = file.resolveSibling("third.token");
        issuer.register("alpha");
        mintToFile();
        mintToFile();
        issuer.command("token", "mint", "alpha", "--token-file", third.toString());
        issuer.command("token", "mint", "alpha", "--token-file", second.toString());
        // The supervisor wrote its refreshed token back.
        SandboxClaims claims = issuer.verify(Files.readString(second));
        String refreshed = issuer.tokens(issuer.assertionFor(claims, RunningIssuer.REFRESH))
                .refreshSandboxToken(io.sallyport.api.openshell01.RefreshSandboxTokenRequest.getDefaultInstance())
                .getToken();
        assertThat(issuer.verify(refreshed).lineage().map(Lineage::generation)).contains(1L);
        Files.delete(second);
        Files.writeString(second, refreshed + "\n");
        // Another one, after a restart: its bootstrap token has opened a new lineage.
        SandboxClaims bootstrap = issuer.verify(Files.readString(third));
        String again = "";
        for (int i = 0; i < 2; i++) {
            again = issuer.tokens(issuer.assertionFor(bootstrap, RunningIssuer.REFRESH))
                    .refreshSandboxToken(io.sallyport.api.openshell01.RefreshSandboxTokenRequest.getDefaultInstance())
                    .getToken();
            issuer.clock().advance(Duration.ofMinutes(3));
        }
        assertThat(issuer.verify(again).lineage().map(Lineage::id))
                .isNotEqualTo(bootstrap.lineage().map(Lineage::id));
        Files.delete(third);
        Files.writeString(third, again);

        Printed deleted = issuer.command("sandbox", "delete", "alpha");

        assertThat(deleted.exitCode()).isZero();
        assertThat(deleted.out()).contains("removed " + file, "removed " + second, "removed " + third);
        assertThat(names(tokens)).isEmpty();
        assertNoSecret(deleted, refreshed);
        assertThat(issuer.command("sandbox", "delete", "alpha").exitCode())
                .as("again")
                .isZero();
    }

    @Test
    void deletingLeavesWhatTookAFilesPlace() throws Exception {
        issuer.register("alpha");
        issuer.register("beta");
        record Row(String what, Replacement with) {
            interface Replacement {
                void put(Path place) throws Exception;
            }
        }
        Path elsewhere = Files.writeString(directory.resolve("elsewhere"), "x");
        List<Row> rows = List.of(
                new Row("text", place -> Files.writeString(place, "precious")),
                new Row("beta's token", place -> Files.writeString(place, issuer.mint("beta"))),
                new Row("a link", place -> Files.createSymbolicLink(place, elsewhere)),
                new Row("a directory", place -> Files.createDirectory(place)),
                new Row("a pipe", place -> fifo(place.getFileName().toString())),
                new Row("too much", place -> Files.writeString(place, issuer.mint("alpha") + " ".repeat(64 * 1024))));
        for (int i = 0; i < rows.size(); i++) {
            Path place = file.resolveSibling("t" + i);
            issuer.command("token", "mint", "alpha", "--token-file", place.toString());
            Files.delete(place);
            rows.get(i).with().put(place);
        }

        Printed deleted = issuer.command("sandbox", "delete", "alpha");

        assertThat(deleted.exitCode()).isZero();
        for (int i = 0; i < rows.size(); i++) {
            assertThat(deleted.out()).as(rows.get(i).what()).contains("left " + file.resolveSibling("t" + i));
            assertThat(Files.exists(file.resolveSibling("t" + i), LinkOption.NOFOLLOW_LINKS))
                    .as(rows.get(i).what())
                    .isTrue();
        }
        assertThat(elsewhere).hasContent("x");
    }

    // Descriptors.

    @Test
    void aPipeGetsTheTokenAndNothingElse() throws Exception {
        issuer.register("alpha");
        Path pipe = fifo("pipe");
        try (FileChannel ends = FileChannel.open(pipe, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            int number = descriptorOf(pipe);

            Printed printed = issuer.command("token", "mint", "alpha", "--token-fd", String.valueOf(number));

            assertThat(printed.exitCode()).as(printed.err()).isZero();
            ByteBuffer bytes = ByteBuffer.allocate(64 * 1024);
            ends.read(bytes);
            String token = new String(bytes.array(), 0, bytes.position(), StandardCharsets.US_ASCII);
            assertThat(issuer.verify(token).sandbox().value()).isEqualTo("alpha");
            assertThat(printed.out()).contains("fd=" + number);
            assertNoSecret(printed, token);
        }
    }

    @Test
    void aPipeWithoutAReaderIsAnErrorNotAWait() throws Exception {
        issuer.register("alpha");
        Path pipe = fifo("pipe");
        FileChannel reader = FileChannel.open(pipe, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try (FileChannel writer = FileChannel.open(pipe, StandardOpenOption.WRITE)) {
            assertThat(writer.isOpen()).isTrue();
            reader.close();

            Printed printed =
                    issuer.command("token", "mint", "alpha", "--token-fd", String.valueOf(descriptorOf(pipe)));

            assertThat(printed.exitCode()).isEqualTo(1);
            assertThat(printed.err()).contains("does its reader still read");
        }
    }

    @Test
    void onlyPipesAndSocketsTakeATokenByNumber() throws Exception {
        issuer.register("alpha");
        Path regular = Files.createFile(directory.resolve("regular"));
        try (FileChannel open = FileChannel.open(regular, StandardOpenOption.WRITE);
                FileChannel zero = FileChannel.open(Path.of("/dev/null"), StandardOpenOption.WRITE)) {
            assertThat(open.isOpen() && zero.isOpen()).isTrue();
            for (String number : List.of(
                    "0",
                    "1",
                    "2",
                    "-1",
                    "999999",
                    String.valueOf(descriptorOf(regular)),
                    String.valueOf(descriptorOf(Path.of("/dev/null"))))) {
                assertThat(issuer.command("token", "mint", "alpha", "--token-fd=" + number)
                                .exitCode())
                        .as(number)
                        .isEqualTo(1);
            }
        }
        assertThat(regular).isEmptyFile();
        assertThat(issuer.auditAfterClosing()).as("nothing was minted").isEmpty();
    }

    // Inspecting.

    @Test
    void inspectShowsTheClaimsAndNeverTheToken() throws Exception {
        issuer.register("alpha");
        mintToFile();
        String token = Files.readString(file);
        for (Printed printed : List.of(
                run("token", "inspect", file.toString()),
                RunningIssuer.run(Map.of(), bytes(token + "\n"), "token", "inspect"),
                RunningIssuer.run(Map.of(), bytes(token), "token", "inspect", "-"))) {
            assertThat(printed.exitCode()).isZero();
            assertThat(printed.out())
                    .contains("UNVERIFIED", "\"sandbox_id\": \"alpha\"", "\"expires\": \"2026-11-24T11:00:00Z\"");
            assertThat(printed.err()).contains("UNVERIFIED");
            assertNoSecret(printed, token);
        }
    }

    @Test
    void whatATokenSaysCannotDriveATerminal() throws Exception {
        String claims = "{\"sandbox_id\":\"a\\u001b]0;x\\u0007\",\"exp\":99999999999999999999,\"iat\":0}";
        String token = base64("{\"alg\":\"EdDSA\"}") + "." + base64(claims) + "." + base64("signature");

        Printed printed = RunningIssuer.run(Map.of(), bytes(token), "token", "inspect");

        assertThat(printed.exitCode()).isZero();
        assertThat(printed.out().chars().filter(c -> c < ' ' && c != '\n')).isEmpty();
        assertThat(printed.out()).contains("not a time", "never");
    }

    @Test
    void whatIsNotATokenIsNotShown() {
        for (String text : List.of(
                "",
                "a.b",
                "a.b.c",
                "-----BEGIN PRIVATE KEY-----",
                "e30.e30.e30.e30",
                "e30.e30.!",
                "W10.W10.e30",
                "e30." + base64("{\"a\":1,\"a\":2}") + ".e30",
                "e30." + base64("{} {}") + ".e30",
                "x".repeat(70_000))) {
            Printed printed = RunningIssuer.run(Map.of(), bytes(text), "token", "inspect");
            assertThat(printed.exitCode()).as(text).isEqualTo(1);
            assertThat(printed.out()).isEmpty();
            assertThat(printed.err()).isEqualTo("this is not a token\n");
        }
    }

    @Test
    void aTokenTypedByMistakeIsNotRepeated() {
        issuer.register("alpha");
        String token = issuer.mint("alpha");
        for (String[] arguments : new String[][] {
            {"token", "inspect", token},
            {"token", "inspect", "--token", token},
            {"token", "inspect", "--token=" + token},
            {"token", token},
            {token},
            {"sandbox", "get", "alpha", token},
            {"sandbox", "create", "x", "--workspce=" + token},
        }) {
            Printed printed = issuer.command(arguments);
            assertThat(printed.exitCode()).isNotZero();
            assertNoSecret(printed, token);
        }
    }

    // Settings.

    @Test
    void validateSaysWhatIsWrongWithTheKeys() throws Exception {
        Path config = directory.resolve("issuer.yaml");
        assertThat(run("validate", "--config", config.toString()).exitCode()).isZero();

        Path copy = Files.writeString(
                directory.resolve("other.yaml"), Files.readString(config).replace("/keys/", "/others/"));
        Printed printed = run("validate", "--config", copy.toString());
        assertThat(printed.exitCode()).isNotZero();
        assertThat(printed.err()).contains("others/");
        // What it says to do is enough.
        String remedy = "sallyport token-issuer ";
        assertThat(printed.err()).contains(remedy);
        String command = printed.err().strip();
        Printed made =
                run(command.substring(command.indexOf(remedy) + remedy.length()).split(" ", -1));
        assertThat(made.exitCode()).as(command).isZero();
        assertThat(run("validate", "--config", copy.toString()))
                .extracting(Printed::exitCode)
                .isEqualTo(0);
    }

    private void mintToFile() {
        Printed printed = issuer.command("token", "mint", "alpha", "--token-file", file.toString());
        assertThat(printed.exitCode()).as(printed.err()).isZero();
    }

    private Path fifo(String name) throws Exception {
        Path path = tokens.toRealPath().resolve(name);
        assertThat(new ProcessBuilder("mkfifo", path.toString()).start().waitFor())
                .isZero();
        return path;
    }

    /** The number of an open descriptor of this very process. */
    private static int descriptorOf(Path open) throws IOException {
        try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
            for (Path each : all.toList()) {
                if (Files.isSymbolicLink(each)
                        && Files.readSymbolicLink(each).toString().equals(open.toString())) {
                    int number = Integer.parseInt(each.getFileName().toString());
                    if (number > 2) {
                        return number;
                    }
                }
            }
        }
        throw new AssertionError(open + " is not open");
    }

    private static void assertNoSecret(Printed printed, String token) {
        List<String> parts = List.of(token.strip().split("\\.", -1));
        assertThat(printed.out() + printed.err()).doesNotContain(parts.get(1)).doesNotContain(parts.get(2));
    }

    private static Printed run(String... arguments) {
        return RunningIssuer.run(Map.of(), InputStream.nullInputStream(), arguments);
    }

    private static InputStream bytes(String text) {
        return new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String base64(String text) {
        return java.util.Base64.getUrlEncoder().withoutPadding().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.map(entry -> entry.getFileName().toString()).sorted().toList();
        }
    }

    private static String permissions(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS));
    }
}
