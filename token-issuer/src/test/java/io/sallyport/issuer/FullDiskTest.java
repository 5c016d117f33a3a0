package io.sallyport.issuer;

import static io.sallyport.issuer.RunningIssuer.GET_RECORD;
import static io.sallyport.issuer.RunningIssuer.REFRESH;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.sallyport.api.feed.v1.GetRecordRequest;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.registry.v1.ListSandboxesRequest;
import io.sallyport.api.registry.v1.MintBootstrapTokenRequest;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.issuer.service.Calls;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A disk that is really full: a small tmpfs under the database. Mounting one needs root, which the tests of CI have;
 * {@code SqliteStoreTest} has the same without a disk.
 */
class FullDiskTest {
    @TempDir
    private Path directory;

    private Path disk;
    private boolean mounted;

    @BeforeEach
    void mount() throws Exception {
        disk = Files.createDirectory(directory.resolve("disk"));
        mounted = command("mount", "-t", "tmpfs", "-o", "size=5m,mode=0700", "tmpfs", disk.toString());
        assumeTrue(mounted, "needs to be root and allowed to mount a tmpfs");
    }

    @AfterEach
    void unmount() throws Exception {
        if (mounted) {
            assertThat(command("umount", disk.toString())).isTrue();
        }
    }

    @Test
    void writesSaySoReadsGoOnAndSpaceHeals() throws Exception {
        try (RunningIssuer issuer = RunningIssuer.in(directory, disk.resolve("issuer.db"))) {
            issuer.register("alpha");
            SandboxClaims token = issuer.verify(issuer.mint("alpha"));
            fillDisk();
            List<String> acknowledged = registerUntilItFails(issuer);

            assertThat(acknowledged).as("the last free pages").hasSizeLessThan(10_000);
            for (ThrowingCallable write : List.<ThrowingCallable>of(
                    () -> issuer.registry()
                            .registerSandbox(RegisterSandboxRequest.newBuilder()
                                    .setId("x")
                                    .build()),
                    () -> issuer.registry()
                            .mintBootstrapToken(MintBootstrapTokenRequest.newBuilder()
                                    .setId("alpha")
                                    .build()),
                    () -> issuer.tokens(issuer.assertionFor(token, REFRESH))
                            .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance()))) {
                StatusRuntimeException refused = catchThrowableOfType(StatusRuntimeException.class, write);
                assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
                assertThat(Status.trailersFromThrowable(refused).get(Calls.RETRY_AFTER))
                        .isEqualTo("1000");
            }
            Issuer running = issuer.issuer();
            RunningIssuer.await(() -> issuer.health(running.envoy(), "") == ServingStatus.NOT_SERVING);
            assertThat(issuer.http("GET", "/healthz").statusCode()).isEqualTo(503);
            assertThat(issuer.feed(issuer.extAuthzAssertion(GET_RECORD))
                            .getRecord(GetRecordRequest.newBuilder()
                                    .setSandboxId("alpha")
                                    .build())
                            .getId())
                    .isEqualTo("alpha");
            assertThat(issuer.http("GET", "/.well-known/jwks.json").statusCode())
                    .isEqualTo(200);

            Files.delete(disk.resolve("filler"));

            RunningIssuer.await(() -> issuer.health(running.envoy(), "") == ServingStatus.SERVING);
            assertThat(issuer.verify(issuer.tokens(issuer.assertionFor(token, REFRESH))
                                    .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance())
                                    .getToken())
                            .lineage()
                            .orElseThrow()
                            .generation())
                    .as("the refused refresh has not moved the lineage")
                    .isEqualTo(1);
            issuer.register("later");
            assertThat(ids(issuer))
                    .contains("alpha", "later")
                    .containsAll(acknowledged)
                    .doesNotContain("x");

