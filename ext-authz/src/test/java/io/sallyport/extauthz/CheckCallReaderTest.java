package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Timestamp;
import io.envoyproxy.envoy.config.core.v3.Address;
import io.envoyproxy.envoy.config.core.v3.HeaderMap;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.Metadata;
import io.envoyproxy.envoy.config.core.v3.Pipe;
import io.envoyproxy.envoy.config.core.v3.SocketAddress;
import io.envoyproxy.envoy.service.auth.v3.AttributeContext;
import io.envoyproxy.envoy.service.auth.v3.AttributeContext.HttpRequest;
import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CheckCallReaderTest {
    private static final String[] HEADERS = {
        "authorization",
        "content-type",
        "x-sandbox-id",
        "x-request-id",
        "x-envoy-auth-partial-body",
        "Authorization",
        "x-sandbox-principal",
        ":path",
        "user-agent",
        ""
    };

    private final Random random = new Random(20261124);

    @Test
    void readsWhatTheGeneratedClassesRead() throws IOException {
        for (int i = 0; i < 3000; i++) {
            CheckRequest request = randomRequest();
            assertSame(request.toByteArray(), request);
        }
    }

    @Test
    void mergesRepeatedPartsAsProtobufDoes() throws IOException {
        for (int i = 0; i < 2000; i++) {
            // Messages written one after the other are one message: everything occurs several times.
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            for (int part = 0; part < 3; part++) {
                randomRequest().writeTo(bytes);
            }
            assertSame(bytes.toByteArray(), CheckRequest.parseFrom(bytes.toByteArray()));
        }
    }

    @Test
    void refusesWhatIsNoMessage() throws IOException {
        for (int i = 0; i < 500; i++) {
            byte[] whole = randomRequest().toByteArray();
            if (whole.length < 2) {
                continue;
            }
            byte[] cut = java.util.Arrays.copyOf(whole, 1 + random.nextInt(whole.length - 1));
            assertThat(parses(cut)).as("truncated").isFalse();
            assertThatThrownBy(() -> CheckCallReader.read(cut)).isInstanceOf(InvalidProtocolBufferException.class);
        }
    }

    @Test
    void damagedMessagesNeverReadAsSomethingElse() throws IOException {
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = randomRequest().toByteArray();
            for (int flips = 1 + random.nextInt(3); flips > 0 && bytes.length > 0; flips--) {
                bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
            }
            if (parses(bytes)) {
                assertSame(bytes, CheckRequest.parseFrom(bytes));
            }
        }
    }

    @Test
    void refusesAnEndOfAGroupThatNeverBegan() {
        assertThatThrownBy(() -> CheckCallReader.read(new byte[] {(2 << 3) | 4}))
                .isInstanceOf(IOException.class);
        assertThatThrownBy(() -> CheckCallReader.read(new byte[] {(1 << 3) | 2, 1, (2 << 3) | 4}))
                .isInstanceOf(IOException.class);
    }

    @Test
    void refusesHeadersThatAreNotText() {
        byte[] bytes = Requests.to("/a.B/C", "d")
                .header("authorization", "Bearer XYZ")
                .build()
                .toByteArray();
        int at = new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1).indexOf("XYZ");
        bytes[at] = (byte) 0xFF;
        assertThatThrownBy(() -> CheckCallReader.read(bytes)).isInstanceOf(IOException.class);
    }

    @Test
    void textFormsHoldNoSecret() {
        CheckCall call = Requests.to("/a.B/C?token=s3cret", "d")
                .bearer("s3cret")
                .header("x-sandbox-id", "s3cret")
                .body("s3cret".getBytes(java.nio.charset.StandardCharsets.UTF_8))
                .call();
        assertThat(call.toString()).doesNotContain("s3cret");
        assertThat(String.valueOf(call.authorization())).doesNotContain("s3cret");
        assertThat(new CheckMethod.Question.Asked(call).toString()).doesNotContain("s3cret");
    }

    private static boolean parses(byte[] bytes) {
        try {
            return CheckRequest.parseFrom(bytes).isInitialized();
        } catch (InvalidProtocolBufferException e) {
            return false;
        }
    }

    /** The reader's view against the one of the generated classes. */
    private static void assertSame(byte[] bytes, CheckRequest expected) throws IOException {
        CheckCall call = CheckCallReader.read(bytes);
        AttributeContext attributes = expected.getAttributes();
        HttpRequest http = attributes.getRequest().getHttp();
        Map<String, String> headers = http.getHeadersMap();
        assertThat(call.path()).isEqualTo(http.getPath());
        assertThat(call.authorization() == null ? null : call.authorization().reveal())
                .isEqualTo(headers.get("authorization"));
        assertThat(call.contentType()).isEqualTo(headers.get("content-type"));
        assertThat(call.sandboxHeader()).isEqualTo(headers.get("x-sandbox-id"));
        assertThat(call.requestId()).isEqualTo(headers.get("x-request-id"));
        assertThat(call.partialMark()).isEqualTo(headers.get("x-envoy-auth-partial-body"));
        assertThat(call.size()).isEqualTo(http.getSize());
        assertThat(ByteString.copyFrom(call.body().duplicate())).isEqualTo(http.getRawBody());
        assertThat(call.policyDigest())
                .isEqualTo(attributes.getContextExtensionsMap().get("sallyport.policy"));
        SocketAddress source = attributes.getSource().getAddress().getSocketAddress();
        assertThat(call.connection())
                .isEqualTo(source.getAddress().isEmpty() ? "" : source.getAddress() + ":" + source.getPortValue());
    }

    private CheckRequest randomRequest() {
        CheckRequest.Builder request = CheckRequest.newBuilder();
        if (random.nextInt(20) == 0) {
            return request.build();
        }
        AttributeContext.Builder attributes = request.getAttributesBuilder();
        if (random.nextBoolean()) {
            attributes.setSource(randomPeer());
        }
        if (random.nextBoolean()) {
            attributes.setDestination(randomPeer());
        }
        if (random.nextInt(10) > 0) {
            attributes.getRequestBuilder().setHttp(randomHttp());
        }
        if (random.nextBoolean()) {
            attributes.getRequestBuilder().setTime(Timestamp.newBuilder().setSeconds(random.nextInt(1_000_000)));
        }
        for (int i = random.nextInt(3); i > 0; i--) {
            attributes.putContextExtensions(random.nextBoolean() ? "sallyport.policy" : randomText(8), randomText(64));
        }
        if (random.nextBoolean()) {
            attributes.setMetadataContext(
                    Metadata.newBuilder().putFilterMetadata("a", com.google.protobuf.Struct.getDefaultInstance()));
        }
        if (random.nextBoolean()) {
            attributes.getTlsSessionBuilder().setSni(randomText(12));
        }
        return request.build();
    }

    private AttributeContext.Peer randomPeer() {
        AttributeContext.Peer.Builder peer = AttributeContext.Peer.newBuilder().setService(randomText(5));
        Address.Builder address = Address.newBuilder();
        switch (random.nextInt(4)) {
            case 0 -> address.setPipe(Pipe.newBuilder().setPath(randomText(9)));
            case 1 -> address.getEnvoyInternalAddressBuilder().setServerListenerName(randomText(9));
            case 2 ->
                address.setSocketAddress(
                        SocketAddress.newBuilder().setAddress("10.0.0.1").setNamedPort("http"));
            default ->
                address.setSocketAddress(SocketAddress.newBuilder()
                        // Never without an address: between two members of a oneof, the generated builders keep the
                        // first one's fields, which is not what protobuf says.
                        .setAddress("10.0.0." + random.nextInt(256))
                        .setPortValue(random.nextInt(65536))
                        .setResolverName(randomText(3)));
        }
        return peer.setAddress(address).putLabels(randomText(3), randomText(3)).build();
    }

    private HttpRequest randomHttp() {
        HttpRequest.Builder http = HttpRequest.newBuilder()
                .setId(randomText(10))
                .setMethod("POST")
                .setPath(randomText(40))
                .setHost(randomText(10))
                .setQuery(randomText(4))
                .setFragment(randomText(4))
                .setSize(random.nextInt(4) == 0 ? -1 : random.nextLong())
                .setProtocol("HTTP/2")
                .setBody(randomText(6));
        byte[] body = new byte[random.nextInt(200)];
        random.nextBytes(body);
        http.setRawBody(ByteString.copyFrom(body));
        for (int i = random.nextInt(HEADERS.length); i > 0; i--) {
            http.putHeaders(HEADERS[random.nextInt(HEADERS.length)], randomText(60));
        }
        if (random.nextBoolean()) {
            http.setHeaderMap(HeaderMap.newBuilder()
                    .addHeaders(HeaderValue.newBuilder().setKey("authorization").setValue("Bearer other")));
        }
        return http.build();
    }

    private String randomText(int length) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(length + 1); i > 0; i--) {
            text.appendCodePoint(random.nextInt(20) == 0 ? 0x1F600 + random.nextInt(50) : 0x20 + random.nextInt(0x60));
        }
        return text.toString();
    }
}
