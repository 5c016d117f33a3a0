package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.base.Reason;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.Replicas;
import io.sallyport.e2e.support.Supervisor;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.TokenForge;
import io.sallyport.identity.KeyDirectory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is taken back at one issuer is refused behind every Envoy, whichever process is away at that moment. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
abstract class ReplicasContract {
    private static final int AT_ONCE = 64;

    final Replicas replicas;

    ReplicasContract(Replicas replicas) {
        this.replicas = replicas;
    }

    /** What can be taken back, and what that token is then told. */
    @SuppressWarnings("ImmutableEnumChecker") // the functions hold nothing
    enum Taking {
        TOKEN(
                (stack, token) ->
                        revoke(stack, RevocationSubject.newBuilder().setTokenId(Supervisor.claim(token, "jti"))),
                Reason.TOKEN_REVOKED),
        LINEAGE(
                (stack, token) ->
                        revoke(stack, RevocationSubject.newBuilder().setLineage(Supervisor.claim(token, "lin"))),
                Reason.TOKEN_REVOKED),
        SANDBOX(
                (stack, token) -> revoke(
                        stack, RevocationSubject.newBuilder().setSandboxId(Supervisor.claim(token, "sandbox_id"))),
                Reason.TOKEN_REVOKED),
        KEY(
                (stack, token) ->
                        revoke(stack, RevocationSubject.newBuilder().setKeyId(Supervisor.claim(token, "kid"))),
                Reason.TOKEN_REVOKED),
        STOP(
                (stack, token) -> stack.registry()
                        .setState(Supervisor.claim(token, "sandbox_id"), SandboxState.SANDBOX_STATE_STOPPED),
                Reason.SANDBOX_STOPPED),
        DELETION(
                (stack, token) -> stack.registry().delete(Supervisor.claim(token, "sandbox_id")),
                Reason.SANDBOX_DELETED);

        private final BiFunction<SallyportStack, String, Object> act;
        final Reason reason;

        Taking(BiFunction<SallyportStack, String, Object> act, Reason reason) {
            this.act = act;
            this.reason = reason;
        }

        private static Object revoke(SallyportStack stack, RevocationSubject.Builder subject) {
            return stack.registry().revoke(subject.build());
        }

        void at(SallyportStack stack, String token) {
            var _ = act.apply(stack, token);
        }
    }

    @AfterEach
    void everythingRunsAgain() {
        for (SallyportStack stack : replicas.issuers()) {
            if (!stack.isRunning(Part.ISSUER)) {
                stack.start(Part.ISSUER);
            }
        }
    }

    @AfterAll
    void stop() {
        replicas.close();
    }

    @ParameterizedTest
    @EnumSource(Taking.class)
    void takenBackAtOneIsRefusedAtAll(Taking taking) {
        List<Supervisor> doors = working(taking);
        taking.at(replicas.issuers().getLast(), doors.getFirst().token());
        refusedEverywhere(taking.reason, doors);
    }

    /** The issuer dies a moment after it said yes. */
    @Test
    void takenBackBeforeAKillIsRefusedAtAllAfterwards() {
        SallyportStack issuer = replicas.issuers().getLast();
        Map<Taking, List<Supervisor>> cases = oneForEach();
        cases.forEach((taking, doors) -> taking.at(issuer, doors.getFirst().token()));
        issuer.kill(Part.ISSUER);
        issuer.start(Part.ISSUER);
        cases.forEach((taking, doors) -> refusedEverywhere(taking.reason, doors));
    }

    /** Nobody tells one ext-authz until the issuers are back; then it hears it all, from where it stopped listening. */
    @Test
    void takenBackWhileTheFeedIsCutIsRefusedAfterReconnecting() {
        Map<Taking, List<Supervisor>> cases = oneForEach();
        SallyportStack deaf = replicas.stacks().getLast();
        deaf.suspend(Part.EXT_AUTHZ);
        try {
            cases.forEach((taking, doors) ->
                    taking.at(replicas.issuers().getFirst(), doors.getFirst().token()));
            replicas.issuers().forEach(issuer -> issuer.kill(Part.ISSUER));
        } finally {
            deaf.resume(Part.EXT_AUTHZ);
        }
        replicas.issuers().forEach(issuer -> issuer.start(Part.ISSUER));
        cases.forEach((taking, doors) -> refusedEverywhere(taking.reason, doors));
    }

