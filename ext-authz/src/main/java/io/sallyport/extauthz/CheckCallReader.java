package io.sallyport.extauthz;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnsafeByteOperations;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Reads a {@link CheckCall} out of the bytes of an {@code envoy.service.auth.v3.CheckRequest}.
 *
 * <p>Only what a decision needs is read, everything else is skipped: building the whole message costs more than deciding
 * about it. Repeated parts merge as protobuf says (the last scalar counts, messages are merged), so the result is what
 * the generated classes would give. Field numbers are those of {@code attribute_context.proto}.
 */
final class CheckCallReader {
    /** Context extension in which a route names the policy that it was generated from. */
    static final String POLICY_EXTENSION = "sallyport.policy";

    private static final ByteBuffer NO_BYTES = ByteBuffer.allocate(0).asReadOnlyBuffer();

    private String path = "";
    private @Nullable AuthorizationHeader authorization;
    private @Nullable String contentType;
    private @Nullable String sandboxHeader;
    private @Nullable String requestId;
    private @Nullable String partialMark;
    private long size;
    private ByteBuffer body = NO_BYTES;
    private @Nullable String policyDigest;
    private String sourceAddress = "";
    private int sourcePort;

    private CheckCallReader() {}

    /**
     * The call in a message.
     *
     * @param message the whole message; it is kept, so nobody may write to it afterwards
     * @throws IOException when the bytes are not a {@code CheckRequest}
     */
    static CheckCall read(byte[] message) throws IOException {
        CodedInputStream in = UnsafeByteOperations.unsafeWrap(message).newCodedInput();
        in.enableAliasing(true);
        CheckCallReader reader = new CheckCallReader();
        reader.readMessage(in, CheckCallReader::readRequestField);
        return reader.call();
    }

    private CheckCall call() {
        return new CheckCall(
                path,
                authorization,
                contentType,
                sandboxHeader,
                requestId,
                partialMark,
                size,
                body,
                policyDigest,
                sourceAddress.isEmpty() ? "" : sourceAddress + ":" + sourcePort);
    }

    /** Reads one field whose tag has been read; false for one it does not know. */
    private interface Fields {
        boolean read(CheckCallReader reader, CodedInputStream in, int tag) throws IOException;
    }

