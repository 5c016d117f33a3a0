package io.sallyport.issuer;

import static io.sallyport.issuer.RunningIssuer.GET_RECORD;
import static io.sallyport.issuer.RunningIssuer.REFRESH;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.sallyport.api.feed.v1.GetRecordRequest;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.registry.v1.DeleteSandboxRequest;
import io.sallyport.api.registry.v1.GetSandboxRequest;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.issuer.service.Calls;
import io.sallyport.issuer.store.JdbcStore;
import io.sallyport.issuer.store.PostgresServer;
import io.sallyport.issuer.store.SandboxStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** PostgreSQL goes away below a running issuer: calls say so soon, keys are still published, and it heals by itself. */
class PostgresOutageTest {
    private static PostgresServer server;

    @TempDir
    private Path directory;

    private String database = "";

    @BeforeAll
    static void startServer() throws Exception {
        server = PostgresServer.start();
    }

    @AfterAll
    static void stopServer() throws Exception {
        server.close();
    }

    @BeforeEach
    void createDatabase() throws Exception {
        database = server.createDatabase();
    }

    /** How it goes away, and how it comes back. */
    enum Outage {
        KILLED {
            @Override
            void begin() throws Exception {
                server.kill();
            }

            @Override
            void end() throws Exception {
                server.startAgain();
            }
        },
        STOPPED {
            @Override
            void begin() throws Exception {
                server.stop();
            }

            @Override
            void end() throws Exception {
                server.startAgain();
            }
        },
        FROZEN {
            @Override
            void begin() throws Exception {
                server.freeze();
            }

            @Override
            void end() throws Exception {
                server.thaw();
            }
        };

        abstract void begin() throws Exception;

        abstract void end() throws Exception;
    }

