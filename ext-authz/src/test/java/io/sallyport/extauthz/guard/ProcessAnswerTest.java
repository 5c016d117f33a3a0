package io.sallyport.extauthz.guard;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.envoyproxy.envoy.service.ext_proc.v3.BodyMutation;
import io.envoyproxy.envoy.service.ext_proc.v3.BodyResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.CommonResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.GrpcStatus;
import io.envoyproxy.envoy.service.ext_proc.v3.HeadersResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ImmediateResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.TrailersResponse;
import io.envoyproxy.envoy.type.v3.HttpStatus;
import io.envoyproxy.envoy.type.v3.StatusCode;
import io.sallyport.base.Reason;
import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Each answer is, as a whole, the one that the generated classes would make. */
class ProcessAnswerTest {
    @Test
    void whatGoesOn() throws IOException {
        assertThat(read(ProcessAnswer.HEADERS_GO_ON))
                .isEqualTo(ProcessingResponse.newBuilder()
                        .setRequestHeaders(HeadersResponse.getDefaultInstance())
                        .build());
        assertThat(read(ProcessAnswer.PIECE_GOES_ON))
                .isEqualTo(ProcessingResponse.newBuilder()
                        .setRequestBody(BodyResponse.getDefaultInstance())
                        .build());
        assertThat(read(ProcessAnswer.RESPONSE_ENDS))
                .isEqualTo(ProcessingResponse.newBuilder()
                        .setResponseTrailers(TrailersResponse.getDefaultInstance())
                        .build());
        ByteString bytes = ByteString.copyFromUtf8("another piece");
        assertThat(read(ProcessAnswer.pieceGoesOnAs(bytes)))
                .isEqualTo(ProcessingResponse.newBuilder()
                        .setRequestBody(BodyResponse.newBuilder()
                                .setResponse(CommonResponse.newBuilder()
                                        .setBodyMutation(
                                                BodyMutation.newBuilder().setBody(bytes))))
                        .build());
    }

    @ParameterizedTest
    @EnumSource
    void theEndForEachReason(Reason reason) throws IOException {
        assertThat(read(ProcessAnswer.end(new Refusal(reason, ""))))
                .isEqualTo(ProcessingResponse.newBuilder()
                        .setImmediateResponse(ImmediateResponse.newBuilder()
                                .setStatus(HttpStatus.newBuilder().setCode(StatusCode.OK))
                                .setGrpcStatus(GrpcStatus.newBuilder()
                                        .setStatus(reason.statusCode().value()))
                                .setBody(ByteString.copyFromUtf8(reason.text()))
                                .setDetails("sallyport_" + reason.code()))
                        .build());
    }

    private static ProcessingResponse read(ProcessAnswer answer) throws IOException {
        return ProcessingResponse.parseFrom(answer.bytes());
    }
}
