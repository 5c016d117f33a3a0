package io.sallyport.issuer.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenTextTest {
    private static Optional<TokenText> read(String claims) {
        return TokenText.read(part("{\"alg\":\"EdDSA\"}") + "." + part(claims) + "." + part("signature"));
    }

    private static String part(String text) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void showsEveryKindOfClaimAsItIsWritten() {
        assertThat(read("{\"l\":[1,{\"a\":null},[]],\"n\":123456789012345678901234567890.50,\"b\":true,\"exp\":0}")
                        .orElseThrow()
                        .toJson())
                .isEqualTo("""
                        {
                          "verification": "UNVERIFIED",
                          "header": {
                            "alg": "EdDSA"
                          },
                          "claims": {
                            "l": [
                              1,
                              {
                                "a": null
                              },
                              []
                            ],
                            "n": 123456789012345678901234567890.50,
                            "b": true,
                            "exp": 0
                          },
                          "expires": "never"
                        }""");
    }

    /** A token is somebody else's text, and a terminal obeys more than letters. */
    @Test
    void nothingButPrintableAsciiReachesTheTerminal() {
        String shown = read("{\"é\":\"\\u001b[31m\\u0085\u0085\u007f\u202e𝄞<\"}")
                .orElseThrow()
                .toJson();

        assertThat(shown).contains("\"\\u00e9\": \"\\u001b[31m\\u0085\\u0085\\u007f\\u202e\\ud834\\udd1e<\"");
        assertThat(shown.chars().filter(c -> c != '\n')).allMatch(c -> c >= ' ' && c < 0x7F);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "1",
                "[]",
                "{",
                "{}{}",
                "{\"a\":1,\"a\":2}",
                "{\"a\":{\"b\":1,\"b\":2}}",
                "{\"a\":[{\"b\":1,\"b\":2}]}",
                "{a:1}"
            })
    void whatIsNotOneObjectIsNoToken(String claims) {
        assertThat(read(claims)).isEmpty();
    }
}
