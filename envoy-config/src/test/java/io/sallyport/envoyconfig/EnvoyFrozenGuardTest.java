package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.RawHttp2.grpc;
import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.envoyconfig.EnvoyStreamsTest.Moment;
import io.sallyport.envoyconfig.RawHttp2.Answer;
import io.sallyport.envoyconfig.RawHttp2.Call;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A process that is stopped answers no ping: whatever a stream is doing, it ends. The rows wait for that side by side. */
@Execution(ExecutionMode.CONCURRENT)
class EnvoyFrozenGuardTest {
    @ParameterizedTest
    @EnumSource(
            value = Moment.class,
            names = {"IDLE", "TUNNEL", "TUNNEL_HALF_CLOSED", "TUNNEL_ANSWERING"})
    void aStreamEndsSoonAfterItsGuardHasFrozen(Moment moment, @TempDir Path directory) throws Exception {
        try (LiveEnvoy own = LiveEnvoy.startFreezable(directory, new SettingsText());
                RawHttp2 connection = own.connect()) {
            own.gateway().silent(true);
            own.gateway().eager(moment.answering);
            Call call = connection.open(grpc(moment.path), false).data(LiveEnvoy.ALPHA, moment.halfClosed);
            own.gateway().awaitBody(LiveEnvoy.ALPHA.length);
            if (moment.answering) {
                call.awaitHead();
            }

            own.freezeExtAuthz();

            Answer answer = call.answer();
            assertThat(answer.grpcStatus()).isNotZero();
            own.gateway().arrivals().getFirst().awaitReset();
        }
    }
}
