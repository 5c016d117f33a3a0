package io.sallyport.identity;

import static io.sallyport.identity.TestKeys.forge;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class AssertionTest {
    private static final Instant NOW = Instant.ofEpochSecond(1_800_000_000);
    private static final GatewayId GATEWAY = new GatewayId("local");
    private static final String METHOD = "/openshell.v1.OpenShell/RefreshSandboxToken";
    private static final String HEADER = "{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"sallyport-assertion+jwt\"}";
    private static final String EXT_AUTHZ = "{\"iss\":\"sallyport-ext-authz:local\","
            + "\"aud\":\"sallyport-token-issuer:local\",\"sub\":\"sallyport:ext-authz\",\"mth\":\"" + METHOD
            + "\",\"iat\":1800000000,\"exp\":1800000010}";
    private static final SandboxClaims TOKEN = new SandboxClaims(
            new SandboxId("alpha"),
            Optional.of("t-1"),
            Optional.of(new Lineage("l-1", 4)),
            NOW.minusSeconds(100),
            NOW.plusSeconds(100),
            "token-key");

    private static AssertionMinter minter(SigningKey key) {
        return new AssertionMinter(
                GATEWAY, key, AssertionMinter.DEFAULT_LIFETIME, TestKeys.signatures(), InstantSource.fixed(NOW));
    }

    private static AssertionVerifier verifierAt(Instant now) {
        return new AssertionVerifier(
                GATEWAY, TestKeys.SET_A, Duration.ofSeconds(5), TestKeys.signatures(), InstantSource.fixed(now));
    }

    private static void assertRefused(AssertionVerifier verifier, String assertion, String method) {
        assertThatThrownBy(() -> verifier.verify(assertion, method))
                .isInstanceOfSatisfying(
                        RejectedException.class, e -> assertThat(e.reason()).isEqualTo(Reason.ASSERTION));
    }

    @ParameterizedTest
    @MethodSource
    void whatIsVouchedForComesOutAgain(Assertion.Caller caller) throws Exception {
        Assertion assertion = new Assertion(caller, METHOD);

        assertThat(verifierAt(NOW).verify(minter(TestKeys.A).mint(assertion), METHOD))
                .isEqualTo(assertion);
    }

    static Stream<Assertion.Caller> whatIsVouchedForComesOutAgain() {
        return Stream.of(
                new Assertion.Caller.Sandbox(TOKEN),
                new Assertion.Caller.Sandbox(new SandboxClaims(
                        new SandboxId("beta"), Optional.empty(), Optional.empty(), NOW, Instant.MAX, "k")),
                pod(Optional.empty()),
                pod(Optional.of("uid-2")),
                new Assertion.Caller.ExtAuthz());
    }

    private static Assertion.Caller pod(Optional<String> ownerUid) {
        return new Assertion.Caller.Pod(
                new Principal.ServiceAccount("sandboxes", "box", "pod-1", "uid-1", ownerUid, new SandboxId("beta")));
    }

    @Test
    void itIsGoodForOneMethod() {
        String assertion = minter(TestKeys.A).mint(new Assertion(new Assertion.Caller.Sandbox(TOKEN), METHOD));

        assertRefused(verifierAt(NOW), assertion, "/openshell.v1.OpenShell/IssueSandboxToken");
        assertRefused(verifierAt(NOW), assertion, METHOD + "/");
    }

    @ParameterizedTest
    @CsvSource({"-6, false", "-5, true", "0, true", "14, true", "15, false", "3600, false"})
    void itLivesForSecondsAndALeeway(long secondsAfterMint, boolean accepted) throws Exception {
        String assertion = minter(TestKeys.A).mint(new Assertion(new Assertion.Caller.ExtAuthz(), METHOD));
        AssertionVerifier verifier = verifierAt(NOW.plusSeconds(secondsAfterMint));

        if (accepted) {
            assertThat(verifier.verify(assertion, METHOD).caller()).isEqualTo(new Assertion.Caller.ExtAuthz());
        } else {
            assertRefused(verifier, assertion, METHOD);
        }
    }

    /** A right one first, so that the rows after it are refused for what they change. */
    @Test
    void theForgeMakesGoodOnes() throws Exception {
        assertThat(verifierAt(NOW)
                        .verify(forge(HEADER, EXT_AUTHZ, TestKeys.A), METHOD)
                        .caller())
                .isEqualTo(new Assertion.Caller.ExtAuthz());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "sallyport-ext-authz:local | sallyport-ext-authz:other",
                "sallyport-ext-authz:local | openshell-gateway:local",
                "sallyport-token-issuer:local | sallyport-token-issuer:other",
                "sallyport-token-issuer:local | openshell-gateway:local",
                "sallyport:ext-authz | sallyport:somebody",
                "sallyport:ext-authz | spiffe://openshell/sandbox/alpha",
                "\"exp\":1800000010 | \"exp\":1800000061",
                "\"exp\":1800000010 | \"exp\":1800000000",
                "\"exp\":1800000010 | \"exp\":0",
                "\"exp\":1800000010 | \"x\":0",
                "\"iat\":1800000000 | \"iat\":1800000006",
                "\"mth\": | \"m\":",
            })
    void otherClaims(String was, String is) {
        assertThat(EXT_AUTHZ).contains(was);

        assertRefused(verifierAt(NOW), forge(HEADER, EXT_AUTHZ.replace(was, is), TestKeys.A), METHOD);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"alg\":\"EdDSA\",\"kid\":\"key-a\"}",
                "{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"JWT\"}",
                "{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"openshell-sandbox+jwt\"}",
                "{\"alg\":\"none\",\"kid\":\"key-a\",\"typ\":\"sallyport-assertion+jwt\"}",
                "{\"alg\":\"EdDSA\",\"kid\":\"key-b\",\"typ\":\"sallyport-assertion+jwt\"}",
                "{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"sallyport-assertion+jwt\",\"crit\":[\"x\"]}",
            })
    void otherHeaders(String header) {
        assertRefused(verifierAt(NOW), forge(header, EXT_AUTHZ, TestKeys.A), METHOD);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"sub\":\"spiffe://openshell/sandbox/beta\",\"sandbox_id\":\"alpha\",\"token\":{\"kid\":\"k\",\"iat\":1,\"exp\":2}",
                "\"sub\":\"spiffe://openshell/sandbox/alpha\",\"sandbox_id\":\"alpha\"",
                "\"sub\":\"spiffe://openshell/sandbox/alpha\",\"sandbox_id\":\"alpha\",\"token\":{}",
                "\"sub\":\"spiffe://openshell/sandbox/alpha\",\"sandbox_id\":\"alpha\",\"token\":{\"kid\":\"k\",\"iat\":1,\"exp\":2,\"lin\":\"l\"}",
                "\"sub\":\"spiffe://openshell/sandbox/alpha\",\"sandbox_id\":\"alpha\",\"token\":\"t\"",
            })
    void aSandboxThatIsNotWhole(String members) {
        String payload = EXT_AUTHZ.replace("\"sub\":\"sallyport:ext-authz\"", members);

        assertRefused(verifierAt(NOW), forge(HEADER, payload, TestKeys.A), METHOD);
    }

    @Test
    void anotherKeysSignatureIsNone() {
        assertRefused(verifierAt(NOW), forge(HEADER, EXT_AUTHZ, TestKeys.B), METHOD);
        assertRefused(verifierAt(NOW), "", METHOD);
    }

    @Test
    void neverConfusedWithASandboxTokenNotEvenUnderTheSameKey() throws Exception {
        SandboxTokenVerifier tokens = new SandboxTokenVerifier(
                GATEWAY,
                TestKeys.SET_A,
                new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), true),
                TestKeys.signatures(),
                InstantSource.fixed(NOW));
        String token = new SandboxTokenMinter(GATEWAY, TestKeys.A, TestKeys.signatures())
                .mint(new SandboxClaims(
                        new SandboxId("alpha"), Optional.of("t"), Optional.empty(), NOW, NOW.plusSeconds(30), "key-a"));
        String assertion = minter(TestKeys.A).mint(new Assertion(new Assertion.Caller.Sandbox(TOKEN), METHOD));

        assertThat(tokens.verify(token).sandbox().value()).isEqualTo("alpha");
        assertRefused(verifierAt(NOW), token, METHOD);
        assertThatThrownBy(() -> tokens.verify(assertion))
                .isInstanceOfSatisfying(
                        RejectedException.class, e -> assertThat(e.reason()).isEqualTo(Reason.TOKEN_TYPE));

        // Not even when the type lies: issuer and audience still differ.
        String[] parts = assertion.split("\\.", -1);
        String payload =
                new String(java.util.Base64.getUrlDecoder().decode(parts[1]), java.nio.charset.StandardCharsets.UTF_8);
        String retyped = forge("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"JWT\"}", payload, TestKeys.A);
        assertThatThrownBy(() -> tokens.verify(retyped))
                .isInstanceOfSatisfying(
                        RejectedException.class, e -> assertThat(e.reason()).isEqualTo(Reason.TOKEN_ISSUER));
    }

    @ParameterizedTest
    @ValueSource(strings = {"PT0S", "PT0.9S", "PT61S", "PT-1S"})
    void aLifeOfSecondsOnly(Duration lifetime) {
        assertThatThrownBy(() -> new AssertionMinter(
                        GATEWAY, TestKeys.A, lifetime, TestKeys.signatures(), InstantSource.fixed(NOW)))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
