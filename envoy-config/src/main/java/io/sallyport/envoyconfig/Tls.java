package io.sallyport.envoyconfig;

import io.sallyport.base.settings.Settings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Files for TLS, on the listener and towards a part of ours. They are named here and read by Envoy. */
final class Tls {
    private Tls() {}

    /** A certificate chain and its key, PEM. */
    record KeyPair(Path certificate, Path key) {}

    /**
     * TLS of the listener.
     *
     * @param keyPair what Envoy shows
     * @param clientCa clients must show a certificate of this CA; transport only, it never says who calls
     */
    record Downstream(KeyPair keyPair, Optional<Path> clientCa) {
        static Downstream read(Settings tls) {
            return new Downstream(
                    new KeyPair(file(tls, "certificate"), file(tls, "key")), optionalFile(tls, "client-ca"));
        }
    }

    /**
     * TLS towards a part of ours.
     *
     * @param ca who must have signed its certificate
     * @param serverName the name that certificate must carry, as a DNS name
     * @param keyPair what Envoy shows, where the other side asks
     */
    record Upstream(Path ca, String serverName, Optional<KeyPair> keyPair) {
        static Upstream read(Settings tls) {
            Optional<KeyPair> keyPair = tls.has("certificate") || tls.has("key")
                    ? Optional.of(new KeyPair(file(tls, "certificate"), file(tls, "key")))
                    : Optional.empty();
            return new Upstream(file(tls, "ca"), tls.string("server-name"), keyPair);
        }
    }

    /** Absolute, because Envoy runs in a directory of its own; a file that Envoy could not open is a mistake now. */
    private static Path file(Settings settings, String key) {
        Path file = settings.path(key).toAbsolutePath();
        if (settings.has(key) && !(Files.isRegularFile(file) && Files.isReadable(file))) {
            settings.problem(key, file + " is not a file that can be read; does it exist?");
        }
        return file;
    }

    private static Optional<Path> optionalFile(Settings settings, String key) {
        return settings.has(key) ? Optional.of(file(settings, key)) : Optional.empty();
    }
}
