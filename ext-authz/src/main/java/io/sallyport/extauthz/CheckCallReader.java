package io.sallyport.extauthz;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Reads a {@link CheckCall} out of the bytes of an {@code envoy.service.auth.v3.CheckRequest}.
 *
 * <p>Only what a decision needs is read, everything else is skipped, and nothing is copied that is not: building the whole
 * message costs more than deciding about it. Repeated parts merge as protobuf says (the last scalar counts, messages are
 * merged), so the result is what the generated classes would give. Field numbers are those of {@code
 * attribute_context.proto}; each message has a method of its own, so that the compiler can inline them.
 */
final class CheckCallReader {
    /** Context extension in which a route names the policy that it was generated from. */
    static final String POLICY_EXTENSION = "sallyport.policy";

    private final byte[] message;
    private final CodedInputStream in;

    private String path = "";
    private @Nullable AuthorizationHeader authorization;
    private @Nullable String contentType;
    private @Nullable String sandboxHeader;
    private @Nullable String requestId;
    private @Nullable String partialMark;
    private long size;
    private int bodyAt;
    private int bodyLength;
    private @Nullable String policyDigest;
    private String sourceAddress = "";
    private int sourcePort;

    // Where the value that was read last lies.
    private int at;
    private int length;

    private CheckCallReader(byte[] message) {
        this.message = message;
        this.in = CodedInputStream.newInstance(message);
    }

