package io.sallyport.e2e.support;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.channel.EventLoopGroup;
import io.sallyport.base.Reason;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.e2e.Generation;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.Registry;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.stack.StackOptions;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.TokenForge;
import io.sallyport.e2e.wire.Wire;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A running stack with two sandboxes, {@code alpha} and {@code beta}, and everything to attack it with. */
public final class Arena implements AutoCloseable {
    public static final String OPEN_SHELL = "/openshell.v1.OpenShell/";
    public static final String GET_CONFIG = OPEN_SHELL + "GetSandboxConfig";

    private static final String FENCE = "x-test-fence";

    /** Refused for want of a credential, and by no row of any test: its audit line shows where an attack's lines end. */
    private static final String AUDIT_MARK = OPEN_SHELL + "ExchangeProviderSubjectToken";

    private final SallyportStack stack;
    private final BiConsumer<Registry, KnownSandbox> records;
    private final EventLoopGroup loops = GrpcServers.eventLoops("attacker", 1);
    private final TokenForge forge;
    private final Caller alpha;
    private final Caller beta;
    private final AuditTail audit;

    private Arena(SallyportStack stack, BiConsumer<Registry, KnownSandbox> records) {
        this.stack = stack;
        this.records = records;
        this.forge = TokenForge.withKeyOf(stack.tokenKeys(), stack.options().gatewayId());
        // Ids, names and workspace differ, so that an id in the place of a name, or the reverse, never fits by chance.
        this.alpha = admit(new KnownSandbox("alpha-id", "default", "alpha"));
        this.beta = admit(new KnownSandbox("beta-id", "default", "beta"));
        this.audit = new AuditTail(stack.auditLog(Part.EXT_AUTHZ));
    }

    /** Starts a stack of this kind. */
    public static Arena start(StackOptions options) {
        return start(options, Registry::register);
    }

    /** @param records makes the issuer know a sandbox; returns once it does */
    static Arena start(StackOptions options, BiConsumer<Registry, KnownSandbox> records) {
        SallyportStack stack = SallyportStack.start(options.withSandboxes(List.of()), step -> {});
        try {
            return new Arena(stack, records);
        } catch (RuntimeException | Error e) {
            stack.close();
            throw e;
        }
    }

    public SallyportStack stack() {
        return stack;
    }

    public Generation generation() {
        return stack.options().generation();
    }

    public TokenForge forge() {
        return forge;
    }

    public Caller alpha() {
        return alpha;
    }

    public Caller beta() {
        return beta;
    }

    public AuditTail audit() {
        return audit;
    }

    /** Makes a sandbox known everywhere and gives it a token. */
    public Caller admit(KnownSandbox sandbox) {
        records.accept(stack.registry(), sandbox);
        stack.gateway().know(sandbox);
        return new Caller(sandbox, stack.registry().mint(sandbox.id()));
    }

    /** A new connection to Envoy. */
    public RawHttp2 connect() {
        return connect(new Endpoint.Tcp("127.0.0.1", stack.port()));
    }

    /** A new connection to anywhere. */
    public RawHttp2 connect(Endpoint endpoint) {
        return RawHttp2.connect(endpoint, loops);
    }

    /**
     * Waits for the first good answer.
     *
     * <p>ext-authz that was up before the issuer says UNAVAILABLE until it has found it.
     */
    Arena awaitFirstAnswer() {
        Instant end = Instant.now().plusSeconds(20);
        Outcome outcome = ownConfig(beta);
        while (!outcome.isOk() && Instant.now().isBefore(end)) {
            outcome = ownConfig(beta);
        }
        assertThat(outcome.inWords()).as(this::logs).isEqualTo("OK: ");
        audit.skip();
        return this;
    }

    /** One call with one DATA frame, on a connection of its own. */
    public Outcome call(Headers headers, byte[] body) {
        try (RawHttp2 connection = connect()) {
            return connection.open(headers, false).data(body, true).await();
        }
    }

    /** The body of GetSandboxConfig that asks for this sandbox. */
    public byte[] configOf(KnownSandbox sandbox) {
        return Wire.message()
                .string(1, generation() == Generation.V0_0 ? sandbox.id() : sandbox.name())
                .framed();
    }