    @ParameterizedTest
    @EnumSource
    void callsSaySoSoonAndItHealsWithoutARestart(Outage outage) throws Exception {
        try (RunningIssuer issuer = issuer()) {
            issuer.register("alpha");
            SandboxClaims token = issuer.verify(issuer.mint("alpha"));
            Issuer running = issuer.issuer();
            RunningIssuer.await(() -> issuer.health(running.envoy(), "") == ServingStatus.SERVING);

            outage.begin();
            try {
                for (int i = 0; i < 3; i++) {
                    long begun = System.nanoTime();
                    StatusRuntimeException refused = catchThrowableOfType(
                            StatusRuntimeException.class,
                            () -> issuer.tokens(issuer.assertionFor(token, REFRESH))
                                    .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance()));
                    assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
                    assertThat(Status.trailersFromThrowable(refused).get(Calls.RETRY_AFTER))
                            .isEqualTo("1000");
                    assertThat(System.nanoTime() - begun).isLessThan(TimeUnit.SECONDS.toNanos(15));
                }
                for (var call : List.<Runnable>of(
                        () -> issuer.mint("alpha"),
                        () -> issuer.register("beta"),
                        () -> issuer.registry()
                                .deleteSandbox(DeleteSandboxRequest.newBuilder()
                                        .setId("alpha")
                                        .build()),
                        () -> issuer.feed(issuer.extAuthzAssertion(GET_RECORD))
                                .getRecord(GetRecordRequest.newBuilder()
                                        .setSandboxId("alpha")
                                        .build()))) {
                    assertThat(catchThrowableOfType(StatusRuntimeException.class, call::run)
                                    .getStatus()
                                    .getCode())
                            .isEqualTo(Status.Code.UNAVAILABLE);
                }
                RunningIssuer.await(() -> issuer.health(running.envoy(), "") == ServingStatus.NOT_SERVING);
                assertThat(issuer.http("GET", "/healthz").statusCode()).isEqualTo(503);
                assertThat(issuer.http("GET", "/.well-known/jwks.json").statusCode())
                        .as("whoever has a token can still have it checked")
                        .isEqualTo(200);
            } finally {
                outage.end();
            }
            RunningIssuer.await(() -> issuer.health(running.envoy(), "") == ServingStatus.SERVING);
            assertThat(issuer.http("GET", "/healthz").statusCode()).isEqualTo(200);
            // Health is about writing; a connection for reading may still have to find out that it is broken.
            RunningIssuer.await(() -> isFound(issuer, "alpha"));
            assertThat(issuer.mint("alpha")).isNotEmpty();
        }
    }

    private static boolean isFound(RunningIssuer issuer, String id) {
        try {
            return issuer.registry()
                    .getSandbox(GetSandboxRequest.newBuilder().setId(id).build())
                    .getId()
                    .equals(id);
        } catch (StatusRuntimeException e) {
            return false;
        }
    }

    @Test
    void whatWasAcknowledgedUnderLoadOutlivesTheKillOfTheServer() throws Exception {
        Queue<String> registered = new ConcurrentLinkedQueue<>();
        Queue<String> deleted = new ConcurrentLinkedQueue<>();
        CountDownLatch enough = new CountDownLatch(200);
        AtomicBoolean over = new AtomicBoolean();
        try (RunningIssuer issuer = issuer()) {
            List<Thread> callers = new ArrayList<>();
            for (int w = 0; w < 6; w++) {
                String prefix = "s" + w + "-";
                callers.add(Thread.ofPlatform().start(() -> {
                    for (int i = 0; !over.get(); i++) {
                        String id = prefix + i;
                        try {
                            issuer.register(id);
                            registered.add(id);
                            if (i % 3 == 0) {
                                var _ = issuer.registry()
                                        .deleteSandbox(DeleteSandboxRequest.newBuilder()
                                                .setId(id)
                                                .build());
                                deleted.add(id);
                            }
                            enough.countDown();
                        } catch (StatusRuntimeException e) {
                            assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
                        }
                    }
                }));
            }
            try {
                assertThat(enough.await(60, TimeUnit.SECONDS)).isTrue();
                server.kill();
                int before = registered.size();
                server.startAgain();
                RunningIssuer.await(() -> registered.size() > before + 20);
            } finally {
                over.set(true);
            }
            for (Thread caller : callers) {
                caller.join();
            }
            for (String id : registered) {
                assertThat(issuer.registry()
                                .getSandbox(
                                        GetSandboxRequest.newBuilder().setId(id).build())
                                .getId())
                        .isEqualTo(id);
            }
            for (String id : deleted) {
                assertThat(catchThrowableOfType(StatusRuntimeException.class, () -> issuer.mint(id))
                                .getStatus()
                                .getCode())
                        .as(id)
                        .isEqualTo(Status.Code.FAILED_PRECONDITION);
            }
        }
    }

    @Test
    void aServerWithoutAFreeConnectionIsAnOutageAndNoMore() throws Exception {
        server.asSuperuser("ALTER DATABASE " + database + " CONNECTION LIMIT 10");
        try (RunningIssuer issuer = issuer()) {
            issuer.register("alpha");
            server.asSuperuser(
                    "ALTER DATABASE " + database + " CONNECTION LIMIT 0",
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + database + "'");
            RunningIssuer.await(() -> {
                StatusRuntimeException refused =
                        catchThrowableOfType(StatusRuntimeException.class, () -> issuer.mint("alpha"));
                return refused != null && refused.getStatus().getCode() == Status.Code.UNAVAILABLE;
            });

            server.asSuperuser("ALTER DATABASE " + database + " CONNECTION LIMIT 10");
            RunningIssuer.await(() -> issuer.health(issuer.issuer().envoy(), "") == ServingStatus.SERVING);
            assertThat(issuer.mint("alpha")).isNotEmpty();
        }
    }

    /** A fail-over to a standby that is not promoted yet; here by making the sessions read-only. */
    @Test
    void aDatabaseThatCanOnlyBeReadIsAnOutageOfWrites() throws Exception {
        try (RunningIssuer issuer = issuer()) {
            issuer.register("alpha");
            server.asSuperuser(
                    "ALTER DATABASE " + database + " SET default_transaction_read_only = on",
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + database + "'");
            RunningIssuer.await(() -> {
                StatusRuntimeException refused = catchThrowableOfType(
                        StatusRuntimeException.class,
                        () -> issuer.registry()
                                .registerSandbox(RegisterSandboxRequest.newBuilder()
                                        .setId("beta")
                                        .build()));
                return refused != null
                        && refused.getStatus().getCode() == Status.Code.UNAVAILABLE
                        && issuer.health(issuer.issuer().envoy(), "") == ServingStatus.NOT_SERVING;
            });

            server.asSuperuser(
                    "ALTER DATABASE " + database + " RESET default_transaction_read_only",
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + database + "'");
            RunningIssuer.await(() -> issuer.health(issuer.issuer().envoy(), "") == ServingStatus.SERVING);
            issuer.clock().advance(Duration.ofMinutes(1));
            issuer.register("beta");
        }
    }

    @Test
    void aStandbyIsRefusedAndOneThatWasPromotedHasAnotherLog() throws Exception {
        String before = storeId();
        try (RunningIssuer issuer = issuer()) {
            issuer.register("alpha");
            server.stop();
            Path standby = Files.createFile(server.dataDirectory().resolve("standby.signal"));
            server.startAgain();
            try {
                assertThatThrownBy(this::storeId)
                        .isInstanceOf(IOException.class)
                        .hasMessageContaining("is a standby")
                        .hasMessageContaining("store.postgresql.hosts");
                for (int i = 0; i < 3; i++) {
                    assertThat(catchThrowableOfType(StatusRuntimeException.class, () -> issuer.mint("alpha"))
                                    .getStatus()
                                    .getCode())
                            .isEqualTo(Status.Code.UNAVAILABLE);
                }
                RunningIssuer.await(() -> issuer.health(issuer.issuer().envoy(), "") == ServingStatus.NOT_SERVING);
            } finally {
                server.asSuperuser("SELECT pg_promote()");
            }
            assertThat(standby).doesNotExist();
            RunningIssuer.await(() -> issuer.health(issuer.issuer().envoy(), "") == ServingStatus.SERVING);
            assertThat(issuer.mint("alpha")).isNotEmpty();
        }
        assertThat(storeId()).as("a new timeline").isNotEqualTo(before).isEqualTo(storeId());
    }

    private String storeId() throws Exception {
        try (SandboxStore store = JdbcStore.postgresql(server.settings(database))) {
            return store.position().storeId();
        }
    }

    private RunningIssuer issuer() throws Exception {
        RunningIssuer.generateKeys(directory);
        return RunningIssuer.over(directory, RunningIssuer.writeSettings(directory, directory, server, database));
    }
}
