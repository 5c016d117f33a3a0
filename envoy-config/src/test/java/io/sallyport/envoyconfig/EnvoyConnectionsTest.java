package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.LiveEnvoy.ALPHA;
import static io.sallyport.envoyconfig.RawHttp2.grpc;
import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.envoyconfig.RawHttp2.Call;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** As many clients as there may be, each with connections to the gateway of its own. */
class EnvoyConnectionsTest {
    private static final List<String> SHARES =
            List.of(ProbePolicy.SANDBOX, ProbePolicy.SANDBOX_TUNNEL, ProbePolicy.USER);
    private static final int CLIENTS = 16;

    /** Each client has its place in each share, also when all have all of theirs, and after many that came and went. */
    @Test
    void everyClientHasItsPlaceHoweverManyCameAndWent(@TempDir Path directory) throws Exception {
        List<RawHttp2> staying = new ArrayList<>();
        try (LiveEnvoy own =
                LiveEnvoy.start(directory, new SettingsText().with("limits", "{connections: " + CLIENTS + "}"))) {
            own.gateway().silent(true);
            List<Call> open = new ArrayList<>();
            for (int i = 0; i < CLIENTS / 2; i++) {
                open.addAll(openInEachShare(own, staying));
            }
            own.gateway().awaitArrivals(open.size());
            own.gateway().silent(false);

            // Faster than connections to the gateway go, and more than there may be of them.
            for (int i = 0; i < 5 * CLIENTS; i++) {
                try (RawHttp2 brief = own.connectPatiently()) {
                    for (String path : SHARES) {
                        assertThat(brief.call(grpc(path), ALPHA).grpcStatus())
                                .as("%s of client %d", path, i)
                                .isZero();
                    }
                }
            }
            own.gateway().forget();
            own.gateway().silent(true);
            for (int i = 0; i < CLIENTS / 2; i++) {
                open.addAll(openInEachShare(own, staying));
            }

            own.gateway().awaitArrivals(open.size() / 2);
            assertThat(open.stream().filter(Call::answered)).isEmpty();
        } finally {
            staying.forEach(RawHttp2::close);
        }
    }

    private static List<Call> openInEachShare(LiveEnvoy envoy, List<RawHttp2> staying) throws Exception {
        RawHttp2 client = envoy.connectPatiently();
        staying.add(client);
        List<Call> calls = new ArrayList<>();
        for (String path : SHARES) {
            calls.add(client.open(grpc(path), false).data(ALPHA, !path.equals(ProbePolicy.SANDBOX_TUNNEL)));
        }
        return calls;
    }
}
