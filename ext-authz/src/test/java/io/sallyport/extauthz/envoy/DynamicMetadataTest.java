package io.sallyport.extauthz.envoy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class DynamicMetadataTest {
    private static final DynamicMetadata SAID =
            DynamicMetadata.NONE.with("name", "ä").with("end", 0x1p53).with("nothing", "");
    private static final Struct STRUCT = Struct.newBuilder()
            .putFields("name", text("ä"))
            .putFields("end", Value.newBuilder().setNumberValue(0x1p53).build())
            .putFields("nothing", text(""))
            .build();

    @Test
    void isAStruct() throws IOException {
        assertThat(Struct.parseFrom(SAID.toFields().toByteArray())).isEqualTo(STRUCT);
        assertThat(DynamicMetadata.read(Fields.parse(STRUCT.toByteArray()))).isEqualTo(SAID);
    }

    @Test
    void theLastThatIsSaidCounts() throws IOException {
        Struct struct = Struct.parseFrom(
                SAID.with("name", "other").with("end", 1).toFields().toByteArray());
        assertThat(struct.getFieldsOrThrow("name").getStringValue()).isEqualTo("other");
        assertThat(struct.getFieldsOrThrow("end").getNumberValue()).isEqualTo(1);
    }

    /** What is left out could be what limits: a token that ends, read as one that does not. */
    @Test
    void refusesEveryOtherValue() {
        for (Value value : List.of(
                Value.newBuilder().setBoolValue(true).build(),
                Value.newBuilder().setNullValue(NullValue.NULL_VALUE).build(),
                Value.newBuilder().setListValue(ListValue.getDefaultInstance()).build(),
                Value.newBuilder().setStructValue(STRUCT).build(),
                Value.getDefaultInstance())) {
            Struct struct = STRUCT.toBuilder().putFields("end", value).build();
            assertRefused(struct.toByteArray());
        }
    }

    @Test
    void refusesTwoValuesUnderOneName() {
        Fields entry = Fields.NONE.with(1, "end").with(2, Fields.NONE.withReal(2, 1));
        assertRefused(SAID.toFields().with(1, entry).toByteArray());
        Fields both =
                Fields.NONE.with(1, "new").with(2, Fields.NONE.withReal(2, 1).with(3, "1"));
        assertRefused(SAID.toFields().with(1, both).toByteArray());
    }

    private static void assertRefused(byte[] struct) {
        assertThatThrownBy(() -> DynamicMetadata.read(Fields.parse(struct)))
                .isInstanceOf(InvalidProtocolBufferException.class);
    }

    private static Value text(String value) {
        return Value.newBuilder().setStringValue(value).build();
    }
}
