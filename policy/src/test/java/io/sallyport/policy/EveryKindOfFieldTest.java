package io.sallyport.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.google.protobuf.CodedInputStream;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.policy.DecoderOracle.Outcome;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rules over a message that has a field of every kind, which no preset happens to need. */
class EveryKindOfFieldTest {
    @TempDir
    private Path directory = Path.of("");

    private String section(String rule) {
        try {
            Path rules = Files.writeString(directory.resolve("rules.yaml"), "methods:\n  test.Gateway/A: " + rule);
            return "{rules: " + rules + ", descriptor-set: "
                    + new TestGateway().method("A", "sandbox").write(directory) + "}";
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A requirement, a message, and whether it is met. */
    record Row(String require, Wire message, boolean met) {
        @Override
        public String toString() {
            return require
                    + (met ? " met by " : " not met by ")
                    + HexFormat.of().formatHex(message.bytes());
        }
    }

    static Stream<Row> requirements() {
        Wire none = Wire.EMPTY;
        return Stream.of(
                new Row("flag: \"true\"", none, false),
                new Row("flag: \"true\"", none.number(4, 0), false),
                new Row("flag: \"true\"", none.number(4, 1), true),
                new Row("flag: \"true\"", none.number(4, 2), true),
                new Row("flag: \"true\"", none.number(4, 1L << 32), true),
                new Row("maybe: \"false\"", none, true),
                new Row("maybe: \"false\"", none.number(16, 0), true),
                new Row("maybe: present", none, false),
                new Row("maybe: present", none.number(16, 0), true),
                new Row("maybe: absent", none.number(16, 0), false),
                new Row("count: 0", none, true),
                new Row("count: 0", none.number(5, 0), true),
                new Row("count: 0", none.number(5, 1), false),
                // A decoder drops the upper half and reads 0; we need not.
                new Row("count: 0", none.number(5, 1L << 32), false),
                new Row("count: -1", none.number(5, -1), true),
                new Row("count: 7", none, false),
                new Row("count: 7", none.number(5, 7), true),
                new Row("zigzag: -3", none.number(14, 5), true),
                new Row("zigzag: -3", none.number(14, -3), false),
                new Row("zigzag: -2147483648", none.number(14, 0xFFFFFFFFL), true),
                new Row("zigzag_long: -1", none.number(301, 1), true),
                new Row("zigzag_long: -9223372036854775808", none.number(301, -1), true),
                new Row("fixed: 4294967295", none.tag(15, 5).raw(255, 255, 255, 255), true),
                new Row("fixed: 1", none.tag(15, 5).raw(1, 0, 0, 0), true),
                new Row("fixed: 1", none.tag(15, 5).raw(1, 0, 0, 1), false),
                new Row("huge: -2", none.tag(23, 1).raw(254, 255, 255, 255, 255, 255, 255, 255), true),
                new Row("huge: 258", none.tag(23, 1).raw(2, 1, 0, 0, 0, 0, 0, 0), true),
                new Row("huge: 258", none.tag(23, 1).raw(2, 1, 0, 0, 0, 0, 0, 128), false),
                new Row("big: 9223372036854775807", none.number(20, Long.MAX_VALUE), true),
                new Row("unsigned: 4294967295", none.number(302, 0xFFFFFFFFL), true),
                new Row("color: NONE", none, true),
                new Row("color: RED", none.number(11, 1), true),
                new Row("color: RED", none.number(11, 2), false),
                new Row("color: NONE", none.number(11, 1), false),
                new Row("name: \"\"", none.text(2, ""), true),
                new Row("name: x", none, false),
                new Row("name: x", none.text(2, "x"), true),
                new Row("name: x", none.text(2, "xx"), false),
                new Row("name: x", none.text(2, "y"), false),
                new Row("raw: absent", none, true),
                new Row("raw: absent", none.data(10, new byte[0]), false),
                new Row("inner: present", none.message(8, none), true),
                new Row("inner.note: x", none.message(8, none.text(2, "x")), true),
                new Row("inner.note: x", none.message(8, none), false),
                new Row("inner.note: \"\"", none, true),
                new Row("tags: absent", none.text(6, ""), false),
                new Row("tags: present", none.text(6, "a").text(6, "b"), true),
                new Row("labels: absent", none.message(9, none), false),
                new Row("numbers: absent", none.data(21, new byte[0]), false),
                // Nothing, packed, is nothing.
                new Row("numbers: present", none.data(21, new byte[0]), false),
                new Row("numbers: present", none.data(21, new byte[] {1}), true),
                new Row("numbers: present", none.number(21, 1), true));
    }

    @ParameterizedTest
    @MethodSource("requirements")
    void requirementsAreMetOrNot(Row row) throws InvalidSettingsException {
        String section = section("{sandbox: {id: sandbox_id}, require: {" + row.require + "}}");
        MessageRule rule =
                Policies.method(Policies.load(section), "/test.Gateway/A").messages();
        assertThat(reason(rule, row.message)).isEqualTo(row.met ? null : Reason.VALUE_NOT_ALLOWED);
        DecoderOracle.all(section).forEach(oracle -> oracle.check(row.message.bytes()));
    }

    private static @Nullable Reason reason(MessageRule rule, Wire message) {
        return catchThrowable(() -> MessageScanner.scanMessage(rule, message.buffer())) instanceof RejectedException e
                ? e.reason()
                : null;
    }

    /** The texts that a scan goes past at a glance are those whose tag is one byte, and that are nothing to the rule. */
    @Test
    void aTextIsGoneByOnlyWhereNothingDependsOnIt() throws InvalidSettingsException, RejectedException {
        MessageRule rule = Policies.method(
                        Policies.load(section("{sandbox: {id: sandbox_id}, require: {everywhere: \"true\"}}")),
                        "/test.Gateway/A")
                .messages();
        Wire good = Wire.EMPTY.number(13, 1).text(1, "alpha").text(33, "x");
        // Of 32 bits the one for number 33 would be that of number 1.
        assertThat(MessageScanner.scanMessage(rule, good.buffer()).id()).isEqualTo("alpha");
        assertThat(reason(rule, good.text(1, "beta"))).isEqualTo(Reason.MESSAGE_FIELD_REPEATED);
        // A text that the rule does not name is a member of a oneof that it does.
        assertThat(reason(rule, good.text(12, "x"))).isEqualTo(Reason.MESSAGE_ONEOF);
        assertThat(reason(rule, Wire.EMPTY.text(12, "x").number(13, 1))).isEqualTo(Reason.MESSAGE_ONEOF);
    }

    @Test
    void packedNumbersAreWalked() throws InvalidSettingsException {
        MessageRule rule = Policies.method(Policies.load(section("{sandbox: {id: sandbox_id}}")), "/test.Gateway/A")
                .messages();
        assertThat(reason(rule, Wire.EMPTY.data(21, new byte[] {1, 2}).number(21, 3)))
                .isNull();
        assertThat(reason(rule, Wire.EMPTY.data(21, new byte[] {(byte) 0x80}))).isEqualTo(Reason.MESSAGE_TRUNCATED);
        assertThat(reason(rule, Wire.EMPTY.data(21, new byte[] {(byte) 0x80, 0})))
                .isEqualTo(Reason.MESSAGE_VARINT);
        assertThat(reason(rule, Wire.EMPTY.data(22, new byte[16]))).isNull();
        assertThat(reason(rule, Wire.EMPTY.data(22, new byte[15]))).isEqualTo(Reason.MESSAGE_TRUNCATED);
        assertThat(reason(rule, Wire.EMPTY.tag(21, 5).raw(0, 0, 0, 0))).isEqualTo(Reason.MESSAGE_WIRE_TYPE);
    }

    @Test
    void messagesNestAsDeepAsEveryDecoderFollows() throws InvalidSettingsException {
        String section = section("{sandbox: {id: sandbox_id}}");
        MessageRule rule =
                Policies.method(Policies.load(section), "/test.Gateway/A").messages();
        Wire message = Wire.EMPTY;
        for (int i = 0; i < MessageScanner.MAX_DEPTH; i++) {
            message = Wire.EMPTY.message(300, message);
        }
        assertThat(reason(rule, message)).isNull();
        byte[] deepest = message.bytes();
        DecoderOracle.all(section)
                .forEach(oracle -> assertThat(oracle.check(deepest)).isEqualTo(Outcome.ACCEPTED));
        assertThat(reason(rule, Wire.EMPTY.message(300, message))).isEqualTo(Reason.MESSAGE_DEPTH);
    }

    @Test
    void aTypeThatContainsItselfIsHeldOnlyWhereTheRuleSays() throws InvalidSettingsException, RejectedException {
        MessageRule rule = Policies.method(
                        Policies.load(section("{sandbox: {id: self.sandbox_id}}")), "/test.Gateway/A")
                .messages();
        Wire inner = Wire.EMPTY.text(1, "alpha");
        assertThat(MessageScanner.scanMessage(
                                rule,
                                Wire.EMPTY
                                        .text(1, "x")
                                        .message(300, inner)
                                        .text(1, "y")
                                        .buffer())
                        .id())
                .isEqualTo("alpha");
        assertThat(reason(rule, Wire.EMPTY.message(300, inner.text(1, "beta"))))
                .isEqualTo(Reason.MESSAGE_FIELD_REPEATED);
        assertThat(reason(rule, Wire.EMPTY.message(300, inner).message(300, Wire.EMPTY)))
                .isEqualTo(Reason.MESSAGE_FIELD_REPEATED);
    }

    @Test
    void theScannerAgreesWithADecoderUnderManyRules() {
        List<String> rules = List.of(
                "{sandbox: {id: sandbox_id}, agree: [items.sandbox_id, tags], require: {flag: \"false\"}}",
                "{sandbox: {name: by_name, workspace: workspace}, require: {everywhere: absent, color: NONE}}",
                "{sandbox: {id: hello.sandbox_id}, agree: [other.sandbox_id], require: {numbers: absent}}",
                "{sandbox: {id: self.inner.sandbox_id}, require: {maybe: present, zigzag: 0, self.fixed: 0}}",
                "{sandbox: none, reason: a test, require: {inner: present, inner.note: alpha}}");
        Random random = new Random(7);
        RandomMessages messages = new RandomMessages(random);
        int accepted = 0;
        int cases = 0;
        for (String rule : rules) {
            List<DecoderOracle> oracles = new ArrayList<>(DecoderOracle.all(section(rule)));
            assertThat(oracles).hasSize(1);
            DecoderOracle oracle = oracles.getFirst();
            for (int i = 0; i < 300; i++) {
                var message = messages.message(oracle.type());
                oracle.checkEncoded(message);
                byte[] other = messages.message(oracle.type()).toByteArray();
                for (int j = 0; j < 20; j++) {
                    cases++;
                    if (oracle.check(messages.damaged(message.toByteArray(), other)) == Outcome.ACCEPTED) {
                        accepted++;
                    }
                }
            }
        }
        assertThat(accepted).isBetween(cases / 50, cases * 19 / 20);
    }

    /** Why the scanner does not read through CodedInputStream: what Rust's decoder refuses, it reads. */
    @Test
    void codedInputStreamIsTooLax() throws IOException {
        byte[] tenthByteTooLarge =
                Wire.EMPTY.raw(129, 128, 128, 128, 128, 128, 128, 128, 128, 126).bytes();
        assertThat(CodedInputStream.newInstance(tenthByteTooLarge).readRawVarint64())
                .isEqualTo(1);
        byte[] tagOf35Bits = Wire.EMPTY.tag(1L << 32 | 1, 0).bytes();
        assertThat(CodedInputStream.newInstance(tagOf35Bits).readTag()).isEqualTo(1 << 3);
    }
}
