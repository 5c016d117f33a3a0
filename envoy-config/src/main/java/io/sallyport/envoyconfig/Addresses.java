package io.sallyport.envoyconfig;

import io.envoyproxy.envoy.config.core.v3.Address;
import io.envoyproxy.envoy.config.core.v3.Pipe;
import io.envoyproxy.envoy.config.core.v3.SocketAddress;
import io.sallyport.base.net.Endpoint;
import java.net.InetAddress;

/** {@link Endpoint}s in Envoy's words. */
final class Addresses {
    /** Who may connect to a socket that Envoy itself makes: its own user, and its group (the supervisors' side). */
    private static final int LISTENER_MODE = 0660;

    private Addresses() {}

    /** An address that Envoy calls. */
    static Address called(Endpoint endpoint) {
        return switch (endpoint) {
            case Endpoint.Unix unix ->
                Address.newBuilder()
                        .setPipe(Pipe.newBuilder().setPath(unix.path().toString()))
                        .build();
            case Endpoint.Tcp tcp ->
                Address.newBuilder()
                        .setSocketAddress(
                                SocketAddress.newBuilder().setAddress(host(tcp)).setPortValue(tcp.port()))
                        .build();
        };
    }

    /** An address that Envoy listens on. */
    static Address listened(Endpoint endpoint) {
        return listened(endpoint, LISTENER_MODE);
    }

    /** An address that Envoy listens on for its own user only. */
    static Address listenedPrivately(Endpoint endpoint) {
        return listened(endpoint, 0600);
    }

    private static Address listened(Endpoint endpoint, int mode) {
        Address address = called(endpoint);
        return address.hasPipe()
                ? address.toBuilder()
                        .setPipe(address.getPipe().toBuilder().setMode(mode))
                        .build()
                : address;
    }

    /** Whether the host needs no resolver: an IP literal, or {@code localhost}, which is taken as 127.0.0.1. */
    static boolean isNumeric(Endpoint.Tcp tcp) {
        try {
            InetAddress.ofLiteral(host(tcp));
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private static String host(Endpoint.Tcp tcp) {
        return tcp.host().equals("localhost") ? "127.0.0.1" : tcp.host();
    }
}
