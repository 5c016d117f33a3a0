package io.sallyport.agent;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Attributes;
import io.grpc.CallCredentials;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.SecurityLevel;
import io.grpc.Status;
import io.sallyport.api.openshell00.OpenShellGrpc;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class SandboxCallCredentialsTest {
    private static final TokenSource TOKENS = new FixedTokenSource("the-token");

    private static final class Call extends CallCredentials.RequestInfo {
        private final SecurityLevel security;
        private final @Nullable SocketAddress remote;

        Call(SecurityLevel security, @Nullable SocketAddress remote) {
            this.security = security;
            this.remote = remote;
        }

        @Override
        public MethodDescriptor<?, ?> getMethodDescriptor() {
            return OpenShellGrpc.getRefreshSandboxTokenMethod();
        }

        @Override
        public SecurityLevel getSecurityLevel() {
            return security;
        }

        @Override
        public String getAuthority() {
            return "localhost";
        }

        @Override
        public Attributes getTransportAttrs() {
            return remote == null
                    ? Attributes.EMPTY
                    : Attributes.newBuilder()
                            .set(Grpc.TRANSPORT_ATTR_REMOTE_ADDR, remote)
                            .build();
        }
    }

    private static final class Applied extends CallCredentials.MetadataApplier {
        private @Nullable Metadata metadata;
        private @Nullable Status failure;

        @Override
        public void apply(Metadata headers) {
            metadata = headers;
        }

        @Override
        public void fail(Status status) {
            failure = status;
        }
    }

    private static Applied apply(TokenSource tokens, Optional<String> id, Call call) {
        Applied applied = new Applied();
        new SandboxCallCredentials(tokens, id).applyRequestMetadata(call, Runnable::run, applied);
        return applied;
    }

    private static InetSocketAddress address(int... bytes) {
        byte[] raw = new byte[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            raw[i] = (byte) bytes[i];
        }
        try {
            // The name says localhost: only the address counts.
            return new InetSocketAddress(InetAddress.getByAddress("localhost", raw), 80);
        } catch (UnknownHostException e) {
            throw new IllegalArgumentException(e);
        }
    }

    static Stream<Arguments> connections() {
        return Stream.of(
                Arguments.of(SecurityLevel.PRIVACY_AND_INTEGRITY, address(10, 0, 0, 1), true),
                Arguments.of(SecurityLevel.NONE, address(127, 0, 0, 1), true),
                Arguments.of(SecurityLevel.NONE, UnixDomainSocketAddress.of("/run/x.sock"), true),
                Arguments.of(SecurityLevel.NONE, address(10, 0, 0, 1), false),
                Arguments.of(SecurityLevel.INTEGRITY, address(10, 0, 0, 1), false),
                Arguments.of(SecurityLevel.NONE, address(0, 0, 0, 0), false),
                Arguments.of(SecurityLevel.NONE, InetSocketAddress.createUnresolved("localhost", 80), false),
                Arguments.of(SecurityLevel.NONE, null, false));
    }

    @ParameterizedTest
    @MethodSource("connections")
    void theTokenGoesOutEncryptedOrNotAtAll(SecurityLevel security, @Nullable SocketAddress remote, boolean sent) {
        Applied applied = apply(TOKENS, Optional.of("sb-1"), new Call(security, remote));

        if (sent) {
            assertThat(applied.failure).isNull();
            assertThat(applied.metadata).isNotNull();
            Metadata metadata = java.util.Objects.requireNonNull(applied.metadata);
            assertThat(metadata.getAll(SandboxCallCredentials.AUTHORIZATION)).containsExactly("Bearer the-token");
            assertThat(metadata.getAll(SandboxCallCredentials.SANDBOX_ID)).containsExactly("sb-1");
        } else {
            assertThat(applied.metadata).isNull();
            assertThat(java.util.Objects.requireNonNull(applied.failure).getDescription())
                    .contains("use https://")
                    .doesNotContain("the-token");
        }
    }

    @Test
    void withoutAnIdNoIdIsSent() {
        Applied applied = apply(TOKENS, Optional.empty(), new Call(SecurityLevel.PRIVACY_AND_INTEGRITY, null));

        assertThat(java.util.Objects.requireNonNull(applied.metadata).keys()).containsExactly("authorization");
    }

    @Test
    void withoutATokenTheCallFailsHere() {
        TokenSource missing = new FileTokenSource(Path.of("/nowhere/token"), InstantSource.system());

        Applied applied = apply(missing, Optional.of("sb-1"), new Call(SecurityLevel.PRIVACY_AND_INTEGRITY, null));

        Status failure = java.util.Objects.requireNonNull(applied.failure);
        assertThat(failure.getCode()).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(failure.getDescription()).contains("/nowhere/token");
    }

    @Test
    void theTextFormShowsNoToken() {
        assertThat(new SandboxCallCredentials(TOKENS, Optional.empty()).toString())
                .doesNotContain("the-token");
    }
}
