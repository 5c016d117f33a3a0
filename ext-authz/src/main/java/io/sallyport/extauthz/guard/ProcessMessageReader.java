package io.sallyport.extauthz.guard;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import io.sallyport.extauthz.envoy.DynamicMetadata;
import io.sallyport.extauthz.envoy.Fields;
import io.sallyport.extauthz.guard.ProcessMessage.BodyMode;
import io.sallyport.extauthz.guard.ProcessMessage.Modes;
import io.sallyport.extauthz.guard.ProcessMessage.Piece;
import io.sallyport.extauthz.guard.ProcessMessage.RequestHeaders;
import io.sallyport.extauthz.guard.ProcessMessage.RequestTrailers;
import io.sallyport.extauthz.guard.ProcessMessage.ResponseTrailers;
import io.sallyport.extauthz.guard.ProcessMessage.Unexpected;
import java.io.IOException;
import java.util.Arrays;

/**
 * Reads a {@link ProcessMessage} out of the bytes of an {@code envoy.service.ext_proc.v3.ProcessingRequest}.
 *
 * <p>A piece of a body is found where it lies and not copied; the metadata that Envoy sends along with each is skipped. What
 * protobuf would merge (two pieces in one message) is no message of Envoy's, and not accepted. Field numbers are those of
 * {@code external_processor.proto} and of what it imports.
 */
final class ProcessMessageReader {
    private static final int REQUEST_HEADERS = 2;
    private static final int RESPONSE_HEADERS = 3;
    private static final int REQUEST_BODY = 4;
    private static final int RESPONSE_BODY = 5;
    private static final int REQUEST_TRAILERS = 6;
    private static final int RESPONSE_TRAILERS = 7;
    private static final int METADATA_CONTEXT = 8;
    private static final int OBSERVABILITY_MODE = 10;
    private static final int PROTOCOL_CONFIG = 11;

    private static final int BODY_BYTES = tag(1, WireFormat.WIRETYPE_LENGTH_DELIMITED);
    private static final int BODY_END_OF_STREAM = tag(2, WireFormat.WIRETYPE_VARINT);

    private static final int HEADERS_HEADERS = 1;
    private static final int MAP_HEADERS = 1;
    private static final int HEADER_KEY = 1;
    private static final int HEADER_VALUE = 2;
    private static final int HEADER_RAW_VALUE = 3;

    private static final int METADATA_FILTER_METADATA = 1;
    private static final int ENTRY_KEY = 1;
    private static final int ENTRY_VALUE = 2;

    private static final int CONFIG_REQUEST_BODY_MODE = 1;
    private static final int CONFIG_RESPONSE_BODY_MODE = 2;
    private static final int CONFIG_EARLY = 3;

    private final byte[] message;
    private final int size;
    private final CodedInputStream in;

    private int kind;
    private int at;
    private int length;
    private boolean last;

    private ProcessMessageReader(byte[] message, int size) {
        this.message = message;
        this.size = size;
        this.in = CodedInputStream.newInstance(message, 0, size);
    }

    /**
     * Reads one message.
     *
     * @param buffer begins with the message; a piece stays in it
     */
    static ProcessMessage read(byte[] buffer, int size) {
        try {
            return new ProcessMessageReader(buffer, size).read();
        } catch (IOException e) {
            return new Unexpected("not one ProcessingRequest");
        }
    }

    private ProcessMessage read() throws IOException {
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            int field = WireFormat.getTagFieldNumber(tag);
            if (field < REQUEST_HEADERS || field > RESPONSE_TRAILERS) {
                if (field == OBSERVABILITY_MODE && in.readBool()) {
                    return new Unexpected("in observability mode Envoy takes no answer");
                } else if (field != OBSERVABILITY_MODE) {
                    skip(tag);
                }
                continue;
            }
            if (kind != 0 || WireFormat.getTagWireType(tag) != WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                return new Unexpected("two things in one message");
            }
            kind = field;
            if (kind == REQUEST_BODY) {
                readBody();
            } else {
                skip(tag);
            }
        }
        return switch (kind) {
            case REQUEST_BODY -> new Piece(message, at, length, last);
            case REQUEST_HEADERS -> headers(Fields.parse(Arrays.copyOf(message, size)));
            case REQUEST_TRAILERS -> new RequestTrailers();
            case RESPONSE_TRAILERS -> new ResponseTrailers();
            case RESPONSE_HEADERS -> new Unexpected("response headers, which are not asked for");
            case RESPONSE_BODY -> new Unexpected("a response body, which is not asked for");
            default -> new Unexpected("nothing in a message");
        };
    }

    /** {@code HttpBody}. */
    private void readBody() throws IOException {
        int outer = in.pushLimit(in.readRawVarint32());
        boolean seen = false;
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            if (tag == BODY_BYTES) {
                if (seen) {
                    throw new InvalidProtocolBufferException("two bodies in one");
                }
                seen = true;
                length = in.readRawVarint32();
                at = in.getTotalBytesRead();
                in.skipRawBytes(length);
            } else if (tag == BODY_END_OF_STREAM) {
                last = in.readBool();
            } else {
                skip(tag);
            }
        }
        in.popLimit(outer);
    }

    /** A whole {@code ProcessingRequest}, since it comes once in a stream. */
    private static RequestHeaders headers(Fields request) throws IOException {
        Fields config = request.message(PROTOCOL_CONFIG);
        return new RequestHeaders(
                requestId(request.message(REQUEST_HEADERS).message(HEADERS_HEADERS)),
                said(request.message(METADATA_CONTEXT)),
                new Modes(
                        bodyMode(config.integer(CONFIG_REQUEST_BODY_MODE)),
                        bodyMode(config.integer(CONFIG_RESPONSE_BODY_MODE)),
                        config.integer(CONFIG_EARLY) != 0));
    }

    /** {@code core.v3.HeaderMap}. */
    private static String requestId(Fields headers) throws IOException {
        for (Fields header : headers.messages(MAP_HEADERS)) {
            if (header.text(HEADER_KEY).equals("x-request-id")) {
                ByteString raw = header.bytes(HEADER_RAW_VALUE);
                return raw.isEmpty() ? header.text(HEADER_VALUE) : raw.toStringUtf8();
            }
        }
        return "";
    }

    /** {@code core.v3.Metadata}. */
    private static DynamicMetadata said(Fields metadata) throws IOException {
        Fields said = Fields.NONE;
        for (Fields filter : metadata.messages(METADATA_FILTER_METADATA)) {
            if (filter.text(ENTRY_KEY).equals(Announcement.NAMESPACE)) {
                said = filter.message(ENTRY_VALUE);
            }
        }
        return DynamicMetadata.read(said);
    }

    private static BodyMode bodyMode(long number) {
        BodyMode[] known = BodyMode.values();
        return number >= 0 && number < known.length ? known[(int) number] : BodyMode.UNKNOWN;
    }

    private void skip(int tag) throws IOException {
        if (!in.skipField(tag)) {
            throw new InvalidProtocolBufferException("a group ends that never began");
        }
    }

    private static int tag(int field, int wireType) {
        return field << 3 | wireType;
    }
}
