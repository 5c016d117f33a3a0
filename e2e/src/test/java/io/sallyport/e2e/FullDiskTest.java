package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.StackOptions;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.support.SmallDisk;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A disk without a byte left under the issuer's database: what needs it says so, what does not goes on. */
@ExtendWith(Arenas.Resolver.class)
class FullDiskTest {
    @ParameterizedTest
    @EnumSource(
            value = Setup.class,
            names = {"V0_0_TRUSTING", "V0_1_UNCHANGED"})
    void whatCannotBeWrittenIsRefusedAndWhatIsKnownGoesOn(Setup setup, Arenas arenas) throws IOException {
        StackOptions options = arenas.options(setup);
        Path store = options.state().resolve("store");
        // The second one as it is for somebody who is not root, whoever runs this.
        try (SmallDisk disk = setup == Setup.V0_0_TRUSTING ? SmallDisk.in(store) : SmallDisk.forbidden(store);
                Arena arena = arenas.own(options)) {
            Caller notSeenYet = arena.admit(KnownSandbox.parse("gamma"));
            long issuer = arena.stack().pid(Part.ISSUER);
            disk.fill(issuer);
            assertThatThrownBy(() -> arena.stack().registry().register(KnownSandbox.parse("too-much")))
                    .isInstanceOfSatisfying(
                            StatusRuntimeException.class,
                            e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE));
            if (disk.isMounted()) {
                // There is room for just this.
                arena.stack().registry().delete(arena.beta().id());
                Eventually.refuses("the deleted", Reason.SANDBOX_DELETED, () -> arena.ownConfig(arena.beta()));
            } else {
                assertThatThrownBy(() ->
                                arena.stack().registry().delete(arena.beta().id()))
                        .isInstanceOfSatisfying(
                                StatusRuntimeException.class,
                                e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE));
                // Not half deleted.
                assertThat(arena.ownConfig(arena.beta()).inWords())
                        .as(arena::logs)
                        .isEqualTo("OK: ");
            }
            assertThat(arena.ownConfig(arena.alpha()).inWords()).as(arena::logs).isEqualTo("OK: ");
            assertThat(arena.ownConfig(notSeenYet).inWords()).as(arena::logs).isEqualTo("OK: ");

            disk.free(issuer);
            var _ = Eventually.succeeds(
                    "room again",
                    StatusRuntimeException.class,
                    () -> arena.stack().registry().register(KnownSandbox.parse("enough-again")));
        }
    }
}
