package io.sallyport.envoyconfig;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.EventLoopGroup;
import io.netty.handler.ssl.SslContext;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.envoyconfig.RawHttp2.Answer;
import io.sallyport.envoyconfig.RecordingUpstream.Arrival;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A real Envoy between a raw client and stand-ins for ext-authz, the issuer and a gateway. */
@SuppressWarnings("FutureReturnValueIgnored") // nobody waits for the event loop to end
final class LiveEnvoy implements AutoCloseable {
    /** A message that names sandbox {@code alpha}, framed. */
    static final byte[] ALPHA = RawHttp2.frame("\n\005alpha".getBytes(StandardCharsets.UTF_8));

    private final EventLoopGroup group = GrpcServers.eventLoops("live-envoy", 1);
    private final FakeExtAuthz extAuthz;
    private final Path extAuthzSocket;
    private final RecordingUpstream issuer;
    private final RecordingUpstream gateway;
    private final EnvoyProcess envoy;
    private final @Nullable SslContext tls;
    private final @Nullable Relay relay;
    private @Nullable RecordingUpstream garbage;

    private LiveEnvoy(Path directory, SettingsText settings, @Nullable SslContext tls, boolean freezable)
            throws Exception {
        this.tls = tls;
        extAuthzSocket = directory.resolve(freezable ? "b.sock" : "a.sock");
        Path issuerSocket = directory.resolve("i.sock");
        Path gatewaySocket = directory.resolve("g.sock");
        extAuthz = FakeExtAuthz.listen(group, extAuthzSocket);
        issuer = RecordingUpstream.listen(group, issuerSocket);
        gateway = RecordingUpstream.listen(group, gatewaySocket);
        Path called = directory.resolve("a.sock");
        relay = freezable ? Relay.between(group, called, extAuthzSocket) : null;
        envoy = EnvoyProcess.start(
                directory,
                settings.with("policy", ProbePolicy.write(directory))
                        .upstreams("unix:" + called, "unix:" + issuerSocket, "unix:" + gatewaySocket),
                group,
                tls);
    }

    static LiveEnvoy start(Path directory, SettingsText settings) throws Exception {
        return start(directory, settings, null);
    }

    static LiveEnvoy start(Path directory, SettingsText settings, @Nullable SslContext tls) throws Exception {
        EnvoyBinary.find();
        return new LiveEnvoy(Files.createDirectories(directory), settings, tls, false);
    }

    /** With an ext-authz that {@link #freezeExtAuthz} can stop like a SIGSTOP: its sockets stay, and nothing answers. */
    static LiveEnvoy startFreezable(Path directory, SettingsText settings) throws Exception {
        EnvoyBinary.find();
        return new LiveEnvoy(Files.createDirectories(directory), settings, null, true);
    }

    void freezeExtAuthz() {
        Objects.requireNonNull(relay, "not freezable").freeze();
    }

    RawHttp2 connect() throws Exception {
        return connect(tls);
    }

    RawHttp2 connect(@Nullable SslContext other) throws Exception {
        return RawHttp2.connect(group, envoy.port(), other);
    }

    FakeExtAuthz extAuthz() {
        return extAuthz;
    }

    FakeStreamGuard guard() {
        return extAuthz.guard();
    }

    RecordingUpstream gateway() {
        return gateway;
    }

    RecordingUpstream issuer() {
        return issuer;
    }

    /** Of the policy the configuration was made from. */
    String policyDigest() {
        return envoy.settings().policy().digest();
    }

    EnvoyProcess envoy() {
        return envoy;
    }

    /** What was there before is over; everybody answers again. */
    void forget() {
        extAuthz.forget();
        for (RecordingUpstream upstream : List.of(gateway, issuer)) {
            upstream.forget();
            upstream.silent(false);
            upstream.eager(false);
            upstream.refuses(false);
        }
    }

    /**
     * Nothing of what was sent before came to the gateway or the issuer. A call that is allowed is sent after it, so that
     * whatever was still on its way would have overtaken it or be there by now.
     */
    void assertNothingForwarded() throws Exception {
        extAuthz.decide(FakeExtAuthz::allow);
        try (RawHttp2 connection = connect()) {
            Answer marker = connection.call(RawHttp2.grpc(ProbePolicy.SANDBOX).set("x-marker", "1"), ALPHA);
            assertThat(marker.grpcStatus())
                    .as("the call afterwards: %s", marker)
                    .isZero();
        }
        assertThat(gateway.arrivals().stream().map(Arrival::headers))
                .as("calls at the gateway")
                .singleElement()
                .satisfies(headers -> assertThat(headers).containsKey("x-marker"));
        assertThat(issuer.arrivals()).as("calls at the issuer").isEmpty();
    }

    /** From now on something else listens where ext-authz did, and answers everything with these bytes. */
    void garbageInPlaceOfExtAuthz(byte[] answer) throws Exception {
        if (garbage == null) {
            extAuthz.close();
            Files.deleteIfExists(extAuthzSocket);
            garbage = RecordingUpstream.listen(group, extAuthzSocket);
        }
        garbage.answerWith(answer);
    }

    /** Envoy notices a little later that a connection has gone. */
    RawHttp2 connectPatiently() throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (true) {
            try {
                return connect();
            } catch (Exception e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
            }
        }
    }

    /** While Envoy defends its memory it may refuse a connection, or a call; it must not stay so. */
    Answer callPatiently() throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (true) {
            try (RawHttp2 connection = connect()) {
                Answer answer = connection.call(RawHttp2.grpc(ProbePolicy.SANDBOX), ALPHA);
                if (answer.grpcStatus() == 0 || System.nanoTime() > deadline) {
                    return answer;
                }
            } catch (Exception e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
            }
        }
    }

    @Override
    public void close() {
        if (garbage != null) {
            garbage.close();
        }
        envoy.close();
        if (relay != null) {
            relay.close();
        }
        gateway.close();
        issuer.close();
        extAuthz.close();
        group.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }
}