    /**
     * The call in a message.
     *
     * @param message the whole message; it is kept, so nobody may write to it afterwards
     * @throws IOException when the bytes are not a {@code CheckRequest}
     */
    static CheckCall read(byte[] message) throws IOException {
        CheckCallReader reader = new CheckCallReader(message);
        reader.readRequest();
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
                ByteBuffer.wrap(message, bodyAt, bodyLength),
                policyDigest,
                sourceAddress,
                sourcePort);
    }

    /** {@code CheckRequest}. */
    private void readRequest() throws IOException {
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            if (tag == Tag.ATTRIBUTES) {
                readAttributes();
            } else {
                skip(tag);
            }
        }
    }

    /** {@code AttributeContext}. */
    private void readAttributes() throws IOException {
        int outer = enter();
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case Tag.SOURCE -> readPeer();
                case Tag.REQUEST -> readAttributesRequest();
                case Tag.CONTEXT_EXTENSIONS -> readContextExtension();
                default -> skip(tag);
            }
        }
        in.popLimit(outer);
    }

    /** {@code AttributeContext.Peer}. */
    private void readPeer() throws IOException {
        int outer = enter();
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            if (tag == Tag.PEER_ADDRESS) {
                readAddress();
            } else {
                skip(tag);
            }
        }
        in.popLimit(outer);
    }

    /** {@code core.v3.Address}: a oneof, of which the member that came last is set. */
    private void readAddress() throws IOException {
        int outer = enter();
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case Tag.SOCKET_ADDRESS -> readSocketAddress();
                case Tag.PIPE, Tag.INTERNAL_ADDRESS -> {
                    skip(tag);
                    sourceAddress = "";
                    sourcePort = 0;
                }
                default -> skip(tag);
            }
        }
        in.popLimit(outer);
    }

    /** {@code core.v3.SocketAddress}. */
    private void readSocketAddress() throws IOException {
        int outer = enter();
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case Tag.ADDRESS -> {
                    readBytes();
                    sourceAddress = text();
                }
                case Tag.PORT_VALUE -> sourcePort = in.readUInt32();
                case Tag.NAMED_PORT -> {
                    skip(tag);
                    sourcePort = 0;
                }
                default -> skip(tag);
            }
        }
        in.popLimit(outer);
    }

    /** {@code AttributeContext.Request}. */
    private void readAttributesRequest() throws IOException {
        int outer = enter();
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            if (tag == Tag.HTTP) {
                readHttp();
            } else {
                skip(tag);
            }
        }
        in.popLimit(outer);
    }

    /** {@code AttributeContext.HttpRequest}. */
    private void readHttp() throws IOException {
        int outer = enter();
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case Tag.HEADERS -> readHeader();
                case Tag.PATH -> {
                    readBytes();
                    path = text();
                }
                case Tag.SIZE -> size = in.readInt64();
                case Tag.RAW_BODY -> {
                    readBytes();
                    bodyAt = at;
                    bodyLength = length;
                }
                default -> skip(tag);
            }
        }
        in.popLimit(outer);
    }

    /** One entry of {@code HttpRequest.headers}; Envoy writes the names in lower case. */
    private void readHeader() throws IOException {
        int outer = enter();
        int nameAt = 0;
        int nameLength = 0;
        int valueAt = 0;
        int valueLength = 0;
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case Tag.KEY -> {
                    readBytes();
                    requireUtf8();
                    nameAt = at;
                    nameLength = length;
                }
                case Tag.VALUE -> {
                    readBytes();
                    valueAt = at;
                    valueLength = length;
                }
                default -> skip(tag);
            }
        }
        in.popLimit(outer);
        at = valueAt;
        length = valueLength;
        if (Header.AUTHORIZATION.is(message, nameAt, nameLength)) {
            requireUtf8();
            authorization = new AuthorizationHeader(message, at, length);
        } else if (Header.CONTENT_TYPE.is(message, nameAt, nameLength)) {
            contentType = text();
        } else if (Header.SANDBOX_ID.is(message, nameAt, nameLength)) {
            sandboxHeader = text();
        } else if (Header.REQUEST_ID.is(message, nameAt, nameLength)) {
            requestId = text();
        } else if (Header.PARTIAL_BODY.is(message, nameAt, nameLength)) {
            partialMark = text();
        } else {
            requireUtf8();
        }
    }

    /** One entry of {@code context_extensions}. */
    private void readContextExtension() throws IOException {
        int outer = enter();
        String key = "";
        String value = "";
        for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
            switch (tag) {
                case Tag.KEY -> {
                    readBytes();
                    key = text();
                }
                case Tag.VALUE -> {
                    readBytes();
                    value = text();
                }
                default -> skip(tag);
            }
        }
        in.popLimit(outer);
        if (key.equals(POLICY_EXTENSION)) {
            policyDigest = value;
        }
    }

    private int enter() throws IOException {
        return in.pushLimit(in.readRawVarint32());
    }

    /** Notes where a string or bytes field lies, and goes behind it. */
    private void readBytes() throws IOException {
        length = in.readRawVarint32();
        at = in.getTotalBytesRead();
        in.skipRawBytes(length);
    }

    private void skip(int tag) throws IOException {
        if (!in.skipField(tag)) {
            throw new InvalidProtocolBufferException("a group ends that never began");
        }
    }

    /** The value that was read last, as text. */
    private String text() throws IOException {
        requireUtf8();
        return new String(message, at, length, StandardCharsets.UTF_8);
    }

    private void requireUtf8() throws IOException {
        for (int i = at, end = at + length; i < end; i++) {
            if (message[i] < 0) {
                // Rare: only then is it worth a copy.
                if (!ByteString.copyFrom(message, at, length).isValidUtf8()) {
                    throw new InvalidProtocolBufferException("a text is not UTF-8");
                }
                return;
            }
        }
    }

    /** The headers that are read. */
    private enum Header {
        AUTHORIZATION("authorization"),
        CONTENT_TYPE("content-type"),
        SANDBOX_ID("x-sandbox-id"),
        REQUEST_ID("x-request-id"),
        PARTIAL_BODY("x-envoy-auth-partial-body");

        private final byte[] name;

        Header(String name) {
            this.name = name.getBytes(StandardCharsets.US_ASCII);
        }

        boolean is(byte[] message, int at, int length) {
            return length == name.length && Arrays.equals(message, at, at + length, name, 0, length);
        }
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
