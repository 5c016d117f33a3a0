package io.sallyport.extauthz.envoy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.core.v3.HeaderMap;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.service.ext_proc.v3.BodyMutation;
import io.envoyproxy.envoy.service.ext_proc.v3.BodyResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.CommonResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpHeaders;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Held against the generated classes. */
class FieldsTest {
    @Test
    void isTheMessageThatTheGeneratedClassesRead() throws IOException {
        Fields headers = Fields.NONE
                .with(1, Fields.NONE.with(1, "a").with(2, "ä"))
                .with(1, Fields.NONE.with(1, "b").with(3, ByteString.copyFromUtf8("raw")));
        HttpHeaders read =
                HttpHeaders.parseFrom(Fields.NONE.with(3, 1).with(1, headers).toByteArray());
        assertThat(read)
                .isEqualTo(HttpHeaders.newBuilder()
                        .setHeaders(HeaderMap.newBuilder()
                                .addHeaders(HeaderValue.newBuilder().setKey("a").setValue("ä"))
                                .addHeaders(HeaderValue.newBuilder()
                                        .setKey("b")
                                        .setRawValue(ByteString.copyFromUtf8("raw"))))
                        .setEndOfStream(true)
                        .build());
        assertThat(Value.parseFrom(Fields.NONE.withReal(2, -0.25).toByteArray()).getNumberValue())
                .isEqualTo(-0.25);
    }

    /** What is written twice is one message: the last scalar counts, messages are merged. */
    @Test
    void mergesAsProtobufSays() throws IOException {
        HttpHeaders first = HttpHeaders.newBuilder()
                .setHeaders(HeaderMap.newBuilder()
                        .addHeaders(HeaderValue.newBuilder().setKey("a").setValue("1")))
                .setEndOfStream(true)
                .build();
        HttpHeaders second = HttpHeaders.newBuilder()
                .setHeaders(HeaderMap.newBuilder()
                        .addHeaders(HeaderValue.newBuilder().setKey("b").setValue("2")))
                .build();
        ByteArrayOutputStream both = new ByteArrayOutputStream();
        first.writeTo(both);
        second.writeTo(both);
        both.write(new byte[] {3 << 3, 0});

        Fields read = Fields.parse(both.toByteArray());
        assertThat(read.message(1).messages(1))
                .extracting(header -> header.text(1))
                .containsExactly("a", "b");
        assertThat(read.integer(3)).isZero();
        HttpHeaders generated = HttpHeaders.parseFrom(both.toByteArray());
        assertThat(generated.getHeaders().getHeadersCount()).isEqualTo(2);
        assertThat(generated.getEndOfStream()).isFalse();
    }

    @Test
    void whatIsNotThereIsNothing() throws IOException {
        assertThat(Fields.NONE.text(1)).isEmpty();
        assertThat(Fields.NONE.integer(1)).isZero();
        assertThat(Fields.NONE.real(1)).isZero();
        assertThat(Fields.NONE.message(1)).isEqualTo(Fields.NONE);
        assertThat(Fields.NONE.messages(1)).isEmpty();
        // Of another wire type.
        assertThat(Fields.NONE.with(1, 7).text(1)).isEmpty();
        assertThat(Fields.NONE.with(1, "7").integer(1)).isZero();
    }

    @Test
    void refusesWhatIsNone() {
        assertThatThrownBy(() -> Fields.parse(new byte[] {10, 5, 'a'}))
                .isInstanceOf(InvalidProtocolBufferException.class);
        Fields text = Fields.NONE.with(1, ByteString.copyFrom(new byte[] {(byte) 0xff}));
        assertThatThrownBy(() -> text.text(1)).isInstanceOf(InvalidProtocolBufferException.class);
        assertThatThrownBy(() -> text.message(1)).isInstanceOf(InvalidProtocolBufferException.class);
        assertThatThrownBy(() -> text.messages(1)).isInstanceOf(InvalidProtocolBufferException.class);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 120, 127, 128, 16_377, 16_384, 2_000_000})
    void nestedIsWhatTheGeneratedClassesWrite(int size) {
        ByteString bytes = ByteString.copyFrom(new byte[size]);
        ProcessingResponse generated = ProcessingResponse.newBuilder()
                .setRequestBody(BodyResponse.newBuilder()
                        .setResponse(CommonResponse.newBuilder()
                                .setBodyMutation(BodyMutation.newBuilder().setBody(bytes))))
                .build();
        assertThat(Fields.nested(bytes, 3, 1, 3, 1)).isEqualTo(generated.toByteArray());
    }

    @Test
    void itsTextFormHoldsNothing() {
        assertThat(Fields.NONE.with(1, "s3cret").with(2, 5)).hasToString("Fields[1, 2]");
    }
}
