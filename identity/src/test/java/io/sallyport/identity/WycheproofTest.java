package io.sallyport.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.nimbusds.jose.util.JSONObjectUtils;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.Ed25519.Candidate;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PublicKey;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The published attack vectors of project Wycheproof, where they lie beside the checkout ({@code ../shared/vectors}, or
 * the folder in the system property {@code sallyport.vectors}); skipped where they do not.
 */
class WycheproofTest {
    static List<Candidate> providers() {
        return Ed25519.candidates();
    }

    /** Every provider accepts exactly the valid ones, so they all agree. */
    @ParameterizedTest
    @MethodSource("providers")
    void ed25519(Candidate candidate) throws Exception {
        List<Map<String, Object>> groups = groups("wycheproof-ed25519.json");
        Ed25519 signatures = Ed25519.choose(List.of(candidate));
        HexFormat hex = HexFormat.of();
        int seen = 0;
        for (Map<String, Object> group : groups) {
            PublicKey key = signatures.prepare(Ed25519Keys.readPublic(text(group, "publicKeyPem")));
            for (Map<String, Object> vector : JSONObjectUtils.getJSONObjectArray(group, "tests")) {
                boolean verified =
                        signatures.verify(key, hex.parseHex(text(vector, "msg")), hex.parseHex(text(vector, "sig")));
                assertThat(verified)
                        .as("tcId %s (%s)", vector.get("tcId"), vector.get("flags"))
                        .isEqualTo(text(vector, "result").equals("valid"));
                seen++;
            }
        }
        assertThat(seen).isGreaterThan(100);
    }

    /** The file has no Ed25519 case: every one of its tokens, valid for another algorithm or not, is none of ours. */
    @Test
    void jsonWebSignaturesOfOtherAlgorithms() throws Exception {
        List<Map<String, Object>> groups = groups("wycheproof-json-web-signature.json");
        SandboxTokenVerifier verifier = new SandboxTokenVerifier(
                new GatewayId("local"),
                TestKeys.SET_AB,
                new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), true),
                TestKeys.signatures(),
                InstantSource.system());
        int seen = 0;
        for (Map<String, Object> group : groups) {
            for (Map<String, Object> vector : JSONObjectUtils.getJSONObjectArray(group, "tests")) {
                // Most are compact texts; the file also has the JSON form, which is none either.
                String token = vector.get("jws") instanceof String text
                        ? text
                        : JSONObjectUtils.toJSONString(JSONObjectUtils.getJSONObject(vector, "jws"));
                assertThatThrownBy(() -> verifier.verify(token))
                        .as("tcId %s", vector.get("tcId"))
                        .isInstanceOf(RejectedException.class);
                seen++;
            }
        }
        assertThat(seen).isGreaterThan(100);
    }

    private static String text(Map<String, Object> members, String name) {
        return (String) Objects.requireNonNull(members.get(name), name);
    }

    private static List<Map<String, Object>> groups(String file) throws Exception {
        Path folder = Path.of(System.getProperty("sallyport.vectors", "../../shared/vectors"));
        assumeTrue(Files.isReadable(folder.resolve(file)), () -> "no vectors in " + folder.toAbsolutePath());
        Map<String, Object> root = JSONObjectUtils.parse(Files.readString(folder.resolve(file)));
        return List.of(JSONObjectUtils.getJSONObjectArray(root, "testGroups"));
    }
}