    /** A call of GetSandboxConfig for the caller's own. */
    public Outcome ownConfig(Caller caller) {
        return call(Headers.grpc(GET_CONFIG).bearer(caller.token()), configOf(caller.sandbox()));
    }

    /** What an attack did, and what came of it. */
    @FunctionalInterface
    public interface Attack {
        Outcome run() throws Exception;
    }

    /**
     * Asserts that the gateway sees nothing of what the attack does, not even a stream that is opened and reset.
     *
     * <p>A call that does pass goes after the attack through the same Envoy worker: whatever Envoy may have let go before
     * it has arrived when that call has.
     */
    public Outcome unseen(Attack attack) {
        long before = stack.gateway().count();
        Outcome outcome;
        try {
            outcome = attack.run();
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Exception e) {
            throw new AssertionError("the attack itself failed", e);
        }
        assertNothingSince(before);
        return outcome;
    }

    /** Asserts that nothing has reached the gateway since it had counted so far. */
    public void assertNothingSince(long before) {
        String mark = UUID.randomUUID().toString();
        Outcome fence = call(Headers.grpc(GET_CONFIG).bearer(beta.token()).add(FENCE, mark), configOf(beta.sandbox()));
        assertThat(fence.isOk())
                .as("a good call passes after the attack: %s", fence)
                .isTrue();
        long count = stack.gateway().count();
        List<Sighting> seen = stack.gateway().since(before);
        assertThat(seen).as("all that came is in the record").hasSizeGreaterThanOrEqualTo((int) (count - before));
        assertThat(seen)
                .as("the good call was seen")
                .anyMatch(each -> each.header(FENCE).equals(java.util.Optional.of(mark)));
        assertThat(seen.stream().filter(each -> each.header(FENCE).isEmpty()).toList())
                .as("what the gateway saw of the attack")
                .isEmpty();
    }

    /** Asserts that the attack is refused for exactly this reason, by ext-authz, with one audit line, and unseen. */
    public Map<String, String> refused(Reason reason, Attack attack) {
        audit.skip();
        linesUpToMark(); // what was refused before may still be on its way into the file
        Outcome outcome = unseen(attack);
        List<Map<String, String>> lines = linesUpToMark();
        assertThat(outcome.inWords())
                .as("what the client is told (%s; audit: %s)", outcome, lines)
                .isEqualTo(reason.statusCode() + ": " + reason.text());
        assertThat(lines).as("the audit line").hasSize(1);
        assertThat(lines.getFirst()).containsEntry("reason", reason.code()).containsEntry("event", "refused");
        return lines.getFirst();
    }

    private List<Map<String, String>> linesUpToMark() {
        assertThat(call(Headers.grpc(AUDIT_MARK), Wire.message().framed()).inWords())
                .isEqualTo(Reason.NO_CREDENTIAL.statusCode() + ": " + Reason.NO_CREDENTIAL.text());
        List<Map<String, String>> lines = new ArrayList<>();
        for (List<Map<String, String>> next = audit.next(1); !next.isEmpty(); next = audit.next(1)) {
            Map<String, String> line = next.getFirst();
            if (AUDIT_MARK.equals(line.get("method"))
                    && Reason.NO_CREDENTIAL.code().equals(line.get("reason"))) {
                return lines;
            }
            lines.add(line);
        }
        throw new AssertionError("the audit log has no line about a refused call; it has " + lines);
    }

    /** The last lines of logs and audit logs, for the message of a test that failed. */
    public String logs() {
        return Stream.of(Part.ISSUER, Part.EXT_AUTHZ)
                .flatMap(part -> Stream.of(stack.log(part), stack.auditLog(part)))
                .map(Arena::tail)
                .collect(Collectors.joining());
    }

    private static String tail(Path file) {
        try {
            List<String> lines = Files.readAllLines(file);
            return "\n" + file.getFileName() + ":\n  "
                    + String.join("\n  ", lines.subList(Math.max(0, lines.size() - 10), lines.size()));
        } catch (IOException e) {
            return "\n" + file.getFileName() + ": " + e;
        }
    }

    @Override
    public void close() {
        stack.close();
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
    }
}
