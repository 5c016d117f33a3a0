package io.sallyport.extauthz.guard;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.core.v3.HeaderMap;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.Metadata;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpBody;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpHeaders;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.envoyproxy.envoy.service.ext_proc.v3.ProtocolConfiguration;
import io.sallyport.api.openshell01.PushSandboxLogsRequest;
import io.sallyport.api.openshell01.SandboxLogLine;
import io.sallyport.api.openshell01.SupervisorHeartbeat;
import io.sallyport.api.openshell01.SupervisorHello;
import io.sallyport.api.openshell01.SupervisorMessage;
import io.sallyport.base.Reason;
import io.sallyport.base.audit.AuditEvent;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.extauthz.TestTime;
import io.sallyport.extauthz.envoy.DynamicMetadata;
import io.sallyport.extauthz.guard.LineageSource.Answer;
import io.sallyport.extauthz.guard.LineageSource.Successor;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.Principal;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.policy.AccessPolicy;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** A guard on fakes: the time, what is known about sandboxes and lineages. */
final class GuardStage implements Owners, LineageSource {
    static final String LOGS = "/openshell.v1.OpenShell/PushSandboxLogs";
    static final String SESSION = "/openshell.v1.OpenShell/ConnectSupervisor";
    static final String RELAY = "/openshell.v1.OpenShell/RelayStream";
    static final Duration LEEWAY = Duration.ofSeconds(60);
    static final Duration MAX_STALENESS = Duration.ofMinutes(5);
    static final StreamLimits LIMITS = new StreamLimits(64, 10_000, 8 << 20, Optional.empty());

    final TestTime time = new TestTime();
    final AccessPolicy policy = policy();
    final List<AuditEvent> audited = Collections.synchronizedList(new ArrayList<>());
    final StreamCounts counts = new StreamCounts();
    final OpenStreams streams;
    final Guard guard;

    /** Whoever is not here lives. */
    final Map<String, Owner> owners = new ConcurrentHashMap<>();

    /** {@code jti} of tokens that are taken back. */
    final Set<String> revoked = ConcurrentHashMap.newKeySet();

    /** Questions about owners that nobody has answered yet. */
    final List<CompletableFuture<Owner>> ownersAsked = new ArrayList<>();

    /** Questions about lineages; answered by {@link #lineage}, or left open where that is null. */
    final List<String> lineagesAsked = new ArrayList<>();

    final List<CompletableFuture<Answer>> lineagesOpen = new ArrayList<>();

    @Nullable Answer lineage;

    GuardStage() {
        this(LIMITS);
    }

    GuardStage(StreamLimits limits) {
        streams = new OpenStreams(limits);
        guard = new Guard(policy, LEEWAY, this, streams, counts, audited::add, time, time);
    }