    @Test
    void manyRefreshesAtEveryDoorYieldOneSuccessor() throws Exception {
        Caller caller = newcomer();
        List<SallyportStack> stacks = replicas.stacks();
        List<Callable<String>> refreshes = new ArrayList<>();
        for (int i = 0; i < AT_ONCE; i++) {
            SallyportStack stack = stacks.get(i % stacks.size());
            refreshes.add(() -> {
                try (Supervisor supervisor = new Supervisor(replicas.arena(), caller, stack.port())) {
                    Eventually.answers("a refresh", "OK: ", supervisor::refresh);
                    return supervisor.token();
                }
            });
        }
        List<String> successors = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(AT_ONCE)) {
            for (Future<String> each : threads.invokeAll(refreshes)) {
                successors.add(each.get());
            }
        }
        assertThat(successors.stream().distinct().count())
                .as("different successors")
                .isEqualTo(1);
    }

    /** An ext-authz that never heard of anything lets nobody in, not even who was never taken back. */
    @Test
    void aFirstStartWithoutAnIssuerIsNotReadyAndClosed() {
        SallyportStack blind = replicas.stacks().getLast();
        List<Supervisor> doors = working();
        blind.stop(Part.EXT_AUTHZ);
        replicas.issuers().forEach(issuer -> issuer.kill(Part.ISSUER));
        blind.startWithoutWaiting(Part.EXT_AUTHZ);
        Eventually.holds("it answers, and says that it is not ready", () -> health(blind) == ServingStatus.NOT_SERVING);
        long before = replicas.arena().stack().gateway().count();
        for (int i = 0; i < 20; i++) {
            Outcome outcome = doors.getLast().ask();
            assertThat(outcome.status().map(Status::getCode))
                    .as(outcome.inWords())
                    .contains(Status.Code.UNAVAILABLE);
        }
        assertThat(replicas.arena().stack().gateway().since(before)).isEmpty();
        assertThat(blind.isReady(Part.EXT_AUTHZ)).isFalse();

        replicas.issuers().forEach(issuer -> issuer.start(Part.ISSUER));
        Eventually.holds("it is ready", () -> health(blind) == ServingStatus.SERVING);
        Eventually.answers("and lets in who may", "OK: ", doors.getLast()::ask);
    }

    /** A newcomer for each kind of taking back. */
    final Map<Taking, List<Supervisor>> oneForEach() {
        Map<Taking, List<Supervisor>> cases = new EnumMap<>(Taking.class);
        for (Taking taking : Taking.values()) {
            cases.put(taking, working(taking));
        }
        return cases;
    }

    /** A newcomer who works behind every Envoy. */
    private List<Supervisor> working() {
        return working(newcomer());
    }

    private List<Supervisor> working(Taking taking) {
        Caller newcomer = newcomer();
        return working(taking == Taking.KEY ? withAKeyOfItsOwn(newcomer) : newcomer);
    }

    /** Signed with a key that signs for nobody else, and of which only the public half is kept. */
    private Caller withAKeyOfItsOwn(Caller caller) {
        SallyportStack stack = replicas.arena().stack();
        try {
            Path spare = Files.createTempDirectory("spare-key");
            KeyDirectory.generate(spare);
            TokenForge forge = TokenForge.withKeyOf(spare, stack.options().gatewayId());
            Path key = spare.resolve(forge.keyId());
            Files.delete(key.resolve("signing.pem"));
            Files.move(key, stack.tokenKeys().resolve(forge.keyId()));
            return new Caller(caller.sandbox(), forge.token(caller.id()).signed());
        } catch (IOException e) {
            throw new AssertionError("a key of its own", e);
        }
    }

    private List<Supervisor> working(Caller caller) {
        List<Supervisor> doors = replicas.atEveryDoor(caller);
        for (Supervisor door : doors) {
            Eventually.answers("a call of a newcomer", "OK: ", door::ask);
        }
        return doors;
    }

    private Caller newcomer() {
        return replicas.arena().admit(KnownSandbox.parse("sb-" + UUID.randomUUID()));
    }

    static void refusedEverywhere(Reason reason, List<Supervisor> doors) {
        callsRefused(reason, doors);
        for (Supervisor door : doors) {
            Eventually.refuses("a refresh", reason, door::refresh);
        }
    }

    static void callsRefused(Reason reason, List<Supervisor> doors) {
        for (Supervisor door : doors) {
            Eventually.refuses("a call", reason, door::ask);
        }
        // Who has heard of it forgets it no more.
        for (Supervisor door : doors) {
            assertThat(door.ask().inWords()).isEqualTo(reason.statusCode() + ": " + reason.text());
        }
    }

    private static ServingStatus health(SallyportStack stack) {
        EventLoopGroup loops = GrpcServers.eventLoops("health", 1);
        ManagedChannel channel = GrpcChannels.connectTo(new Endpoint.Unix(stack.socket("ext-authz")), loops)
                .build();
        try {
            return HealthGrpc.newBlockingStub(channel)
                    .withDeadlineAfter(5, TimeUnit.SECONDS)
                    .check(HealthCheckRequest.getDefaultInstance())
                    .getStatus();
        } catch (io.grpc.StatusRuntimeException e) {
            return ServingStatus.UNKNOWN;
        } finally {
            channel.shutdownNow();
            loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
        }
    }
}
