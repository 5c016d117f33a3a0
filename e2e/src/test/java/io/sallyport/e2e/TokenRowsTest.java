package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Call;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.TokenForge;
import io.sallyport.e2e.wire.TokenForge.Draft;
import io.sallyport.e2e.wire.Wire;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionMinter;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every kind of wrong credential, on a request that is right in every other point.
 *
 * <p>The body asks for the caller's own configuration, so a credential that was believed would be answered with it.
 */
@ParameterizedClass(name = "{0}")
@EnumSource(Setup.class)
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class TokenRowsTest {
    private static final long HOUR = 3600;

    /** For how long a record may be believed, and some time for a busy machine. */
    private static final Duration LONGEST_MEMORY = Duration.ofSeconds(5 + 5);

    private final Arena arena;

    TokenRowsTest(Setup setup, Arenas arenas) {
        this.arena = arenas.shared(setup);
    }

    /**
     * One wrong credential.
     *
     * @param reason what the audit log must call it
     * @param headers adds the credential to a good call's headers
     */
    record Row(String name, Reason reason, Function<Arena, UnaryOperator<Headers>> headers) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static Row header(String name, Reason reason, Function<Arena, String> authorization) {
        return new Row(name, reason, arena -> headers -> headers.add("authorization", authorization.apply(arena)));
    }

    private static Row bearer(String name, Reason reason, Function<Arena, String> token) {
        return header(name, reason, arena -> "Bearer " + token.apply(arena));
    }

    /** A token that is good but for what {@code change} does to it, signed with the real key. */
    private static Row draft(String name, Reason reason, UnaryOperator<Draft> change) {
        return bearer(name, reason, arena -> change.apply(good(arena)).signed());
    }

    private static Draft good(Arena arena) {
        return arena.forge().token(arena.alpha().id());
    }

    private static String now(long plusSeconds) {
        return Long.toString(Instant.now().getEpochSecond() + plusSeconds);
    }

    static Stream<Row> rows() {
        return Stream.of(
                        headerRows(),
                        signatureRows(),
                        joseRows(),
                        claimRows(),
                        timeRows(),
                        spellingRows(),
                        recordRows())
                .flatMap(List::stream);
    }

    private static List<Row> headerRows() {
        return List.of(
                new Row("no header", Reason.NO_CREDENTIAL, arena -> headers -> headers),
                header("empty header", Reason.CREDENTIAL_SCHEME, arena -> ""),
                header("scheme alone", Reason.TOKEN_MALFORMED, arena -> "Bearer"),
                header("another scheme", Reason.CREDENTIAL_SCHEME, arena -> "Basic YWxwaGE6YWxwaGE="),
                header(
                        "a good token under another scheme",
                        Reason.CREDENTIAL_SCHEME,
                        arena -> "DPoP " + arena.alpha().token()),
                header(
                        "a good token without a scheme",
                        Reason.CREDENTIAL_SCHEME,
                        arena -> arena.alpha().token()),
                new Row(
                        "two headers, both good",
                        Reason.SEVERAL_CREDENTIALS,
                        arena -> headers -> headers.bearer(arena.alpha().token())
                                .bearer(arena.alpha().token())),
                new Row(
                        "two headers, own then the neighbour's",
                        Reason.SEVERAL_CREDENTIALS,
                        arena -> headers -> headers.bearer(arena.alpha().token())
                                .bearer(arena.beta().token())),
                new Row(
                        "two headers, garbage then good",
                        Reason.SEVERAL_CREDENTIALS,
                        arena -> headers ->
                                headers.bearer("garbage").bearer(arena.alpha().token())),
                header(
                        "two credentials in one header",
                        Reason.SEVERAL_CREDENTIALS,
                        arena -> "Bearer " + arena.alpha().token() + ", Bearer "
                                + arena.alpha().token()),
                bearer("garbage", Reason.CREDENTIAL_UNKNOWN, arena -> "garbage"),
                bearer("three parts of garbage", Reason.TOKEN_MALFORMED, arena -> "a.b.c"),
                bearer(
                        "four parts",
                        Reason.TOKEN_MALFORMED,
                        arena -> arena.alpha().token() + ".e30"),
                bearer(
                        "64 KiB long",
                        Reason.TOKEN_TOO_LONG,
                        arena -> arena.alpha().token() + "A".repeat(64 << 10)));
    }

    private static List<Row> signatureRows() {
        return List.of(
                bearer(
                        "signed by a stranger",
                        Reason.TOKEN_SIGNATURE,
                        arena -> arena.forge()
                                .withStrangersKey()
                                .token(arena.alpha().id())
                                .signed()),
                bearer(
                        "no signature",
                        Reason.TOKEN_SIGNATURE,
                        arena -> good(arena).signingInput() + "."),
                bearer(
                        "somebody else's signature",
                        Reason.TOKEN_SIGNATURE,
                        arena -> good(arena).signingInput()
                                + arena.beta()
                                        .token()
                                        .substring(arena.beta().token().lastIndexOf('.'))),
                bearer("the neighbour's claims under the own signature", Reason.TOKEN_SIGNATURE, arena -> {
                    String[] own = arena.alpha().token().split("\\.", -1);
                    String[] other = arena.beta().token().split("\\.", -1);
                    return own[0] + "." + other[1] + "." + own[2];
                }),
                bearer(
                        "signed with the assertions' key",
                        Reason.TOKEN_SIGNATURE,
                        arena -> TokenForge.withKeyOf(
                                        arena.stack().assertionKeys(),
                                        arena.stack().options().gatewayId())
                                .token(arena.alpha().id())
                                .header("kid", TokenForge.quote(arena.forge().keyId()))
                                .signed()));
    }

    private static List<Row> joseRows() {
        return List.of(
                bearer(
                        "alg none, no signature",
                        Reason.TOKEN_ALGORITHM,
                        arena -> good(arena).header("alg", "\"none\"").signingInput() + "."),
                draft("alg none, signed", Reason.TOKEN_ALGORITHM, token -> token.header("alg", "\"none\"")),
                draft("alg None", Reason.TOKEN_ALGORITHM, token -> token.header("alg", "\"nOnE\"")),
                draft("no alg", Reason.TOKEN_ALGORITHM, token -> token.withoutHeader("alg")),
                draft("alg is a list", Reason.TOKEN_ALGORITHM, token -> token.header("alg", "[\"EdDSA\"]")),
                draft("alg Ed448", Reason.TOKEN_ALGORITHM, token -> token.header("alg", "\"Ed448\"")),
                bearer("HS256 keyed with the public key", Reason.TOKEN_ALGORITHM, TokenRowsTest::hs256),
                bearer("RS256", Reason.TOKEN_ALGORITHM, TokenRowsTest::rs256),
                draft(
                        "jwk",
                        Reason.TOKEN_HEADER,
                        token -> token.header(
                                "jwk", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" + "A".repeat(43) + "\"}")),
                draft("jku", Reason.TOKEN_HEADER, token -> token.header("jku", "\"http://127.0.0.1:1/jwks.json\"")),
                draft("x5c", Reason.TOKEN_HEADER, token -> token.header("x5c", "[\"MIIB\"]")),
                draft("x5u", Reason.TOKEN_HEADER, token -> token.header("x5u", "\"http://127.0.0.1:1/x\"")),
                draft("crit", Reason.TOKEN_HEADER, token -> token.header("crit", "[\"exp\"]")),
                draft("b64", Reason.TOKEN_HEADER, token -> token.header("b64", "false")),
                draft("zip", Reason.TOKEN_HEADER, token -> token.header("zip", "\"DEF\"")),
                draft(
                        "duplicate member in the header",
                        Reason.TOKEN_MALFORMED,
                        token -> token.headerEndsWith(",\"alg\":\"EdDSA\"")),
                draft(
                        "duplicate member under an escape",
                        Reason.TOKEN_MALFORMED,
                        token -> token.headerEndsWith(",\"\\u0061lg\":\"none\"")),
                draft(
                        "duplicate member in the claims",
                        Reason.TOKEN_CLAIMS,
                        token -> token.claimsEndWith(",\"sandbox_id\":\"beta-id\"")),
                draft("unknown kid", Reason.TOKEN_KEY_UNKNOWN, token -> token.header("kid", "\"0123456789abcdef\"")),
                draft("no kid", Reason.TOKEN_HEADER, token -> token.withoutHeader("kid")),
                draft("kid is a number", Reason.TOKEN_HEADER, token -> token.header("kid", "1")),
                draft("kid with a path", Reason.TOKEN_KEY_UNKNOWN, token -> token.header("kid", "\"../jwt/active\"")),
                bearer(
                        "kid that comes back by a path",
                        Reason.TOKEN_KEY_UNKNOWN,
                        arena -> good(arena)
                                .header(
                                        "kid",
                                        TokenForge.quote("x/../" + arena.forge().keyId()))
                                .signed()),
                bearer(
                        "kid with a NUL",
                        Reason.TOKEN_KEY_UNKNOWN,
                        arena -> good(arena)
                                .header("kid", '"' + arena.forge().keyId() + "\\u0000\"")
                                .signed()),
                draft(
                        "an extension's credential",
                        Reason.TOKEN_TYPE,
                        token -> token.header("typ", "\"openshell-ext+jwt\"")),
                draft("another type", Reason.TOKEN_TYPE, token -> token.header("typ", "\"at+jwt\"")),
                draft(
                        "an assertion's type",
                        Reason.TOKEN_TYPE,
                        token -> token.header("typ", "\"sallyport-assertion+jwt\"")),
                bearer("an assertion used as a token", Reason.TOKEN_TYPE, TokenRowsTest::assertion));
    }

    private static List<Row> claimRows() {
        return List.of(
                draft("other issuer", Reason.TOKEN_ISSUER, token -> token.claim("iss", "\"openshell-gateway:other\"")),
                draft("no issuer", Reason.TOKEN_ISSUER, token -> token.withoutClaim("iss")),
                draft(
                        "other audience",
                        Reason.TOKEN_AUDIENCE,
                        token -> token.claim("aud", "\"openshell-gateway:other\"")),
                draft(
                        "audience list",
                        Reason.TOKEN_AUDIENCE,
                        token -> token.claim("aud", "[\"openshell-gateway:local\"]")),
                draft(
                        "audience list with another",
                        Reason.TOKEN_AUDIENCE,
                        token -> token.claim("aud", "[\"openshell-gateway:local\",\"x\"]")),
                draft("no audience", Reason.TOKEN_AUDIENCE, token -> token.withoutClaim("aud")),
                draft(
                        "sub of another sandbox",
                        Reason.TOKEN_SUBJECT,
                        token -> token.claim("sub", "\"spiffe://openshell/sandbox/beta-id\"")),
                draft(
                        "sandbox_id of another sandbox",
                        Reason.TOKEN_SUBJECT,
                        token -> token.claim("sandbox_id", "\"beta-id\"")),
                draft(
                        "sub of another trust domain",
                        Reason.TOKEN_SUBJECT,
                        token -> token.claim("sub", "\"spiffe://elsewhere/sandbox/alpha-id\"")),
                draft("no sub", Reason.TOKEN_SUBJECT, token -> token.withoutClaim("sub")),
                draft("no sandbox_id", Reason.TOKEN_SUBJECT, token -> token.withoutClaim("sandbox_id")),
                draft("sandbox_id is a number", Reason.TOKEN_SUBJECT, token -> token.claim("sandbox_id", "1")),
                draft(
                        "sandbox_id with a slash",
                        Reason.TOKEN_SUBJECT,
                        token -> token.claim("sandbox_id", "\"alpha-id/x\"")
                                .claim("sub", "\"spiffe://openshell/sandbox/alpha-id/x\"")),
                draft("lineage without generation", Reason.TOKEN_CLAIMS, token -> token.claim("lin", "\"x\"")));
    }

    private static List<Row> timeRows() {
        return List.of(
                draft("no exp", Reason.TOKEN_NO_EXPIRY, token -> token.withoutClaim("exp")),
                draft("exp 0", Reason.TOKEN_NO_EXPIRY, token -> token.claim("exp", "0")),
                draft("exp is null", Reason.TOKEN_CLAIMS, token -> token.claim("exp", "null")),
                draft("exp is text", Reason.TOKEN_CLAIMS, token -> token.claim("exp", '"' + now(HOUR) + '"')),
                draft(
                        "exp beyond every clock",
                        Reason.TOKEN_CLAIMS,
                        token -> token.claim("exp", "99999999999999999999999")),
                draft("exp as 1e300", Reason.TOKEN_CLAIMS, token -> token.claim("exp", "1e300")),
                draft("exp below zero", Reason.TOKEN_CLAIMS, token -> token.claim("exp", "-1")),
                draft(
                        "life over max-lifetime",
                        Reason.TOKEN_LIFETIME,
                        token -> token.claim("iat", now(0)).claim("exp", now(24 * HOUR + 5))),
                draft(
                        "ends before it begins",
                        Reason.TOKEN_LIFETIME,
                        token -> token.claim("iat", now(0)).claim("exp", now(-1))),
                draft(
                        "expired beyond leeway",
                        Reason.TOKEN_EXPIRED,
                        token -> token.claim("iat", now(-HOUR)).claim("exp", now(-61))),
                draft(
                        "iat in the future",
                        Reason.TOKEN_NOT_YET_VALID,
                        token -> token.claim("iat", now(120)).claim("exp", now(HOUR))),
                draft("nbf in the future", Reason.TOKEN_NOT_YET_VALID, token -> token.claim("nbf", now(120))),
                draft("no iat", Reason.TOKEN_CLAIMS, token -> token.withoutClaim("iat")));
    }

    private static List<Row> spellingRows() {
        return List.of(
                bearer(
                        "padding at the end",
                        Reason.TOKEN_MALFORMED,
                        arena -> arena.alpha().token() + "=="),
                bearer(
                        "padding inside",
                        Reason.TOKEN_MALFORMED,
                        arena -> arena.alpha().token().replaceFirst("\\.", "=.")),
                header(
                        "two spaces after the scheme",
                        Reason.TOKEN_MALFORMED,
                        arena -> "Bearer  " + arena.alpha().token()),
                header(
                        "a tab after the scheme",
                        Reason.CREDENTIAL_SCHEME,
                        arena -> "Bearer\t" + arena.alpha().token()),
                bearer(
                        "a space inside",
                        Reason.TOKEN_MALFORMED,
                        arena -> arena.alpha().token().replaceFirst("\\.", ". ")),
                bearer(
                        "a word after it",
                        Reason.TOKEN_MALFORMED,
                        arena -> arena.alpha().token() + " x"),
                bearer("plus and slash for minus and underscore", Reason.TOKEN_MALFORMED, TokenRowsTest::otherAlphabet),
                bearer("non-canonical last character of the signature", Reason.TOKEN_MALFORMED, arena -> {
                    String token = arena.alpha().token();
                    return token.substring(0, token.length() - 1) + sibling(token.charAt(token.length() - 1));
                }));
    }

    private static List<Row> recordRows() {
        return List.of(
                bearer(
                        "of a sandbox that nobody registered",
                        Reason.SANDBOX_UNKNOWN,
                        arena -> arena.forge().token("nobody").signed()),
                bearer("of a sandbox that was deleted", Reason.SANDBOX_DELETED, arena -> {
                    String id = "deleted-" + Long.toHexString(System.nanoTime());
                    String token = arena.admit(KnownSandbox.parse(id)).token();
                    arena.stack().registry().delete(id);
                    return token;
                }));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rows")
    void isRefused(Row row) {
        Headers headers = row.headers().apply(arena).apply(Headers.grpc(Arena.GET_CONFIG));
        arena.refused(
                row.reason(),
                () -> arena.call(headers, arena.configOf(arena.alpha().sandbox())));
    }

    static Stream<Row> goodRows() {
        return Stream.of(
                header(
                        "as it was minted",
                        Reason.TOKEN_REFRESHED,
                        arena -> "Bearer " + arena.alpha().token()),
                header(
                        "the scheme in lower case",
                        Reason.TOKEN_REFRESHED,
                        arena -> "bearer " + arena.alpha().token()),
                header(
                        "the scheme in upper case",
                        Reason.TOKEN_REFRESHED,
                        arena -> "BEARER " + arena.alpha().token()),
                draft("made by the forge", Reason.TOKEN_REFRESHED, token -> token),
                draft(
                        "typ of the proposal",
                        Reason.TOKEN_REFRESHED,
                        token -> token.header("typ", "\"openshell-sandbox+jwt\"")),
                draft("without typ", Reason.TOKEN_REFRESHED, token -> token.withoutHeader("typ")),
                draft(
                        "without jti, as unchanged gateways mint",
                        Reason.TOKEN_REFRESHED,
                        token -> token.withoutClaim("jti")),
                draft(
                        "with a claim of somebody else's",
                        Reason.TOKEN_REFRESHED,
                        token -> token.claim("x", "{\"y\":[1]}")),
                draft(
                        "expired within leeway",
                        Reason.TOKEN_REFRESHED,
                        token -> token.claim("iat", now(-HOUR)).claim("exp", now(-20))),
                draft(
                        "from a clock that is a little ahead",
                        Reason.TOKEN_REFRESHED,
                        token -> token.claim("iat", now(20))));
    }

    /** Without these, everything above could be refused for a reason that has nothing to do with the row. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("goodRows")
    void passes(Row row) {
        Headers headers = row.headers().apply(arena).apply(Headers.grpc(Arena.GET_CONFIG));
        Outcome outcome = arena.call(headers, arena.configOf(arena.alpha().sandbox()));
        assertThat(outcome.inWords()).isEqualTo("OK: ");
        assertThat(outcome.body()).contains("policy-of-alpha-id").doesNotContain("beta");
    }

    /** ext-authz may remember a record for some seconds; the issuer asks its store each time. */
    @Test
    void aSandboxThatCalledAndIsThenDeletedIsRefused() {
        Caller caller = arena.admit(KnownSandbox.parse("short-lived-" + Long.toHexString(System.nanoTime())));
        assertThat(arena.ownConfig(caller).inWords()).isEqualTo("OK: ");
        String refused = Reason.SANDBOX_DELETED.statusCode() + ": " + Reason.SANDBOX_DELETED.text();

        arena.stack().registry().delete(caller.id());
        assertThat(refresh(caller).inWords()).as("a refresh, at once").isEqualTo(refused);
        Instant end = Instant.now().plus(LONGEST_MEMORY);
        Outcome outcome = arena.ownConfig(caller);
        while (outcome.isOk() && Instant.now().isBefore(end)) {
            outcome = arena.ownConfig(caller);
        }
        assertThat(outcome.inWords()).as("a call, %s later", LONGEST_MEMORY).isEqualTo(refused);
    }

    private Outcome refresh(Caller caller) {
        return arena.call(
                Headers.grpc(Arena.OPEN_SHELL + "RefreshSandboxToken").bearer(caller.token()),
                Wire.message().framed());
    }

    @Test
    void noTokenWithOneBitFlippedPasses() {
        String token = arena.alpha().token();
        List<String> flipped = new ArrayList<>();
        for (int i = 0; i < token.length(); i++) {
            for (int bit = 0; bit < 8; bit++) {
                flipped.add(token.substring(0, i) + (char) (token.charAt(i) ^ 1 << bit) + token.substring(i + 1));
            }
        }
        long before = arena.stack().gateway().count();
        // A new connection for each few: a connection with too many failures would be refused for that.
        for (int i = 0; i < flipped.size(); i += 50) {
            try (RawHttp2 connection = arena.connect()) {
                List<Call> calls = flipped.subList(i, Math.min(i + 50, flipped.size())).stream()
                        .map(each -> connection
                                .open(Headers.grpc(Arena.GET_CONFIG).bearer(each), false)
                                .data(arena.configOf(arena.alpha().sandbox()), true))
                        .toList();
                for (int k = 0; k < calls.size(); k++) {
                    String attempt = flipped.get(i + k);
                    Outcome outcome = calls.get(k).await();
                    if (attempt.chars().anyMatch(c -> c < ' ' || c == 0x7f)) {
                        // No header may carry a control character; Envoy can only reset.
                        assertThat(outcome.isOk())
                                .as("bit %s of character %s", (i + k) % 8, (i + k) / 8)
                                .isFalse();
                    } else {
                        assertThat(outcome.status().map(Status::getCode))
                                .as("bit %s of character %s: %s", (i + k) % 8, (i + k) / 8, outcome.inWords())
                                .contains(Status.Code.UNAUTHENTICATED);
                    }
                }
            }
        }
        arena.assertNothingSince(before);
    }

    @Test
    void aTokenLongerThanAnyHeaderMayBeIsReset() {
        Outcome outcome = arena.unseen(() -> arena.call(
                Headers.grpc(Arena.GET_CONFIG).bearer("A".repeat(300 << 10)),
                arena.configOf(arena.alpha().sandbox())));
        assertThat(outcome.isOk()).isFalse();
        assertThat(outcome.reset()).as("%s", outcome).isPresent();
    }

    @Test
    void aConnectionThatShowsManyBadTokensIsNotListenedToAnyMore() {
        Outcome last = arena.unseen(() -> {
            try (RawHttp2 connection = arena.connect()) {
                for (int i = 0; i < 150; i++) {
                    callWithStrangersToken(connection);
                }
                return callWithStrangersToken(connection);
            }
        });
        assertThat(last.inWords())
                .isEqualTo(Reason.TOO_MANY_FAILURES.statusCode() + ": " + Reason.TOO_MANY_FAILURES.text());
    }

    private Outcome callWithStrangersToken(RawHttp2 connection) {
        String token =
                arena.forge().withStrangersKey().token(arena.alpha().id()).signed();
        return connection
                .open(Headers.grpc(Arena.GET_CONFIG).bearer(token), false)
                .data(arena.configOf(arena.alpha().sandbox()), true)
                .await();
    }

    private static String hs256(Arena arena) {
        try {
            String input = good(arena).header("alg", "\"HS256\"").signingInput();
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(arena.forge().publicKeyPem(), "HmacSHA256"));
            return input + "." + TokenForge.encode(mac.doFinal(input.getBytes(StandardCharsets.US_ASCII)));
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e);
        }
    }

    private static String rs256(Arena arena) {
        try {
            String input = good(arena).header("alg", "\"RS256\"").signingInput();
            Signature signature = Signature.getInstance("SHA256withRSA");
            signature.initSign(
                    KeyPairGenerator.getInstance("RSA").generateKeyPair().getPrivate());
            signature.update(input.getBytes(StandardCharsets.US_ASCII));
            return input + "." + TokenForge.encode(signature.sign());
        } catch (GeneralSecurityException e) {
            throw new AssertionError(e);
        }
    }

    /** What ext-authz itself would give the issuer for alpha, made with ext-authz's own key. */
    private static String assertion(Arena arena) {
        try {
            SandboxId id = new SandboxId(arena.alpha().id());
            Instant now = Instant.now();
            SandboxClaims claims = new SandboxClaims(
                    id,
                    Optional.of("x"),
                    Optional.empty(),
                    now,
                    now.plusSeconds(60),
                    arena.forge().keyId());
            return new AssertionMinter(
                            new GatewayId(arena.stack().options().gatewayId()),
                            KeyDirectory.readSigning(arena.stack().assertionKeys()),
                            AssertionMinter.DEFAULT_LIFETIME,
                            Ed25519.choose(),
                            InstantSource.system())
                    .mint(new Assertion(new Assertion.Caller.Sandbox(claims), Arena.GET_CONFIG));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static String otherAlphabet(Arena arena) {
        // Some token has a minus or an underscore; the first does with near certainty.
        for (int i = 0; i < 100; i++) {
            String token = good(arena).claim("jti", "\"" + i + "\"").signed();
            String respelt = token.replace('-', '+').replace('_', '/');
            if (!respelt.equals(token)) {
                return respelt;
            }
        }
        throw new AssertionError("no token with - or _");
    }

    /** Another last character for the same bytes: the lowest bits of it are not used. */
    private static char sibling(char last) {
        String alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        return alphabet.charAt(alphabet.indexOf(last) ^ 1);
    }
}