    private void readMessage(CodedInputStream in, Fields fields) throws IOException {
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            if (!fields.read(this, in, tag) && !in.skipField(tag)) {
                throw new InvalidProtocolBufferException("a group ends that never began");
            }
        }
    }

    private void readNested(CodedInputStream in, Fields fields) throws IOException {
        int outer = in.pushLimit(in.readRawVarint32());
        readMessage(in, fields);
        in.popLimit(outer);
    }

    /** {@code CheckRequest}. */
    private boolean readRequestField(CodedInputStream in, int tag) throws IOException {
        if (tag != Tag.ATTRIBUTES) {
            return false;
        }
        readNested(in, CheckCallReader::readAttributesField);
        return true;
    }

    /** {@code AttributeContext}. */
    private boolean readAttributesField(CodedInputStream in, int tag) throws IOException {
        switch (tag) {
            case Tag.SOURCE -> readNested(in, CheckCallReader::readPeerField);
            case Tag.REQUEST -> readNested(in, CheckCallReader::readAttributesRequestField);
            case Tag.CONTEXT_EXTENSIONS -> readContextExtension(in);
            default -> {
                return false;
            }
        }
        return true;
    }

    /** {@code AttributeContext.Peer}. */
    private boolean readPeerField(CodedInputStream in, int tag) throws IOException {
        if (tag != Tag.PEER_ADDRESS) {
            return false;
        }
        readNested(in, CheckCallReader::readAddressField);
        return true;
    }

    /** {@code core.v3.Address}: a oneof, of which the member that came last is set. */
    private boolean readAddressField(CodedInputStream in, int tag) throws IOException {
        switch (tag) {
            case Tag.SOCKET_ADDRESS -> readNested(in, CheckCallReader::readSocketAddressField);
            case Tag.PIPE, Tag.INTERNAL_ADDRESS -> {
                in.skipField(tag);
                sourceAddress = "";
                sourcePort = 0;
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    /** {@code core.v3.SocketAddress}. */
    private boolean readSocketAddressField(CodedInputStream in, int tag) throws IOException {
        switch (tag) {
            case Tag.ADDRESS -> sourceAddress = in.readStringRequireUtf8();
            case Tag.PORT_VALUE -> sourcePort = in.readUInt32();
            case Tag.NAMED_PORT -> {
                in.skipField(tag);
                sourcePort = 0;
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    /** {@code AttributeContext.Request}. */
    private boolean readAttributesRequestField(CodedInputStream in, int tag) throws IOException {
        if (tag != Tag.HTTP) {
            return false;
        }
        readNested(in, CheckCallReader::readHttpField);
        return true;
    }

    /** {@code AttributeContext.HttpRequest}. */
    private boolean readHttpField(CodedInputStream in, int tag) throws IOException {
        switch (tag) {
            case Tag.HEADERS -> readHeader(in);
            case Tag.PATH -> path = in.readStringRequireUtf8();
            case Tag.SIZE -> size = in.readInt64();
            case Tag.RAW_BODY -> body = in.readByteBuffer();
            default -> {
                return false;
            }
        }
        return true;
    }

    /** One entry of {@code HttpRequest.headers}; Envoy writes the names in lower case. */
    private void readHeader(CodedInputStream in) throws IOException {
        int outer = in.pushLimit(in.readRawVarint32());
        String name = "";
        ByteString value = ByteString.EMPTY;
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case Tag.KEY -> name = in.readStringRequireUtf8();
                case Tag.VALUE -> value = in.readBytes();
                default -> skip(in, tag);
            }
        }
        in.popLimit(outer);
        switch (name) {
            case "authorization" -> authorization = new AuthorizationHeader(requireUtf8(value));
            case "content-type" -> contentType = text(value);
            case "x-sandbox-id" -> sandboxHeader = text(value);
            case "x-request-id" -> requestId = text(value);
            case "x-envoy-auth-partial-body" -> partialMark = text(value);
            default -> requireUtf8(value);
        }
    }

    /** One entry of {@code context_extensions}. */
    private void readContextExtension(CodedInputStream in) throws IOException {
        int outer = in.pushLimit(in.readRawVarint32());
        String key = "";
        String value = "";
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case Tag.KEY -> key = in.readStringRequireUtf8();
                case Tag.VALUE -> value = in.readStringRequireUtf8();
                default -> skip(in, tag);
            }
        }
        in.popLimit(outer);
        if (key.equals(POLICY_EXTENSION)) {
            policyDigest = value;
        }
    }

    private static void skip(CodedInputStream in, int tag) throws IOException {
        if (!in.skipField(tag)) {
            throw new InvalidProtocolBufferException("a group ends that never began");
        }
    }

    private static String text(ByteString value) throws IOException {
        return requireUtf8(value).toStringUtf8();
    }

    private static ByteString requireUtf8(ByteString value) throws IOException {
        if (!value.isValidUtf8()) {
            throw new InvalidProtocolBufferException("a header's value is not UTF-8");
        }
        return value;
    }

    /** Field number and wire type in one, as they stand on the wire. */
    private static final class Tag {
        static final int ATTRIBUTES = (1 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;

        static final int SOURCE = (1 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int REQUEST = (4 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int CONTEXT_EXTENSIONS = (10 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;

        static final int PEER_ADDRESS = (1 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int SOCKET_ADDRESS = (1 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int PIPE = (2 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int INTERNAL_ADDRESS = (3 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int ADDRESS = (2 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int PORT_VALUE = (3 << 3) | WireFormat.WIRETYPE_VARINT;
        static final int NAMED_PORT = (4 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;

        static final int HTTP = (2 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int HEADERS = (3 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int PATH = (4 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int SIZE = (9 << 3) | WireFormat.WIRETYPE_VARINT;
        static final int RAW_BODY = (12 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;

        static final int KEY = (1 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
        static final int VALUE = (2 << 3) | WireFormat.WIRETYPE_LENGTH_DELIMITED;
    }
}
