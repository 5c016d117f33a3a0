package io.sallyport.extauthz.guard;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.protobuf.Struct;
import io.envoyproxy.envoy.config.core.v3.HeaderMap;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.Metadata;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpBody;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpHeaders;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpTrailers;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProtocolConfiguration;
import io.sallyport.extauthz.envoy.DynamicMetadata;
import io.sallyport.extauthz.guard.ProcessMessage.BodyMode;
import io.sallyport.extauthz.guard.ProcessMessage.Modes;
import io.sallyport.extauthz.guard.ProcessMessage.Piece;
import io.sallyport.extauthz.guard.ProcessMessage.RequestHeaders;
import io.sallyport.extauthz.guard.ProcessMessage.RequestTrailers;
import io.sallyport.extauthz.guard.ProcessMessage.ResponseTrailers;
import io.sallyport.extauthz.guard.ProcessMessage.Unexpected;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class ProcessMessageReaderTest {
    private static final Metadata METADATA = Metadata.newBuilder()
            .putFilterMetadata(
                    Announcement.NAMESPACE,
                    Struct.newBuilder()
                            .putFields("principal", GuardStage.text("somebody"))
                            .build())
            .build();

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 127, 128, 16_384, 2_000_000})
    void aPieceIsFoundWhereItLies(int size) {
        byte[] bytes = new byte[size];
        for (int i = 0; i < size; i++) {
            bytes[i] = (byte) (i * 31);
        }
        for (boolean last : new boolean[] {true, false}) {
            ProcessingRequest request = ProcessingRequest.newBuilder()
                    .setRequestBody(HttpBody.newBuilder()
                            .setBody(ByteString.copyFrom(bytes))
                            .setEndOfStream(last))
                    .setMetadataContext(METADATA)
                    .build();
            Piece piece = (Piece) read(request.toByteArray());
            assertThat(Arrays.copyOfRange(piece.bytes(), piece.at(), piece.at() + piece.length()))
                    .isEqualTo(bytes);
            assertThat(piece.isLast()).isEqualTo(last);
            assertThat(piece).hasToString("Piece[" + size + " bytes" + (last ? ", the last]" : "]"));
        }
    }

    @Test
    void everythingElseByItsKind() {
        ProcessingRequest headers = ProcessingRequest.newBuilder()
                .setRequestHeaders(HttpHeaders.getDefaultInstance())
                .setMetadataContext(METADATA)
                .build();
        assertThat(read(headers.toByteArray()))
                .isEqualTo(new RequestHeaders(
                        "",
                        DynamicMetadata.NONE.with("principal", "somebody"),
                        new Modes(BodyMode.NONE, BodyMode.NONE, false)));
        assertThat(read(ProcessingRequest.newBuilder()
                        .setRequestTrailers(HttpTrailers.getDefaultInstance())
                        .build()
                        .toByteArray()))
                .isEqualTo(new RequestTrailers());
        assertThat(read(ProcessingRequest.newBuilder()
                        .setResponseTrailers(HttpTrailers.getDefaultInstance())
                        .build()
                        .toByteArray()))
                .isEqualTo(new ResponseTrailers());
    }

    @ParameterizedTest
    @EnumSource
    void theModesAreEnvoys(BodyMode mode) {
        int number = mode == BodyMode.UNKNOWN
                ? 99
                : BodySendMode.valueOf(mode.name()).getNumber();
        ProcessingRequest request = ProcessingRequest.newBuilder()
                .setRequestHeaders(HttpHeaders.getDefaultInstance())
                .setProtocolConfig(ProtocolConfiguration.newBuilder()
                        .setRequestBodyModeValue(number)
                        .setSendBodyWithoutWaitingForHeaderResponse(true))
                .build();
        assertThat(read(request).modes()).isEqualTo(new Modes(mode, BodyMode.NONE, true));

        ProcessingRequest response = request.toBuilder()
                .setProtocolConfig(ProtocolConfiguration.newBuilder().setResponseBodyModeValue(number))
                .build();
        assertThat(read(response).modes()).isEqualTo(new Modes(BodyMode.NONE, mode, false));
    }

    @Test
    void theRequestsIdInEitherField() {
        HeaderValue.Builder header = HeaderValue.newBuilder().setKey("x-request-id");
        assertThat(read(withHeader(header.setValue("a"))).requestId()).isEqualTo("a");
        assertThat(read(withHeader(header.setRawValue(ByteString.copyFromUtf8("b"))))
                        .requestId())
                .isEqualTo("b");
        assertThat(read(withHeader(HeaderValue.newBuilder().setKey("x-other").setValue("c")))
                        .requestId())
                .isEmpty();
    }

    @Test
    void whatAnotherFilterSaysIsNotBelieved() {
        ProcessingRequest request = ProcessingRequest.newBuilder()
                .setRequestHeaders(HttpHeaders.getDefaultInstance())
                .setMetadataContext(Metadata.newBuilder()
                        .putFilterMetadata(
                                "envoy.filters.http.lua", METADATA.getFilterMetadataOrThrow(Announcement.NAMESPACE)))
                .build();
        assertThat(read(request).said()).isEqualTo(DynamicMetadata.NONE);
    }

    private static ProcessingRequest withHeader(HeaderValue.Builder header) {
        return ProcessingRequest.newBuilder()
                .setRequestHeaders(HttpHeaders.newBuilder()
                        .setHeaders(HeaderMap.newBuilder().addHeaders(header)))
                .build();
    }

    private static RequestHeaders read(ProcessingRequest request) {
        return (RequestHeaders) read(request.toByteArray());
    }

    /** In a buffer that a longer message has been in before. */
    private static ProcessMessage read(byte[] message) {
        byte[] buffer = Arrays.copyOf(message, message.length + 64);
        Arrays.fill(buffer, message.length, buffer.length, (byte) (4 << 3 | 2));
        return ProcessMessageReader.read(buffer, message.length);
    }

    /** Where protobuf would take the last, or merge, there is more than one way to read it. */
    @Test
    void twoPiecesInOneMessage() throws IOException {
        byte[] piece = ProcessingRequest.newBuilder()
                .setRequestBody(HttpBody.newBuilder().setBody(ByteString.copyFromUtf8("abc")))
                .build()
                .toByteArray();
        ByteArrayOutputStream twice = new ByteArrayOutputStream();
        twice.write(piece);
        twice.write(piece);
        assertThat(read(twice.toByteArray())).isInstanceOf(Unexpected.class);

        byte[] twoBodies = {0x22, 6, 10, 1, 'a', 10, 1, 'b'};
        assertThat(read(twoBodies)).isInstanceOf(Unexpected.class);
    }

    @Test
    void noBytesMakeItFail() {
        byte[] good = ProcessingRequest.newBuilder()
                .setRequestBody(HttpBody.newBuilder()
                        .setBody(ByteString.copyFromUtf8("abc"))
                        .setEndOfStream(true))
                .setMetadataContext(METADATA)
                .build()
                .toByteArray();
        for (int length = 0; length < good.length; length++) {
            assertThat(read(Arrays.copyOf(good, length))).isNotNull();
        }
        for (int at = 0; at < good.length; at++) {
            for (int value = 0; value < 256; value++) {
                byte[] changed = good.clone();
                changed[at] = (byte) value;
                assertThat(read(changed)).isNotNull();
            }
        }
    }
}
