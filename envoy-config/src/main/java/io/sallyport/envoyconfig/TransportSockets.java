package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.Protos.any;
import static io.sallyport.envoyconfig.Protos.bool;

import com.google.protobuf.Message;
import io.envoyproxy.envoy.config.core.v3.DataSource;
import io.envoyproxy.envoy.config.core.v3.TransportSocket;
import io.envoyproxy.envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext;
import io.envoyproxy.envoy.extensions.transport_sockets.tls.v3.CommonTlsContext;
import io.envoyproxy.envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext;
import io.envoyproxy.envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher;
import io.envoyproxy.envoy.extensions.transport_sockets.tls.v3.TlsCertificate;
import io.envoyproxy.envoy.extensions.transport_sockets.tls.v3.TlsParameters;
import io.envoyproxy.envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext;
import io.envoyproxy.envoy.type.matcher.v3.StringMatcher;
import java.nio.file.Path;

/** TLS 1.2 or newer, HTTP/2 only. */
final class TransportSockets {
    private TransportSockets() {}

    /** Session tickets are off where client certificates are asked for: each connection shows its own. */
    static TransportSocket downstream(Tls.Downstream tls) {
        CommonTlsContext.Builder common = common().addTlsCertificates(certificate(tls.keyPair()));
        DownstreamTlsContext.Builder context = DownstreamTlsContext.newBuilder();
        tls.clientCa().ifPresent(ca -> {
            common.setValidationContext(
                    CertificateValidationContext.newBuilder().setTrustedCa(file(ca)));
            context.setRequireClientCertificate(bool(true))
                    .setDisableStatelessSessionResumption(true)
                    .setDisableStatefulSessionResumption(true);
        });
        return socket(context.setCommonTlsContext(common).build());
    }

    /** Checks the chain and the name: either alone would let somebody else of the same CA in. */
    static TransportSocket upstream(Tls.Upstream tls) {
        CommonTlsContext.Builder common = common().setValidationContext(CertificateValidationContext.newBuilder()
                .setTrustedCa(file(tls.ca()))
                .addMatchTypedSubjectAltNames(SubjectAltNameMatcher.newBuilder()
                        .setSanType(SubjectAltNameMatcher.SanType.DNS)
                        .setMatcher(StringMatcher.newBuilder().setExact(tls.serverName()))));
        tls.keyPair().ifPresent(keyPair -> common.addTlsCertificates(certificate(keyPair)));
        return socket(UpstreamTlsContext.newBuilder()
                .setSni(tls.serverName())
                .setCommonTlsContext(common)
                .build());
    }

    private static CommonTlsContext.Builder common() {
        return CommonTlsContext.newBuilder()
                .setTlsParams(TlsParameters.newBuilder()
                        .setTlsMinimumProtocolVersion(TlsParameters.TlsProtocol.TLSv1_2)
                        .setTlsMaximumProtocolVersion(TlsParameters.TlsProtocol.TLSv1_3))
                .addAlpnProtocols("h2");
    }

    private static TlsCertificate certificate(Tls.KeyPair keyPair) {
        return TlsCertificate.newBuilder()
                .setCertificateChain(file(keyPair.certificate()))
                .setPrivateKey(file(keyPair.key()))
                .build();
    }

    private static DataSource file(Path path) {
        return DataSource.newBuilder().setFilename(path.toString()).build();
    }

    private static TransportSocket socket(Message context) {
        return TransportSocket.newBuilder()
                .setName("envoy.transport_sockets.tls")
                .setTypedConfig(any(context))
                .build();
    }
}
