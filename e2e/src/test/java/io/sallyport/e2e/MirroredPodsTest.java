package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.InvalidProtocolBufferException;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.grpc.StatusRuntimeException;
import io.sallyport.api.openshell00.IssueSandboxTokenResponse;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.Registry;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.AuditTail;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import io.sallyport.kubernetes.ApiServer;
import io.sallyport.kubernetes.TestSandboxes;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Nobody registers anything: a Sandbox resource makes its pod a sandbox, and its end ends that. */
@ExtendWith(Arenas.Resolver.class)
class MirroredPodsTest {
    private static final String ISSUE = Arena.OPEN_SHELL + "IssueSandboxToken";
    private static final String GET_DRAFT = Arena.OPEN_SHELL + "GetDraftPolicy";
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** From the end of a Sandbox to that of its tokens; the best of three, for the machine has other work. */
    private static final Duration MOMENT = Duration.ofSeconds(2);

    private final Arenas arenas;

    MirroredPodsTest(Arenas arenas) {
        this.arenas = arenas;
    }

    @Test
    void aSandboxResourceIsAllThatAPodNeedsAndItsEndIsThePods() throws Exception {
        try (ApiServer server = ApiServer.start()) {
            TestSandboxes sandboxes = TestSandboxes.prepare(server);
            try (Arena arena = arenas.own(
                    arenas.options(Setup.V0_0_TRUSTING)
                            .with(Part.EXT_AUTHZ, "kubernetes.timeout", "5s")
                            .with(Part.EXT_AUTHZ, "kubernetes.namespaces", List.of(sandboxes.namespace()))
                            .with(Part.EXT_AUTHZ, "kubernetes.accounts", List.of(TestSandboxes.ACCOUNT))
                            .with(
                                    Part.EXT_AUTHZ,
                                    "kubernetes.kubeconfig",
                                    sandboxes.grant(server, "ext-authz").toString())
                            .with(Part.ISSUER, "records", "kubernetes")
                            .with(Part.ISSUER, "kubernetes.namespaces", List.of(sandboxes.namespace()))
                            .with(
                                    Part.ISSUER,
                                    "kubernetes.kubeconfig",
                                    sandboxes.grant(server, "token-issuer").toString()),
                    (registry, sandbox) -> mirror(registry, sandboxes, sandbox))) {
                List<Duration> ends = new ArrayList<>();
                for (int i = 0; i < 3; i++) {
                    ends.add(livesAndEnds(arena, sandboxes, "mirrored-" + i));
                }
                assertThat(Collections.min(ends)).as("of %s", ends).isLessThan(MOMENT);
            }
        }
    }

    /** How long its token was good for after the resource was deleted. */
    private static Duration livesAndEnds(Arena arena, TestSandboxes sandboxes, String id) throws Exception {
        KnownSandbox sandbox = new KnownSandbox(id, "default", id + "-name");
        arena.stack().gateway().know(sandbox);
        String own = podToken(sandboxes, id, sandboxes.sandbox(id, labels(sandbox)));
        Caller caller = new Caller(sandbox, firstToken(arena, own));
        assertThat(arena.ownConfig(caller).inWords()).isEqualTo("OK: ");
        assertThat(draft(arena, caller).inWords()).as("by its name").isEqualTo("OK: ");

        AuditTail audit = new AuditTail(arena.stack().auditLog(Part.ISSUER));
        String thief = podToken(
                sandboxes, id, sandboxes.sandbox(id + "-thief", Map.of("openshell.ai/sandbox-id", sandbox.id())));
        assertThat(issue(arena, thief).inWords())
                .as("a pod of a Sandbox that only has the same label")
                .isEqualTo(Reason.OWNER_UNRECORDED.statusCode() + ": " + Reason.OWNER_UNRECORDED.text());
        assertThat(audit.next(Reason.OWNER_UNRECORDED)).isNotEmpty();

        audit = new AuditTail(arena.stack().auditLog(Part.EXT_AUTHZ));
        sandboxes.deleteSandbox(id);
        long begin = System.nanoTime();
        Outcome outcome = arena.ownConfig(caller);
        while (outcome.isOk() && System.nanoTime() - begin < PATIENCE.toNanos()) {
            outcome = arena.ownConfig(caller);
        }
        Duration took = Duration.ofNanos(System.nanoTime() - begin);
        assertThat(outcome.inWords())
                .isEqualTo(Reason.SANDBOX_DELETED.statusCode() + ": " + Reason.SANDBOX_DELETED.text());
        assertThat(audit.next(Reason.SANDBOX_DELETED)).isNotEmpty();
        assertThat(issue(arena, own).isOk()).as("its pod is still there").isFalse();
        return took;
    }

    private static String podToken(TestSandboxes sandboxes, String id, GenericKubernetesResource owner) {
        return sandboxes.token(sandboxes.pod(
                owner.getMetadata().getName() + "-pod",
                TestSandboxes.ACCOUNT,
                Map.of("openshell.io/sandbox-id", id),
                List.of(TestSandboxes.owner(owner, true))));
    }

    private static void mirror(Registry registry, TestSandboxes sandboxes, KnownSandbox sandbox) {
        sandboxes.sandbox(sandbox.id(), labels(sandbox));
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try {
                var _ = registry.get(sandbox.id());
                return;
            } catch (StatusRuntimeException e) {
                if (System.nanoTime() > end) {
                    throw e;
                }
            }
        }
    }

    private static Map<String, String> labels(KnownSandbox sandbox) {
        return Map.of(
                "openshell.ai/sandbox-id", sandbox.id(),
                "openshell.ai/sandbox-name", sandbox.name(),
                "openshell.ai/sandbox-workspace", sandbox.workspace());
    }

    private static Outcome issue(Arena arena, String token) {
        return arena.call(Headers.grpc(ISSUE).bearer(token), Wire.message().framed());
    }

    private static Outcome draft(Arena arena, Caller caller) {
        return arena.call(
                Headers.grpc(GET_DRAFT).bearer(caller.token()),
                Wire.message().string(1, caller.sandbox().name()).framed());
    }

    /** The pod may come before its record, by a moment. */
    private static String firstToken(Arena arena, String pods) throws InvalidProtocolBufferException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        Outcome outcome = issue(arena, pods);
        while (!outcome.isOk() && System.nanoTime() < end) {
            outcome = issue(arena, pods);
        }
        assertThat(outcome.inWords()).isEqualTo("OK: ");
        byte[] frame = outcome.body().getBytes(StandardCharsets.ISO_8859_1);
        return IssueSandboxTokenResponse.parser()
                .parseFrom(frame, 5, frame.length - 5)
                .getToken();
    }
}