    private static AccessPolicy policy() {
        try {
            return AccessPolicy.load(Settings.parse("test", "policy: {preset: openshell-0.1}", new Problems())
                    .section("policy"));
        } catch (InvalidSettingsException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public Owner remembered(SandboxClaims token) {
        if (token.tokenId().map(revoked::contains).orElse(false)) {
            return new Owner.Barred(Reason.TOKEN_REVOKED, "the token is revoked");
        }
        String id = token.sandbox().value();
        return owners.getOrDefault(id, new Owner.Living(id, "default", id + "-name"));
    }

    @Override
    public CompletableFuture<Owner> ask(SandboxClaims token) {
        CompletableFuture<Owner> answer = new CompletableFuture<>();
        ownersAsked.add(answer);
        return answer;
    }

    @Override
    public CompletableFuture<Answer> ask(SandboxId sandbox, Lineage place) {
        lineagesAsked.add(sandbox.value() + " " + place.id() + " " + place.generation());
        Answer known = lineage;
        if (known != null) {
            return CompletableFuture.completedFuture(known);
        }
        CompletableFuture<Answer> answer = new CompletableFuture<>();
        lineagesOpen.add(answer);
        return answer;
    }

    /** A lineage goes on by this token. */
    static Answer newest(Instant ends) {
        return new Answer.Newest(new Successor(Optional.of("jti-newest"), new Lineage("lin-newest", 3), "kid-2", ends));
    }

    static SandboxClaims token(String sandbox, Instant expires) {
        return new SandboxClaims(
                new SandboxId(sandbox),
                Optional.of("jti-" + sandbox),
                Optional.of(new Lineage("lin-" + sandbox, 3)),
                TestTime.START,
                expires,
                "kid-1");
    }

    /** A stream with everything as it should be, not begun yet. */
    Running stream(String sandbox, String method) {
        return new Running(token(sandbox, TestTime.START.plus(Duration.ofHours(1))), method);
    }

    /** A stream that is open. */
    Running open(String sandbox, String method) {
        return stream(sandbox, method).begin();
    }

    /** One stream and its Envoy. */
    final class Running {
        final FakeEnvoy envoy = new FakeEnvoy();
        final GuardedStream stream = new GuardedStream(guard, envoy);
        final Struct.Builder said;
        final ProtocolConfiguration.Builder modes;

        Running(SandboxClaims token, String method) {
            said = announced(token, method);
            modes = ProtocolConfiguration.newBuilder()
                    .setRequestBodyMode(method.equals(RELAY) ? BodySendMode.NONE : BodySendMode.STREAMED);
        }

        ProcessingRequest headers() {
            return GuardStage.headers(said.build(), modes.build());
        }

        Running begin() {
            take(headers());
            return this;
        }

        void take(ProcessingRequest request) {
            byte[] buffer = request.toByteArray();
            stream.take(ProcessMessageReader.read(buffer, buffer.length));
            // As the next message does, so that whoever kept bytes has kept these.
            Arrays.fill(buffer, (byte) 0xEE);
        }

        Running piece(byte[] bytes) {
            return piece(bytes, false);
        }

        Running piece(byte[] bytes, boolean last) {
            envoy.waiting.add(bytes);
            take(ProcessingRequest.newBuilder()
                    .setRequestBody(HttpBody.newBuilder()
                            .setBody(ByteString.copyFrom(bytes))
                            .setEndOfStream(last))
                    .build());
            return this;
        }

        Running message(MessageLite message) {
            return piece(frame(message.toByteArray()));
        }

        /** Why it ended; null while it has not. */
        @Nullable Reason ended() {
            return envoy.ended == null ? null : audited.getLast().reason();
        }
    }

    Struct.Builder announced(SandboxClaims token, String method) {
        Struct.Builder said = struct(Announcement.of(token, policy.digest()))
                .putFields("principal", text(PrincipalHeader.format(new Principal.Sandbox(token.sandbox(), token))))
                .putFields("sandbox_id", text(token.sandbox().value()))
                .putFields("method", text(method));
        if (!token.expiresAt().equals(Instant.MAX)) {
            said.putFields(
                    "token_expires",
                    Value.newBuilder()
                            .setNumberValue((double) token.expiresAt().getEpochSecond())
                            .build());
        }
        return said;
    }

    private static Struct.Builder struct(DynamicMetadata said) {
        try {
            return Struct.newBuilder().mergeFrom(said.toFields().toByteArray());
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException("not a Struct", e);
        }
    }

    static ProcessingRequest headers(Struct said, ProtocolConfiguration modes) {
        return ProcessingRequest.newBuilder()
                .setRequestHeaders(HttpHeaders.newBuilder()
                        .setHeaders(HeaderMap.newBuilder()
                                .addHeaders(HeaderValue.newBuilder()
                                        .setKey("x-request-id")
                                        .setRawValue(ByteString.copyFromUtf8("req-1")))))
                .setMetadataContext(Metadata.newBuilder().putFilterMetadata(Announcement.NAMESPACE, said))
                .setProtocolConfig(modes)
                .build();
    }

    static Value text(String value) {
        return Value.newBuilder().setStringValue(value).build();
    }

    static byte[] frame(byte[] message) {
        return ByteBuffer.allocate(5 + message.length)
                .put((byte) 0)
                .putInt(message.length)
                .put(message)
                .array();
    }

    static PushSandboxLogsRequest logs(String sandbox, String... inner) {
        return PushSandboxLogsRequest.newBuilder()
                .setSandboxId(sandbox)
                .addAllLogs(Arrays.stream(inner)
                        .map(id -> SandboxLogLine.newBuilder()
                                .setSandboxId(id)
                                .setMessage("a line")
                                .build())
                        .toList())
                .build();
    }

    static SupervisorMessage hello(String sandbox) {
        return SupervisorMessage.newBuilder()
                .setHello(SupervisorHello.newBuilder().setSandboxId(sandbox))
                .build();
    }

    static SupervisorMessage heartbeat() {
        return SupervisorMessage.newBuilder()
                .setHeartbeat(SupervisorHeartbeat.getDefaultInstance())
                .build();
    }
}
