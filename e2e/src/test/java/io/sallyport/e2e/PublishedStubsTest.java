package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.JsonLines;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.support.Tools;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A client that shares no line with us: the Python package that sandboxes' users install, of either generation.
 *
 * <p>The stubs come from PyPI, checked by hash. Without a Python 3 or a network the test is skipped, but never in CI.
 */
@ParameterizedClass(name = "{0}")
@EnumSource(Setup.class)
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class PublishedStubsTest {
    private final Arenas arenas;
    private final Arena arena;

    PublishedStubsTest(Setup setup, Arenas arenas) {
        this.arenas = arenas;
        this.arena = arenas.shared(setup);
    }

    /**
     * What must come back.
     *
     * @param data whose data, where there is some
     * @param seen the method that the gateway sees; "" for nothing
     */
    private record Row(String name, String answer, String data, String seen) {}

    private static Row ok(String name, String data, String seen) {
        return new Row(name, "OK: ", data, seen);
    }

    private static Row refused(String name, Reason reason) {
        return new Row(name, reason.statusCode() + ": " + reason.text(), "", "");
    }

    private List<Row> rows() {
        Reason config = arena.generation() == Generation.V0_0 ? Reason.CROSS_SANDBOX : Reason.NAME_NOT_OWNED;
        return List.of(
                ok("own config", "policy-of-alpha-id", "GetSandboxConfig"),
                refused("neighbour's config", config),
                refused("no token", Reason.NO_CREDENTIAL),
                refused("forged token", Reason.TOKEN_SIGNATURE),
                refused("expired token", Reason.TOKEN_EXPIRED),
                refused("neighbour's token for own config", config),
                ok("own draft", "draft-of-alpha-id", "GetDraftPolicy"),
                refused("neighbour's draft by name", Reason.NAME_NOT_OWNED),
                ok("own environment", "secret-of-alpha-id", "GetSandboxProviderEnvironment"),
                refused("neighbour's environment", Reason.CROSS_SANDBOX),
                ok("own status", "", "ReportPolicyStatus"),
                refused("neighbour's status", Reason.CROSS_SANDBOX),
                ok("own analysis", "", "SubmitPolicyAnalysis"),
                refused("own analysis, neighbour inside", Reason.CROSS_SANDBOX),
                ok("own policy", "policy-of-alpha-id", "UpdateConfig"),
                refused("neighbour's policy", Reason.NAME_NOT_OWNED),
                refused("global policy", Reason.VALUE_NOT_ALLOWED),
                refused("a method of users", Reason.SANDBOX_ON_USER_METHOD),
                ok("refresh", "a token, ends", ""),
                refused("refresh without token", Reason.NO_CREDENTIAL),
                refused("bootstrap", Reason.SERVICE_ACCOUNT_REQUIRED),
                ok("own logs", "", "PushSandboxLogs"),
                refused("neighbour's logs", Reason.CROSS_SANDBOX),
                refused("own logs, neighbour inside", Reason.CROSS_SANDBOX),
                refused("logs without token", Reason.NO_CREDENTIAL));
    }

    @Test
    void thePublishedPackageIsAnsweredLikeAnybody(@TempDir Path folder) throws IOException {
        String version = arena.generation() == Generation.V0_0 ? "0.0.113" : "0.1.5";
        String wheel = Tools.fetch(arenas.root().resolve("bin/fetch-openshell"), version);
        Path python = arenas.root().resolve("e2e/src/test/python");
        String packages = Tools.fetch(python.resolve("fetch-packages"));
        writeTokens(folder);
        long before = arena.stack().gateway().count();

        List<String> output = Tools.run(
                Map.of("PYTHONPATH", packages),
                "python3",
                python.resolve("independent_client.py").toString(),
                wheel,
                arena.generation().api(),
                arena.stack().endpoint(),
                folder.toString());

        List<Row> rows = rows();
        List<Map<String, String>> answers =
                output.stream().map(JsonLines::members).toList();
        assertThat(answers.stream().map(answer -> answer.get("row")))
                .containsExactlyElementsOf(rows.stream().map(Row::name).toList());
        List<String> expectedSeen = new ArrayList<>();
        for (int i = 0; i < rows.size(); i++) {
            Row row = rows.get(i);
            Map<String, String> answer = answers.get(i);
            assertThat(answer.get("code") + ": " + answer.get("details"))
                    .as(row.name())
                    .isEqualTo(row.answer());
            assertThat(answer.getOrDefault("data", "")).as(row.name()).isEqualTo(row.data());
            if (!row.seen().isEmpty()) {
                expectedSeen.add(Arena.OPEN_SHELL + row.seen() + " by sandbox;id=\"alpha-id\";source=\"gateway-jwt\"");
            }
        }
        // A stream begins before its first message is looked at; of one that is refused nothing else arrives.
        List<Sighting> seen = arena.stack().gateway().since(before).stream()
                .filter(call -> !(call.path().endsWith("/PushSandboxLogs")
                        && call.data().isEmpty()))
                .toList();
        assertThat(seen.stream()
                        .map(call -> call.path() + " by "
                                + call.header("x-sandbox-principal").orElse("nobody")))
                .containsExactlyElementsOf(expectedSeen);
    }

    private void writeTokens(Path folder) throws IOException {
        long now = Instant.now().getEpochSecond();
        Files.writeString(folder.resolve("alpha"), arena.alpha().token());
        Files.writeString(folder.resolve("beta"), arena.beta().token());
        Files.writeString(
                folder.resolve("forged"),
                arena.forge().withStrangersKey().token("alpha-id").signed());
        Files.writeString(
                folder.resolve("expired"),
                arena.forge()
                        .token("alpha-id")
                        .claim("iat", Long.toString(now - 7200))
                        .claim("exp", Long.toString(now - 3600))
                        .signed());
    }
}
