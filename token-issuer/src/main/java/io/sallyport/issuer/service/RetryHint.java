package io.sallyport.issuer.service;

import com.google.protobuf.Any;
import com.google.rpc.RetryInfo;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.ProtoUtils;
import java.time.Duration;

/**
 * When to come back, said twice: in {@code grpc-retry-pushback-ms}, which gRPC clients with a retry policy obey (gRFC
 * A6), and as {@code google.rpc.RetryInfo} in {@code grpc-status-details-bin}, which programs read.
 */
final class RetryHint {
    static final Metadata.Key<String> PUSHBACK =
            Metadata.Key.of("grpc-retry-pushback-ms", Metadata.ASCII_STRING_MARSHALLER);
    static final Metadata.Key<com.google.rpc.Status> DETAILS = Metadata.Key.of(
            "grpc-status-details-bin", ProtoUtils.metadataMarshaller(com.google.rpc.Status.getDefaultInstance()));

    private RetryHint() {}

    /** The trailers of a refusal with this status. */
    static Metadata of(Status status, Duration wait) {
        // Rounded up: who comes back a moment too early is refused again.
        long millis = wait.plusNanos(999_999).toMillis();
        Metadata trailers = new Metadata();
        trailers.put(PUSHBACK, Long.toString(millis));
        RetryInfo info = RetryInfo.newBuilder()
                .setRetryDelay(com.google.protobuf.Duration.newBuilder()
                        .setSeconds(millis / 1000)
                        .setNanos((int) (millis % 1000) * 1_000_000))
                .build();
        String text = status.getDescription();
        trailers.put(
                DETAILS,
                com.google.rpc.Status.newBuilder()
                        .setCode(status.getCode().value())
                        .setMessage(text == null ? "" : text)
                        .addDetails(Any.pack(info))
                        .build());
        return trailers;
    }
}
