package io.sallyport.identity;

import static io.sallyport.identity.TestKeys.base64;
import static io.sallyport.identity.TestKeys.forge;
import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.identity.Authenticator.Outcome;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class AuthenticatorChainTest {
    private static final Instant NOW = Instant.ofEpochSecond(1_800_000_000);
    private static final String METHOD = "/openshell.v1.OpenShell/GetSandboxConfig";
    private static final String HEADER = "{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"JWT\"}";
    private static final String PAYLOAD = "{\"iss\":\"openshell-gateway:local\",\"aud\":\"openshell-gateway:local\","
            + "\"sub\":\"spiffe://openshell/sandbox/alpha\",\"sandbox_id\":\"alpha\","
            + "\"iat\":1800000000,\"exp\":1800003600}";
    private static final SandboxTokenAuthenticator TOKENS = new SandboxTokenAuthenticator(new SandboxTokenVerifier(
            new GatewayId("local"),
            TestKeys.SET_A,
            new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), false),
            TestKeys.signatures(),
            InstantSource.fixed(NOW)));
    private static final AuthenticatorChain CHAIN = new AuthenticatorChain(List.of(TOKENS));

    private static final String GOOD = forge(HEADER, PAYLOAD, TestKeys.A);

    private static Reason reason(Outcome outcome) {
        assertThat(outcome).isInstanceOf(Outcome.Rejected.class);
        return ((Outcome.Rejected) outcome).reason();
    }

    @ParameterizedTest
    @ValueSource(strings = {"Bearer ", "bearer ", "BEARER ", "bEaReR "})
    void theSchemeInAnyCase(String scheme) {
        assertThat(CHAIN.authenticate(scheme + GOOD, METHOD))
                .isInstanceOfSatisfying(
                        Outcome.Authenticated.class,
                        found -> assertThat(found.principal())
                                .isInstanceOfSatisfying(
                                        Principal.Sandbox.class,
                                        sandbox ->
                                                assertThat(sandbox.id().value()).isEqualTo("alpha")));
    }

    @Test
    void noHeader() {
        assertThat(reason(CHAIN.authenticate(null, METHOD))).isEqualTo(Reason.NO_CREDENTIAL);
    }

    /** {@code $} is a good token: it does not help. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "``                    | CREDENTIAL_SCHEME",
                "` `                   | CREDENTIAL_SCHEME",
                "`$`                   | CREDENTIAL_SCHEME",
                "` Bearer $`           | CREDENTIAL_SCHEME",
                "`Bearer\t$`           | CREDENTIAL_SCHEME",
                "`Bearer:$`            | CREDENTIAL_SCHEME",
                "`Basic $`             | CREDENTIAL_SCHEME",
                "`DPoP $`              | CREDENTIAL_SCHEME",
                "`Negotiate`           | CREDENTIAL_SCHEME",
                "`Bearer\u212a $`      | CREDENTIAL_SCHEME",
                "`Bearer`              | TOKEN_MALFORMED",
                "`Bearer `             | TOKEN_MALFORMED",
                "`Bearer  $`           | TOKEN_MALFORMED",
                "`Bearer $ `           | TOKEN_MALFORMED",
                "`Bearer $ x`          | TOKEN_MALFORMED",
                "`Bearer \t$`          | TOKEN_MALFORMED",
                "`Bearer $\t`          | TOKEN_MALFORMED",
                "`Bearer \"$\"`        | TOKEN_MALFORMED",
                "`Bearer =`            | TOKEN_MALFORMED",
                "`Bearer $\u00e9`      | TOKEN_MALFORMED",
                "`Bearer $,Bearer $`   | SEVERAL_CREDENTIALS",
                "`Bearer $, Bearer $`  | SEVERAL_CREDENTIALS",
                "`Bearer $,`           | SEVERAL_CREDENTIALS",
                "`,Bearer $`           | SEVERAL_CREDENTIALS",
                "`Basic eA==,Bearer $` | SEVERAL_CREDENTIALS",
                "`Bearer $=`           | TOKEN_MALFORMED",
                "`Bearer opaque`       | CREDENTIAL_UNKNOWN",
            })
    void headersThatAreNotOneBearer(String header, Reason expected) {
        assertThat(reason(CHAIN.authenticate(header.replace("$", GOOD), METHOD)))
                .isEqualTo(expected);
    }

    /** What is clearly somebody else's, so that another authenticator (or the gateway, for its users) may look. */
    static Stream<String> foreign() {
        return Stream.of(
                "opaque",
                "a.b",
                "a.b.c.d.e",
                forge(
                        "{\"alg\":\"EdDSA\",\"kid\":\"idp\"}",
                        "{\"iss\":\"https://idp.example\",\"sub\":\"jane\"}",
                        TestKeys.B),
                base64("{\"alg\":\"RS256\",\"kid\":\"idp\",\"typ\":\"at+jwt\",\"x5t\":\"AA\"}") + "."
                        + base64("{\"iss\":\"https://idp.example\",\"aud\":[\"a\",\"b\"]}") + "."
                        + base64(new byte[256]));
    }

    @ParameterizedTest
    @MethodSource("foreign")
    void declinesWhatIsClearlyForeign(String token) {
        assertThat(TOKENS.authenticate(new Authenticator.Credential("bearer", token, METHOD)))
                .isInstanceOf(Outcome.Declined.class);
        assertThat(reason(CHAIN.authenticate("Bearer " + token, METHOD))).isEqualTo(Reason.CREDENTIAL_UNKNOWN);
    }

    /** Everything that has a mark of ours, or cannot be read well enough to tell. */
    static Stream<String> ours() {
        String foreignIssuer = PAYLOAD.replace("openshell-gateway:local", "https://idp.example");
        String[] good = GOOD.split("\\.", -1);
        return Stream.of(
                // another gateway's, unknown key
                forge(
                        "{\"alg\":\"EdDSA\",\"kid\":\"other\"}",
                        PAYLOAD.replace("openshell-gateway:local", "openshell-gateway:other"),
                        TestKeys.B),
                // the issuer changed to look foreign, with our key's name
                forge(HEADER, foreignIssuer, TestKeys.A),
                forge(HEADER, foreignIssuer, TestKeys.B),
                good[0] + "." + base64(foreignIssuer) + "." + good[2],
                // the issuer changed, the key's name too, but a type of the family
                forge("{\"alg\":\"EdDSA\",\"kid\":\"x\",\"typ\":\"openshell-ext+jwt\"}", foreignIssuer, TestKeys.B),
                forge("{\"alg\":\"EdDSA\",\"kid\":\"x\",\"typ\":\"openshell-sandbox+jwt\"}", foreignIssuer, TestKeys.B),
                forge(
                        "{\"alg\":\"EdDSA\",\"kid\":\"x\",\"typ\":\"sallyport-assertion+jwt\"}",
                        foreignIssuer,
                        TestKeys.B),
                // two issuers, and one that a reader may or may not see
                forge(
                        "{\"alg\":\"EdDSA\",\"kid\":\"x\"}",
                        "{\"iss\":\"https://idp.example\",\"iss\":\"openshell-gateway:local\"}",
                        TestKeys.B),
                forge("{\"alg\":\"EdDSA\",\"kid\":\"x\"}", "{\"sub\":\"jane\"}", TestKeys.B),
                forge("{\"alg\":\"EdDSA\",\"kid\":\"x\"}", "{\"iss\":[\"https://idp.example\"]}", TestKeys.B),
                forge("{\"alg\":\"EdDSA\",\"kid\":\"x\"}", "not json", TestKeys.B),
                forge("{\"alg\":\"EdDSA\",\"kid\":\"x\",\"kid\":\"key-a\"}", foreignIssuer, TestKeys.B),
                // parts lost or added
                good[0] + "." + good[1],
                good[0],
                GOOD + ".x",
                GOOD + "." + good[2] + "." + good[2],
                // not canonical
                GOOD + "=",
                good[0] + "=." + good[1] + "." + good[2],
                // not worth reading
                "a".repeat(9000));
    }

    @ParameterizedTest
    @MethodSource("ours")
    void neverDeclinesADamagedTokenOfOurs(String token) {
        assertThat(TOKENS.authenticate(new Authenticator.Credential("bearer", token, METHOD)))
                .isInstanceOf(Outcome.Rejected.class);
    }

    /** A flipped bit may turn our token into what looks foreign, but never into somebody. */
    @Test
    void noFlippedBitOfAGoodTokenMakesAPrincipalAndFewLookForeign() {
        byte[] token = GOOD.getBytes(StandardCharsets.US_ASCII);
        int headerLength = GOOD.indexOf('.');
        List<String> declined = new ArrayList<>();
        for (int i = 0; i < token.length; i++) {
            for (int bit = 0; bit < 8; bit++) {
                byte[] changed = token.clone();
                changed[i] ^= (byte) (1 << bit);
                Outcome outcome = TOKENS.authenticate(new Authenticator.Credential(
                        "bearer", new String(changed, StandardCharsets.ISO_8859_1), METHOD));
                assertThat(outcome).isNotInstanceOf(Outcome.Authenticated.class);
                if (outcome instanceof Outcome.Declined) {
                    declined.add("character " + i + " bit " + bit);
                    // The header still names our key, unless the flip was in it (or made it unreadable).
                    assertThat(i).as("character %d bit %d", i, bit).isLessThanOrEqualTo(headerLength);
                }
            }
        }
        // Only a first dot lost or a dot made in the header's text leaves no JWS of three parts to see.
        assertThat(declined).hasSizeLessThan(16);
    }

    @Test
    void otherSchemesAreNotItsBusiness() {
        assertThat(TOKENS.authenticate(new Authenticator.Credential("basic", GOOD, METHOD)))
                .isInstanceOf(Outcome.Declined.class);
    }

    @Test
    void theFirstThatDoesNotDeclineDecides() {
        List<String> asked = new ArrayList<>();
        Outcome yes = new Outcome.Authenticated(new Principal.User("u", "test"));
        Outcome no = new Outcome.Rejected(Reason.TOKEN_EXPIRED, "");
        Authenticator declines = credential -> {
            asked.add("declines");
            return new Outcome.Declined();
        };
        Authenticator rejects = credential -> {
            asked.add("rejects");
            return no;
        };
        Authenticator accepts = credential -> {
            asked.add("accepts");
            return yes;
        };

        assertThat(new AuthenticatorChain(List.of(declines, rejects, accepts)).authenticate("Bearer x", METHOD))
                .isEqualTo(no);
        assertThat(asked).containsExactly("declines", "rejects");
        assertThat(new AuthenticatorChain(List.of(declines, accepts, rejects)).authenticate("Bearer x", METHOD))
                .isEqualTo(yes);
        assertThat(reason(new AuthenticatorChain(List.of(declines)).authenticate("Bearer x", METHOD)))
                .isEqualTo(Reason.CREDENTIAL_UNKNOWN);
        assertThat(reason(new AuthenticatorChain(List.of()).authenticate("Bearer x", METHOD)))
                .isEqualTo(Reason.CREDENTIAL_UNKNOWN);
    }

    @Test
    void anAuthenticatorThatFailsLetsNobodyIn() {
        Authenticator fails = credential -> {
            throw new IllegalStateException("about " + credential.value());
        };
        Authenticator accepts = credential -> new Outcome.Authenticated(new Principal.User("u", "test"));

        Outcome outcome = new AuthenticatorChain(List.of(fails, accepts)).authenticate("Bearer secret-thing", METHOD);

        assertThat(reason(outcome)).isEqualTo(Reason.INTERNAL);
        assertThat(outcome.toString()).doesNotContain("secret-thing");
    }
}
