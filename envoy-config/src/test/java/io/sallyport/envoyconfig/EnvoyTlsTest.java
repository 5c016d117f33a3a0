package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.LiveEnvoy.ALPHA;
import static io.sallyport.envoyconfig.RawHttp2.grpc;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.envoyproxy.envoy.service.auth.v3.AttributeContext;
import io.netty.handler.ssl.ApplicationProtocolConfig;
import io.netty.handler.ssl.ApplicationProtocolConfig.Protocol;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectedListenerFailureBehavior;
import io.netty.handler.ssl.ApplicationProtocolConfig.SelectorFailureBehavior;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.pkitesting.CertificateBuilder;
import io.netty.pkitesting.X509Bundle;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** TLS on the listener: who gets in, and that a client certificate is transport and nothing more. */
class EnvoyTlsTest {
    @TempDir
    Path directory;

    private X509Bundle authority;
    private X509Bundle server;
    private X509Bundle stranger;

    @BeforeEach
    void certificates() throws Exception {
        authority = new CertificateBuilder()
                .subject("CN=authority")
                .setIsCertificateAuthority(true)
                .buildSelfSigned();
        server = new CertificateBuilder()
                .subject("CN=server")
                .addSanDnsName("localhost")
                .buildIssuedBy(authority);
        stranger = new CertificateBuilder()
                .subject("CN=stranger")
                .setIsCertificateAuthority(true)
                .buildSelfSigned();
    }

    @Test
    void tlsWithHttp2GetsIn() throws Exception {
        try (LiveEnvoy live = LiveEnvoy.start(directory, settings(false), tls(null, "TLSv1.3"));
                RawHttp2 older = live.connect(tls(null, "TLSv1.2"));
                RawHttp2 newer = live.connect()) {
            assertThat(older.call(grpc(ProbePolicy.SANDBOX), ALPHA).grpcStatus())
                    .isZero();
            assertThat(newer.call(grpc(ProbePolicy.SANDBOX), ALPHA).grpcStatus())
                    .isZero();
            assertThatThrownBy(() -> live.connect((SslContext) null))
                    .as("in the clear")
                    .isNotNull();
        }
    }

    @Test
    void aClientCertificateIsAskedForAndNeverPassedOn() throws Exception {
        X509Bundle known = new CertificateBuilder().subject("CN=client").buildIssuedBy(authority);
        try (LiveEnvoy live = LiveEnvoy.start(directory, settings(true), tls(known, "TLSv1.3"))) {
            assertThatThrownBy(() -> live.connect(tls(null, "TLSv1.3")))
                    .as("none")
                    .isNotNull();
            assertThatThrownBy(() -> live.connect(tls(stranger, "TLSv1.3")))
                    .as("of another authority")
                    .isNotNull();
            try (RawHttp2 connection = live.connect()) {
                assertThat(connection
                                .call(
                                        grpc(ProbePolicy.SANDBOX)
                                                .set("x-forwarded-client-cert", "Subject=\"CN=forged\""),
                                        ALPHA)
                                .grpcStatus())
                        .isZero();
            }

            assertThat(live.gateway().arrivals().getFirst().headers()).doesNotContainKey("x-forwarded-client-cert");
            // Envoy names the certificate's subject to ext-authz, whatever it is told; the certificate itself it keeps.
            AttributeContext attributes = live.extAuthz().asked().getFirst().getAttributes();
            assertThat(attributes.getSource().getPrincipal()).isEqualTo("CN=client");
            assertThat(attributes.getSource().getCertificate()).isEmpty();
            assertThat(attributes.getRequest().toString()).doesNotContain("CN=client", "forged");
        }
    }

    private SettingsText settings(boolean clientCertificates) throws Exception {
        Path certificate = Files.writeString(directory.resolve("server.pem"), server.getCertificatePathPEM());
        Path key = Files.writeString(directory.resolve("server-key.pem"), server.getPrivateKeyPEM());
        Path ca = Files.writeString(directory.resolve("ca.pem"), authority.getCertificatePEM());
        return new SettingsText()
                .with(
                        "tls",
                        "{certificate: " + certificate + ", key: " + key
                                + (clientCertificates ? ", client-ca: " + ca : "") + "}");
    }

    private SslContext tls(@Nullable X509Bundle client, String protocol) throws SSLException {
        SslContextBuilder builder = SslContextBuilder.forClient()
                .sslProvider(SslProvider.JDK)
                .protocols(protocol)
                .trustManager(authority.getCertificate())
                .applicationProtocolConfig(new ApplicationProtocolConfig(
                        Protocol.ALPN,
                        SelectorFailureBehavior.NO_ADVERTISE,
                        SelectedListenerFailureBehavior.ACCEPT,
                        "h2"));
        if (client != null) {
            builder.keyManager(client.getKeyPair().getPrivate(), client.getCertificatePath());
        }
        return builder.build();
    }
}
