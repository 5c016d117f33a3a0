package io.sallyport.identity;

import static io.sallyport.identity.TestKeys.base64;
import static io.sallyport.identity.TestKeys.forge;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SandboxTokenVerifierTest {
    private static final Instant NOW = Instant.ofEpochSecond(1_800_000_000);
    private static final long T = NOW.getEpochSecond();
    private static final String HEADER = "{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"JWT\"}";
    private static final SandboxTokenVerifier.Limits LIMITS =
            new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), false);
    private static final SandboxTokenVerifier VERIFIER = verifier(LIMITS);

    private static SandboxTokenVerifier verifier(SandboxTokenVerifier.Limits limits) {
        return new SandboxTokenVerifier(
                new GatewayId("local"), TestKeys.SET_A, limits, TestKeys.signatures(), InstantSource.fixed(NOW));
    }

    /** A good payload, as JSON text by member; rows change one thing. */
    private static Map<String, String> good() {
        Map<String, String> members = new LinkedHashMap<>();
        members.put("iss", "\"openshell-gateway:local\"");
        members.put("aud", "\"openshell-gateway:local\"");
        members.put("sub", "\"spiffe://openshell/sandbox/alpha\"");
        members.put("sandbox_id", "\"alpha\"");
        members.put("iat", Long.toString(T - 10));
        members.put("exp", Long.toString(T + 3590));
        members.put("jti", "\"t-1\"");
        members.put("lin", "\"l-1\"");
        members.put("gen", "3");
        return members;
    }

    private static String with(String... pairs) {
        Map<String, String> members = good();
        for (int i = 0; i < pairs.length; i += 2) {
            if (pairs[i + 1].isEmpty()) {
                members.remove(pairs[i]);
            } else {
                members.put(pairs[i], pairs[i + 1]);
            }
        }
        return members.entrySet().stream()
                .map(member -> "\"" + member.getKey() + "\":" + member.getValue())
                .collect(Collectors.joining(",", "{", "}"));
    }

    private static String goodToken() {
        return forge(HEADER, with(), TestKeys.A);
    }

    private static void assertRefused(SandboxTokenVerifier verifier, String token, Reason reason) {
        assertThatThrownBy(() -> verifier.verify(token)).isInstanceOfSatisfying(RejectedException.class, e -> {
            assertThat(e.reason()).isEqualTo(reason);
            assertShowsNothingOf(token, e.toString());
        });
    }

    /** No 12 characters of any part of the token stand in the message. */
    private static void assertShowsNothingOf(String token, String message) {
        for (int i = 0; i + 12 <= token.length(); i++) {
            assertThat(message).doesNotContain(token.substring(i, i + 12));
        }
    }

    @Test
    void aGoodTokenGivesItsClaims() throws Exception {
        SandboxClaims claims = VERIFIER.verify(goodToken());

        assertThat(claims)
                .isEqualTo(new SandboxClaims(
                        new SandboxId("alpha"),
                        Optional.of("t-1"),
                        Optional.of(new Lineage("l-1", 3)),
                        NOW.minusSeconds(10),
                        NOW.plusSeconds(3590),
                        "key-a"));
    }

    @Test
    void aGatewaysOwnTokenNeedsNeitherJtiNorLineage() throws Exception {
        String token = forge(HEADER, with("jti", "", "lin", "", "gen", "", "extra", "[1,{\"a\":2}]"), TestKeys.A);
        SandboxClaims claims = VERIFIER.verify(token);

        assertThat(claims.tokenId()).contains(Digests.tokenId(token));
        Lineage lineage = claims.lineage().orElseThrow();
        assertThat(lineage.isAdopted()).isTrue();
        assertThat(lineage.generation()).isZero();
        assertThat(VERIFIER.verify(token)).as("found again").isEqualTo(claims);
    }

    @Test
    void placesThatFollowFromTokensAreApart() throws Exception {
        String alpha = forge(HEADER, with("lin", "", "gen", ""), TestKeys.A);
        String other = forge(HEADER, with("lin", "", "gen", "", "jti", "\"t-2\""), TestKeys.A);

        assertThat(VERIFIER.verify(alpha).lineage())
                .isNotEqualTo(VERIFIER.verify(other).lineage());
        assertThat(Lineage.adopted(new SandboxId("alpha"), "t-1"))
                .isNotEqualTo(Lineage.adopted(new SandboxId("beta"), "t-1"));
        assertThat(Digests.tokenId("abc"))
                .isEqualTo("sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"alg\":\"EdDSA\",\"kid\":\"key-a\"}",
                "{\"typ\":\"JWT\",\"alg\":\"EdDSA\",\"kid\":\"key-a\"}",
                "{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"openshell-sandbox+jwt\"}",
                "{\"alg\" : \"EdDSA\", \"kid\" : \"key-a\"}",
            })
    void theTypesOfSandboxTokens(String header) throws Exception {
        assertThat(VERIFIER.verify(forge(header, with(), TestKeys.A)).sandbox()).isEqualTo(new SandboxId("alpha"));
    }

    /** Headers over a right payload, rightly signed by our own key. */
    enum BadHeader {
        EXTENSION_CREDENTIAL("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"openshell-ext+jwt\"}", Reason.TOKEN_TYPE),
        ASSERTION("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"sallyport-assertion+jwt\"}", Reason.TOKEN_TYPE),
        EXTENSION_CREDENTIAL_WITH_MORE_WRONG(
                "{\"alg\":\"none\",\"crit\":[\"b64\"],\"typ\":\"openshell-ext+jwt\"}", Reason.TOKEN_TYPE),
        TYPE_LOWER_CASE("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"jwt\"}", Reason.TOKEN_TYPE),
        TYPE_FULL_MEDIA_TYPE("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"application/jwt\"}", Reason.TOKEN_TYPE),
        TYPE_EMPTY("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":\"\"}", Reason.TOKEN_TYPE),
        TYPE_NULL("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":null}", Reason.TOKEN_TYPE),
        TYPE_LIST("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"typ\":[\"JWT\"]}", Reason.TOKEN_TYPE),
        ALG_NONE("{\"alg\":\"none\",\"kid\":\"key-a\"}", Reason.TOKEN_ALGORITHM),
        ALG_NONE_OTHER_CASE("{\"alg\":\"nOnE\",\"kid\":\"key-a\"}", Reason.TOKEN_ALGORITHM),
        ALG_ED25519_NAME("{\"alg\":\"Ed25519\",\"kid\":\"key-a\"}", Reason.TOKEN_ALGORITHM),
        ALG_OTHER_CASE("{\"alg\":\"eddsa\",\"kid\":\"key-a\"}", Reason.TOKEN_ALGORITHM),
        ALG_MISSING("{\"kid\":\"key-a\"}", Reason.TOKEN_ALGORITHM),
        ALG_NULL("{\"alg\":null,\"kid\":\"key-a\"}", Reason.TOKEN_ALGORITHM),
        ALG_LIST("{\"alg\":[\"EdDSA\"],\"kid\":\"key-a\"}", Reason.TOKEN_ALGORITHM),
        JWK(
                "{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}}",
                Reason.TOKEN_HEADER),
        JKU("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"jku\":\"https://evil.example/jwks\"}", Reason.TOKEN_HEADER),
        X5C("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"x5c\":[\"AA==\"]}", Reason.TOKEN_HEADER),
        X5U("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"x5u\":\"https://evil.example\"}", Reason.TOKEN_HEADER),
        X5T("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"x5t\":\"AA\"}", Reason.TOKEN_HEADER),
        X5T_S256("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"x5t#S256\":\"AA\"}", Reason.TOKEN_HEADER),
        CRIT("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"crit\":[\"exp\"],\"exp\":1}", Reason.TOKEN_HEADER),
        CRIT_EMPTY("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"crit\":[]}", Reason.TOKEN_HEADER),
        B64_FALSE("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"b64\":false,\"crit\":[\"b64\"]}", Reason.TOKEN_HEADER),
        B64_TRUE("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"b64\":true}", Reason.TOKEN_HEADER),
        ZIP("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"zip\":\"DEF\"}", Reason.TOKEN_HEADER),
        CTY("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"cty\":\"JWT\"}", Reason.TOKEN_HEADER),
        ENC("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"enc\":\"A128GCM\"}", Reason.TOKEN_HEADER),
        UNKNOWN_MEMBER("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"x\":1}", Reason.TOKEN_HEADER),
        KID_MISSING("{\"alg\":\"EdDSA\"}", Reason.TOKEN_HEADER),
        KID_NUMBER("{\"alg\":\"EdDSA\",\"kid\":1}", Reason.TOKEN_HEADER),
        KID_NULL("{\"alg\":\"EdDSA\",\"kid\":null}", Reason.TOKEN_HEADER),
        KID_UNKNOWN("{\"alg\":\"EdDSA\",\"kid\":\"key-z\"}", Reason.TOKEN_KEY_UNKNOWN),
        KID_EMPTY("{\"alg\":\"EdDSA\",\"kid\":\"\"}", Reason.TOKEN_KEY_UNKNOWN),
        KID_OTHER_CASE("{\"alg\":\"EdDSA\",\"kid\":\"KEY-A\"}", Reason.TOKEN_KEY_UNKNOWN),
        KID_PATH("{\"alg\":\"EdDSA\",\"kid\":\"../key-a\"}", Reason.TOKEN_KEY_UNKNOWN),
        KID_PATH_DOTS("{\"alg\":\"EdDSA\",\"kid\":\"..\"}", Reason.TOKEN_KEY_UNKNOWN),
        KID_PATH_INNER("{\"alg\":\"EdDSA\",\"kid\":\"x/../key-a\"}", Reason.TOKEN_KEY_UNKNOWN),
        KID_ABSOLUTE("{\"alg\":\"EdDSA\",\"kid\":\"/dev/null\"}", Reason.TOKEN_KEY_UNKNOWN),
        KID_NUL("{\"alg\":\"EdDSA\",\"kid\":\"key-a\\u0000\"}", Reason.TOKEN_KEY_UNKNOWN),
        KID_NEWLINE("{\"alg\":\"EdDSA\",\"kid\":\"key-a\\n\"}", Reason.TOKEN_KEY_UNKNOWN),
        KID_SPACE("{\"alg\":\"EdDSA\",\"kid\":\" key-a\"}", Reason.TOKEN_KEY_UNKNOWN),
        KID_LONG("{\"alg\":\"EdDSA\",\"kid\":\"" + "k".repeat(129) + "\"}", Reason.TOKEN_KEY_UNKNOWN),
        TWO_ALGS("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"alg\":\"EdDSA\"}", Reason.TOKEN_MALFORMED),
        TWO_KIDS("{\"alg\":\"EdDSA\",\"kid\":\"key-z\",\"kid\":\"key-a\"}", Reason.TOKEN_MALFORMED),
        TWO_KIDS_ONE_ESCAPED("{\"alg\":\"EdDSA\",\"kid\":\"key-z\",\"\\u006bid\":\"key-a\"}", Reason.TOKEN_MALFORMED),
        TWO_INSIDE_A_MEMBER("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"jwk\":{\"x\":1,\"x\":2}}", Reason.TOKEN_MALFORMED),
        NOT_JSON("alg=EdDSA", Reason.TOKEN_MALFORMED),
        EMPTY("", Reason.TOKEN_MALFORMED),
        EMPTY_OBJECT("{}", Reason.TOKEN_ALGORITHM),
        LIST("[{\"alg\":\"EdDSA\",\"kid\":\"key-a\"}]", Reason.TOKEN_MALFORMED),
        TEXT_AFTER("{\"alg\":\"EdDSA\",\"kid\":\"key-a\"}{}", Reason.TOKEN_MALFORMED),
        COMMA_AFTER("{\"alg\":\"EdDSA\",\"kid\":\"key-a\",}", Reason.TOKEN_MALFORMED),
        COMMENT("{\"alg\":\"EdDSA\"/**/,\"kid\":\"key-a\"}", Reason.TOKEN_MALFORMED),
        SINGLE_QUOTES("{'alg':'EdDSA','kid':'key-a'}", Reason.TOKEN_MALFORMED),
        CUT("{\"alg\":\"EdDSA\",\"kid\":\"key-a\"", Reason.TOKEN_MALFORMED),
        BYTE_ORDER_MARK("\uFEFF{\"alg\":\"EdDSA\",\"kid\":\"key-a\"}", Reason.TOKEN_MALFORMED),
        DEEP(
                "{\"alg\":\"EdDSA\",\"kid\":\"key-a\",\"x\":" + "[".repeat(50) + "]".repeat(50) + "}",
                Reason.TOKEN_MALFORMED);

        final String header;
        final Reason reason;

        BadHeader(String header, Reason reason) {
            this.header = header;
            this.reason = reason;
        }
    }

    @ParameterizedTest
    @MethodSource
    void badHeaders(BadHeader row) {
        assertRefused(VERIFIER, forge(row.header, with(), TestKeys.A), row.reason);
    }

    static Stream<BadHeader> badHeaders() {
        return Stream.of(BadHeader.values());
    }

    /** One claim changed (an empty value takes it out), under a right header and a right signature. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "iss | \"openshell-gateway:other\"            | TOKEN_ISSUER",
                "iss | \"openshell-gateway:local \"           | TOKEN_ISSUER",
                "iss | \"OPENSHELL-GATEWAY:local\"            | TOKEN_ISSUER",
                "iss | \"sallyport-ext-authz:local\"          | TOKEN_ISSUER",
                "iss | [\"openshell-gateway:local\"]          | TOKEN_ISSUER",
                "iss | ``                                     | TOKEN_ISSUER",
                "aud | \"openshell-gateway:other\"            | TOKEN_AUDIENCE",
                "aud | [\"openshell-gateway:local\"]          | TOKEN_AUDIENCE",
                "aud | [\"openshell-gateway:local\",\"x\"]    | TOKEN_AUDIENCE",
                "aud | \"\"                                   | TOKEN_AUDIENCE",
                "aud | null                                   | TOKEN_AUDIENCE",
                "aud | ``                                     | TOKEN_AUDIENCE",
                "sub | \"spiffe://openshell/sandbox/beta\"    | TOKEN_SUBJECT",
                "sub | \"spiffe://openshell/sandbox/ALPHA\"   | TOKEN_SUBJECT",
                "sub | \"spiffe://openshell/sandbox/alpha/\"  | TOKEN_SUBJECT",
                "sub | \"spiffe://other/sandbox/alpha\"       | TOKEN_SUBJECT",
                "sub | \"alpha\"                              | TOKEN_SUBJECT",
                "sub | ``                                     | TOKEN_SUBJECT",
                "sandbox_id | \"beta\"                        | TOKEN_SUBJECT",
                "sandbox_id | \"\"                            | TOKEN_SUBJECT",
                "sandbox_id | \"a/b\"                         | TOKEN_SUBJECT",
                "sandbox_id | 7                               | TOKEN_SUBJECT",
                "sandbox_id | ``                              | TOKEN_SUBJECT",
                "exp | ``                                     | TOKEN_NO_EXPIRY",
                "exp | 0                                      | TOKEN_NO_EXPIRY",
                "exp | -0                                     | TOKEN_NO_EXPIRY",
                "exp | null                                   | TOKEN_CLAIMS",
                "exp | \"1800003590\"                         | TOKEN_CLAIMS",
                "exp | 1800003590.0                           | TOKEN_CLAIMS",
                "exp | 1.80000359e9                           | TOKEN_CLAIMS",
                "exp | -1                                     | TOKEN_CLAIMS",
                "exp | 253402300800                           | TOKEN_CLAIMS",
                "exp | 9223372036854775807                    | TOKEN_CLAIMS",
                "exp | 9223372036854775808                    | TOKEN_CLAIMS",
                "exp | 18446744073709551616                   | TOKEN_CLAIMS",
                "exp | 1800086391                             | TOKEN_LIFETIME",
                "exp | 1799999990                             | TOKEN_LIFETIME",
                "exp | 1799999989                             | TOKEN_LIFETIME",
                "iat | ``                                     | TOKEN_CLAIMS",
                "iat | \"1799999990\"                         | TOKEN_CLAIMS",
                "iat | 1799999990.5                           | TOKEN_CLAIMS",
                "iat | -5                                     | TOKEN_CLAIMS",
                "iat | 0                                      | TOKEN_LIFETIME",
                "iat | 1800000061                             | TOKEN_NOT_YET_VALID",
                "nbf | 1800000061                             | TOKEN_NOT_YET_VALID",
                "nbf | \"1\"                                  | TOKEN_CLAIMS",
                "jti | \"\"                                   | TOKEN_CLAIMS",
                "jti | 5                                      | TOKEN_CLAIMS",
                "jti | null                                   | TOKEN_CLAIMS",
                "jti | \"a b\"                                | TOKEN_CLAIMS",
                "lin | ``                                     | TOKEN_CLAIMS",
                "lin | \"\"                                   | TOKEN_CLAIMS",
                "lin | 5                                      | TOKEN_CLAIMS",
                "gen | ``                                     | TOKEN_CLAIMS",
                "gen | -1                                     | TOKEN_CLAIMS",
                "gen | \"3\"                                  | TOKEN_CLAIMS",
                "gen | 3.0                                    | TOKEN_CLAIMS",
            })
    void badClaims(String claim, String value, Reason reason) {
        assertRefused(VERIFIER, forge(HEADER, with(claim, value), TestKeys.A), reason);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[]",
                "\"text\"",
                "{\"sandbox_id\":\"beta\",$}",
                "{$,\"sandbox_id\":\"alpha\"}",
                "{$,\"x\":{\"a\":1,\"a\":1}}",
                "{$}x",
            })
    void aPayloadThatIsNotStrictlyOneObject(String shape) {
        String inner = with().substring(1, with().length() - 1);

        assertRefused(VERIFIER, forge(HEADER, shape.replace("$", inner), TestKeys.A), Reason.TOKEN_CLAIMS);
    }

    @Test
    void aPayloadThatIsNotUtf8() {
        byte[] payload = with("x", "\"~\"").getBytes(StandardCharsets.ISO_8859_1);
        for (int i = 0; i < payload.length; i++) {
            payload[i] = payload[i] == '~' ? (byte) 0xc0 : payload[i];
        }
        String input = base64(HEADER) + "." + base64(payload);
        Ed25519 signatures = TestKeys.signatures();
        String token = input + "."
                + base64(signatures.sign(
                        signatures.prepare(TestKeys.A.key()), input.getBytes(StandardCharsets.US_ASCII)));

        assertRefused(VERIFIER, token, Reason.TOKEN_CLAIMS);
    }

    @ParameterizedTest
    @CsvSource({
        // Seconds from now. The token is good while now < exp + 60 s and iat <= now + 60 s.
        "-3600, -59, true",
        "-3600, -60, false",
        "-3600, -61, false",
        "60,    100, true",
        "61,    100, false",
        "-10,   86390, true",
        "-10,   86391, false",
        "-10,   -9, true",
    })
    void theEdgesOfTime(long issued, long expires, boolean accepted) {
        String token = forge(HEADER, with("iat", "" + (T + issued), "exp", "" + (T + expires)), TestKeys.A);

        if (accepted) {
            assertThat(read(token).expiresAt()).isEqualTo(NOW.plusSeconds(expires));
        } else {
            assertThatThrownBy(() -> VERIFIER.verify(token)).isInstanceOf(RejectedException.class);
        }
    }

    @Test
    void aTokenWithoutEndPassesOnlyWhereThatIsAllowed() throws Exception {
        SandboxTokenVerifier allowing =
                verifier(new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), true));

        assertThat(allowing.verify(forge(HEADER, with("exp", "0"), TestKeys.A)).expiresAt())
                .isEqualTo(Instant.MAX);
        assertRefused(allowing, forge(HEADER, with("exp", ""), TestKeys.A), Reason.TOKEN_NO_EXPIRY);
        assertRefused(
                allowing,
                forge(HEADER, with("exp", "0", "iat", "" + (T + 61)), TestKeys.A),
                Reason.TOKEN_NOT_YET_VALID);
    }

    @Test
    void everyBitFlippedOnceIsRefused() {
        byte[] token = goodToken().getBytes(StandardCharsets.US_ASCII);
        for (int i = 0; i < token.length; i++) {
            for (int bit = 0; bit < 8; bit++) {
                byte[] changed = token.clone();
                changed[i] ^= (byte) (1 << bit);
                String text = new String(changed, StandardCharsets.ISO_8859_1);
                assertThatThrownBy(() -> VERIFIER.verify(text))
                        .as("bit %d of character %d", bit, i)
                        .isInstanceOf(RejectedException.class);
            }
        }
    }

    /** Ways to write the same bytes differently; {@code $} is the good token. */
    @ParameterizedTest
    @ValueSource(strings = {"$=", "$==", " $", "$ ", "$\n", "$.", ".$", "$.$", "$!", "$\0", "$\u00e9"})
    void textAroundAGoodToken(String shape) {
        assertRefused(VERIFIER, shape.replace("$", goodToken()), Reason.TOKEN_MALFORMED);
    }

    @Test
    void otherSpellingsOfAGoodToken() {
        String[] parts = goodToken().split("\\.", -1);
        for (int part = 0; part < 3; part++) {
            String text = parts[part];
            String[] others = {
                text + "=",
                text.substring(0, 4) + " " + text.substring(4),
                text.substring(0, 4) + "\n" + text.substring(4),
                text.substring(0, 4) + "!" + text.substring(4),
                lastCharacterChangedInItsUnusedBits(text),
            };
            for (String other : others) {
                String[] changed = parts.clone();
                changed[part] = other;
                String token = String.join(".", changed);
                if (!token.equals(goodToken())) {
                    assertThatThrownBy(() -> VERIFIER.verify(token))
                            .as("part %d", part)
                            .isInstanceOf(RejectedException.class);
                }
            }
        }
        // 64 bytes leave four unused bits in the last of 86 characters: sixteen spellings of one signature.
        String other = parts[0] + "." + parts[1] + "." + lastCharacterChangedInItsUnusedBits(parts[2]);
        assertThat(Base64.getUrlDecoder().decode(other.substring(other.lastIndexOf('.') + 1)))
                .isEqualTo(Base64.getUrlDecoder().decode(parts[2]));
        assertRefused(VERIFIER, other, Reason.TOKEN_MALFORMED);
    }

    @Test
    void theOtherBase64AlphabetIsRefused() {
        // Among many signatures some hold - or _.
        for (int i = 0; i < 20; i++) {
            String token = forge(HEADER, with("jti", "\"t-" + i + "\""), TestKeys.A);
            String other = token.replace('-', '+').replace('_', '/');
            if (!other.equals(token)) {
                assertRefused(VERIFIER, other, Reason.TOKEN_MALFORMED);
                return;
            }
        }
        fail("no token had a character to change");
    }

    private static String lastCharacterChangedInItsUnusedBits(String part) {
        String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        int last = alphabet.indexOf(part.charAt(part.length() - 1));
        return part.substring(0, part.length() - 1) + alphabet.charAt(last ^ 1);
    }

    @Test
    void aLongTokenIsRefusedBeforeAnythingIsRead() {
        assertRefused(VERIFIER, "a".repeat(64 * 1024), Reason.TOKEN_TOO_LONG);
        assertRefused(
                VERIFIER, forge(HEADER, with("x", "\"" + "y".repeat(7000) + "\""), TestKeys.A), Reason.TOKEN_TOO_LONG);
        assertRefused(VERIFIER, ".".repeat(8192), Reason.TOKEN_MALFORMED);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ".", "..", "a.b", "a.b.c.d", "garbage", "e30.e30.e30", "eyJ.eyJ."})
    void garbage(String token) {
        assertThatThrownBy(() -> VERIFIER.verify(token)).isInstanceOf(RejectedException.class);
    }

    @Test
    void aForgedSignature() {
        assertRefused(VERIFIER, forge(HEADER, with(), TestKeys.B), Reason.TOKEN_SIGNATURE);
        String unsigned = base64(HEADER) + "." + base64(with()) + ".";
        assertRefused(VERIFIER, unsigned, Reason.TOKEN_SIGNATURE);
        assertRefused(VERIFIER, unsigned + base64(new byte[64]), Reason.TOKEN_SIGNATURE);
        assertRefused(VERIFIER, unsigned + base64(new byte[63]), Reason.TOKEN_SIGNATURE);
        String[] good = goodToken().split("\\.", -1);
        assertRefused(
                VERIFIER,
                good[0] + "." + base64(with("sandbox_id", "\"beta\"")) + "." + good[2],
                Reason.TOKEN_SIGNATURE);
    }

    @Test
    void aPartOfTheSignatureAddedToTheGroupOrderIsNotASecondSignature() {
        String[] parts = goodToken().split("\\.", -1);
        byte[] signature = Base64.getUrlDecoder().decode(parts[2]);
        java.math.BigInteger order = java.math.BigInteger.TWO
                .pow(252)
                .add(new java.math.BigInteger("27742317777372353535851937790883648493"));
        int carry = 0;
        for (int i = 0; i < 32; i++) {
            int sum = (signature[32 + i] & 0xff) + (order.shiftRight(8 * i).intValue() & 0xff) + carry;
            signature[32 + i] = (byte) sum;
            carry = sum >> 8;
        }

        assertRefused(VERIFIER, parts[0] + "." + parts[1] + "." + base64(signature), Reason.TOKEN_SIGNATURE);
    }

    @Test
    void hs256KeyedWithThePublicKey() throws Exception {
        String input = base64("{\"alg\":\"HS256\",\"kid\":\"key-a\",\"typ\":\"JWT\"}") + "." + base64(with());
        for (byte[] key : new byte[][] {
            Ed25519Keys.rawPublic(TestKeys.publicKey(TestKeys.PUBLIC_A)),
            TestKeys.publicKey(TestKeys.PUBLIC_A).getEncoded(),
            Ed25519Keys.writePublic(TestKeys.publicKey(TestKeys.PUBLIC_A)).getBytes(StandardCharsets.US_ASCII)
        }) {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            String token = input + "." + base64(mac.doFinal(input.getBytes(StandardCharsets.US_ASCII)));
            assertRefused(VERIFIER, token, Reason.TOKEN_ALGORITHM);
        }
    }

    @Test
    void rs256() throws GeneralSecurityException {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        Signature rsa = Signature.getInstance("SHA256withRSA");
        rsa.initSign(generator.generateKeyPair().getPrivate());
        String input = base64("{\"alg\":\"RS256\",\"kid\":\"key-a\",\"typ\":\"JWT\"}") + "." + base64(with());
        rsa.update(input.getBytes(StandardCharsets.US_ASCII));

        assertRefused(VERIFIER, input + "." + base64(rsa.sign()), Reason.TOKEN_ALGORITHM);
    }

    @Test
    void severalKeysEachUnderItsOwnName() throws Exception {
        SandboxTokenVerifier both = new SandboxTokenVerifier(
                new GatewayId("local"), TestKeys.SET_AB, LIMITS, TestKeys.signatures(), InstantSource.fixed(NOW));
        String headerB = HEADER.replace("key-a", "key-b");

        assertThat(both.verify(goodToken()).keyId()).isEqualTo("key-a");
        assertThat(both.verify(forge(headerB, with(), TestKeys.B)).keyId()).isEqualTo("key-b");
        assertRefused(both, forge(headerB, with(), TestKeys.A), Reason.TOKEN_SIGNATURE);
        assertRefused(both, forge(HEADER, with(), TestKeys.B), Reason.TOKEN_SIGNATURE);
    }

    @Test
    void whateverComesNothingButARefusalGoes() {
        Random random = new Random(20260102);
        byte[] good = goodToken().getBytes(StandardCharsets.US_ASCII);
        for (int round = 0; round < 20_000; round++) {
            byte[] token = random.nextInt(4) == 0 ? new byte[random.nextInt(200)] : good.clone();
            int changes = 1 + random.nextInt(6);
            for (int i = 0; i < changes && token.length > 0; i++) {
                token[random.nextInt(token.length)] = (byte) (random.nextBoolean() ? random.nextInt(256) : '.');
            }
            String text = new String(token, StandardCharsets.ISO_8859_1);
            if (text.equals(goodToken())) {
                continue;
            }
            assertThatThrownBy(() -> VERIFIER.verify(text)).isInstanceOf(RejectedException.class);
        }
    }

    private static SandboxClaims read(String token) {
        try {
            return VERIFIER.verify(token);
        } catch (RejectedException e) {
            return fail(e);
        }
    }
}
