package io.sallyport.identity;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.identity.StrictJson.Value;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;

class StrictJsonTest {
    /** Another library's idea of strict JSON. */
    private static final JsonFactory OTHER = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private static boolean isTaken(String text) {
        return StrictJson.parse(text.getBytes(StandardCharsets.UTF_8)).isPresent();
    }

    @Test
    void keepsWhatTokensAreMadeOf() {
        assertThat(StrictJson.parse(
                        "{\"t\":\"a\\u00e9\\n\",\"w\":-9223372036854775808,\"n\":{\"x\":0},\"l\":[1,{\"a\":[]}],\"f\":1.0,\"e\":1e3,\"o\":9223372036854775808,\"b\":true,\"z\":null} \n"
                                .getBytes(StandardCharsets.UTF_8)))
                .hasValue(Map.of(
                        "t", new Value.Text("aé\n"),
                        "w", new Value.Whole(Long.MIN_VALUE),
                        "n", new Value.Nested(Map.of("x", new Value.Whole(0))),
                        "l", new Value.Other(),
                        "f", new Value.Other(),
                        "e", new Value.Other(),
                        "o", new Value.Other(),
                        "b", new Value.Other(),
                        "z", new Value.Other()));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "null",
                "1",
                "\"a\"",
                "[]",
                "[{}]",
                "{",
                "}",
                "{}{}",
                "{} x",
                "{},",
                "{};",
                " {}",
                "\uFEFF{}",
                ")]}'\n{}",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1,}",
                "{,\"a\":1}",
                "{\"a\":1;\"b\":2}",
                "{\"a\"=1}",
                "{\"a\"=>1}",
                "{a:1}",
                "{'a':1}",
                "{\"a\":'b'}",
                "{\"a\":b}",
                "{\"a\":True}",
                "{\"a\":TRUE}",
                "{\"a\":Null}",
                "{\"a\":nul}",
                "{\"a\":NaN}",
                "{\"a\":Infinity}",
                "{\"a\":01}",
                "{\"a\":-}",
                "{\"a\":+1}",
                "{\"a\":.5}",
                "{\"a\":1.}",
                "{\"a\":1e}",
                "{\"a\":0x10}",
                "{\"a\":[1,]}",
                "{\"a\":[,1]}",
                "{\"a\":[1 2]}",
                "{\"a\":[1}",
                "{\"a\":\"b}",
                "{\"a\":\"\t\"}",
                "{\"a\":\"\n\"}",
                "{\"a\":\"\u0000\"}",
                "{\"a\":\"\\\n\"}",
                "{\"a\":\"\\'\"}",
                "{\"a\":\"\\x41\"}",
                "{\"a\":\"\\u12\"}",
                "{\"a\":\"\\u12G4\"}",
                "{\"a\":\"\\ud800\"}",
                "{\"a\":\"\\udc00\\ud800\"}",
                "{\"a\":[\"x\\uDBFFy\"]}",
                "{\"\\ud800\":1}",
                "{\"a\\udfff\":1,\"a\\ud800\":1}",
                "{/**/}",
                "{//\n}",
                "{}//",
                "{}#",
                "{\"a\":1\f}",
                "{\"a\":1,\"a\":1}",
                "{\"a\":1,\"\\u0061\":1}",
                "{\"a\":{\"b\":1,\"b\":1}}",
                "{\"a\":[[{\"b\":1,\"b\":1}]]}",
                "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}",
                "{\"a\":[[[[[[[[]]]]]]]]}",
            })
    void refuses(String text) {
        assertThat(isTaken(text)).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}",
                "{\"a\":[{\"b\":1},{\"b\":1}],\"b\":1}",
                "{\"\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\"}",
                "{\"\\ud834\\udd1e\":\"𝄞\\uD834\\uDD1E\"}",
            })
    void takes(String text) {
        assertThat(isTaken(text)).isTrue();
    }

    @Test
    void refusesWhatIsNotUtf8() {
        byte[] text = "{\"a\":\"b\"}".getBytes(StandardCharsets.UTF_8);
        for (int wrong : new int[] {0x80, 0xC0, 0xED, 0xFF}) {
            byte[] bytes = text.clone();
            bytes[6] = (byte) wrong;
            assertThat(StrictJson.parse(bytes)).as("byte 0x%x", wrong).isEmpty();
        }
    }

    /** Texts that are nearly right are taken by both libraries, or by neither. */
    @Test
    void agreesWithAnotherLibrary() {
        List<String> parts = new ArrayList<>(List.of(
                "{", "}", "[", "]", ":", ",", "\"", "\\", "a", "\"a\"", "\"b\"", "\"a\":", "\"b\":", "1", "0", "-", ".",
                "e", "E", "+", "true", "false", "null", " ", "\t", "\r", "\n", "\f", "\u000b", "\u00a0", "\u2028", "'",
                "/", "#", ";", "=", "\\u0061", "\\n", "\\x", "{}", "[]", "é", "\u007f", "\u0001", "N", "T"));
        String good = "{\"a\":{\"c\":[1,-0,{\"d\":2.5e-3}]},\"b\":\"x\\u0041\\\"y\",\"n\":null,\"t\":true,\"w\":120}";
        Random random = new Random(20261129);
        int taken = 0;
        for (int i = 0; i < 200_000; i++) {
            StringBuilder text = new StringBuilder(good);
            for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
                int at = 1 + random.nextInt(text.length());
                int until = Math.min(text.length(), at + random.nextInt(4));
                text.replace(at, until, random.nextBoolean() ? "" : parts.get(random.nextInt(parts.size())));
            }
            boolean here = isTaken(text.toString());
            assertThat(here).as(text.toString()).isEqualTo(isOneObject(text.toString()));
            taken += here ? 1 : 0;
        }
        assertThat(taken).isBetween(10_000, 190_000);
    }

    private static boolean isOneObject(String text) {
        try (JsonParser json = OTHER.createParser(ObjectReadContext.empty(), text)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                return false;
            }
            json.skipChildren();
            return json.nextToken() == null;
        } catch (JacksonException e) {
            return false;
        }
    }
}