            issuer.restart();
            assertThat(ids(issuer))
                    .contains("alpha", "later")
                    .containsAll(acknowledged)
                    .doesNotContain("x");
        }
    }

    @Test
    void whatTakesPassesBackGetsThroughAndNothingElseTakesItsRoom() throws Exception {
        try (RunningIssuer issuer = RunningIssuer.in(directory, disk.resolve("issuer.db"))) {
            issuer.register("alpha");
            issuer.register("beta");
            issuer.register("gamma");
            SandboxClaims token = issuer.verify(issuer.mint("alpha"));
            assertThat(disk.resolve("issuer.db-reserve")).hasSize(1024 * 1024);
            fillDisk();
            List<String> acknowledged = registerUntilItFails(issuer);

            for (String[] command : new String[][] {
                {"token", "revoke", "--id", token.tokenId().orElseThrow(), "--reason", "lost"},
                {"sandbox", "revoke", "alpha", "--reason", "lost"},
                {"sandbox", "stop", "gamma"},
                {"sandbox", "delete", "beta"},
                {"keys", "revoke", "some-key", "--reason", "leaked"}
            }) {
                RunningIssuer.Printed printed = issuer.command(command);
                assertThat(printed.exitCode())
                        .as(String.join(" ", command) + ": " + printed.err())
                        .isZero();
                assertThat(catchThrowableOfType(StatusRuntimeException.class, () -> issuer.register("between"))
                                .getStatus()
                                .getCode())
                        .as("the room is not for others")
                        .isEqualTo(Status.Code.UNAVAILABLE);
            }
            assertThat(disk.resolve("issuer.db-reserve")).doesNotExist();

            issuer.restart();
            assertThat(issuer.command("token", "revocations").out())
                    .contains("token=" + token.tokenId().orElseThrow(), "sandbox=alpha", "key=some-key");
            assertThat(issuer.command("sandbox", "list", "--all").out())
                    .contains("sandbox=beta name=default/beta state=deleted")
                    .contains("sandbox=gamma name=default/gamma state=stopped");
            assertThat(ids(issuer)).containsAll(acknowledged);

            Files.delete(disk.resolve("filler"));
            RunningIssuer.await(() -> issuer.health(issuer.issuer().envoy(), "") == ServingStatus.SERVING);
            RunningIssuer.await(() -> Files.exists(disk.resolve("issuer.db-reserve")));
            issuer.register("after");
        }
    }

    @Test
    void anIssuerThatStartsOnAFullDiskReadsAndWaits() throws Exception {
        try (RunningIssuer issuer = RunningIssuer.in(directory, disk.resolve("issuer.db"))) {
            issuer.register("alpha");

            // A start needs eight pages for the index of the log, and has a few more, but not enough for a probe.
            issuer.restart(() -> fillDisk(12 * 4096));

            assertThat(ids(issuer)).contains("alpha");
            assertThat(issuer.health(issuer.issuer().envoy(), "")).isEqualTo(ServingStatus.NOT_SERVING);
            Files.delete(disk.resolve("filler"));
            RunningIssuer.await(() -> issuer.health(issuer.issuer().envoy(), "") == ServingStatus.SERVING);
        }
    }

    private List<String> registerUntilItFails(RunningIssuer issuer) {
        List<String> acknowledged = new ArrayList<>();
        for (int i = 0; i < 10_000; i++) {
            String id = "fill-" + i;
            try {
                issuer.register(id);
                acknowledged.add(id);
            } catch (StatusRuntimeException e) {
                assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
                break;
            }
        }
        return acknowledged;
    }

    private void fillDisk() throws IOException {
        fillDisk(0);
    }

    /** Writes until the disk is full, and then leaves some bytes free. */
    private void fillDisk(long leave) throws IOException {
        Path filler = disk.resolve("filler");
        try (OutputStream out = Files.newOutputStream(filler)) {
            byte[] page = new byte[4096];
            while (true) {
                out.write(page);
            }
        } catch (IOException e) {
            assertThat(e).hasMessageContaining("No space left");
        }
        try (var channel = java.nio.channels.FileChannel.open(filler, java.nio.file.StandardOpenOption.WRITE)) {
            channel.truncate(Math.max(0, Files.size(filler) - leave));
        }
    }

    private static List<String> ids(RunningIssuer issuer) {
        return issuer
                .registry()
                .listSandboxes(
                        ListSandboxesRequest.newBuilder().setPageSize(1000).build())
                .getSandboxesList()
                .stream()
                .map(Sandbox::getId)
                .toList();
    }

    private static boolean command(String... words) throws Exception {
        try {
            return new ProcessBuilder(words)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            return false;
        }
    }
}
