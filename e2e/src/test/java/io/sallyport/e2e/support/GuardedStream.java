package io.sallyport.e2e.support;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.gateway.Sighting.End;
import io.sallyport.e2e.wire.Cuts;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Call;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.List;
import java.util.UUID;

/**
 * One stream of a caller, from both ends: what the client is told, and what the gateway saw of it.
 *
 * <p>It carries a tag of its own, by which the gateway's record of it is found while it is still open.
 */
public final class GuardedStream {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** The streams that a sandbox may open; the same in both generations. */
    public enum Method {
        LOGS("PushSandboxLogs"),
        SESSION("ConnectSupervisor"),
        RELAY("RelayStream");

        private final String path;

        Method(String name) {
            this.path = Arena.OPEN_SHELL + name;
        }

        public String path() {
            return path;
        }

        /** A first message that names this sandbox; a relay's names none. */
        public byte[] hello(String sandbox) {
            return switch (this) {
                case LOGS -> logs(sandbox).framed();
                case SESSION ->
                    Wire.message()
                            .message(1, Wire.message().string(1, sandbox).string(2, "instance"))
                            .framed();
                case RELAY ->
                    Wire.message()
                            .message(1, Wire.message().string(1, "channel-of-" + sandbox))
                            .framed();
            };
        }

        /** A message for after the first, some bytes long, that goes on as this sandbox. */
        public byte[] more(String sandbox) {
            return switch (this) {
                case LOGS -> logs(sandbox).framed();
                case SESSION -> Wire.message().message(2, Wire.message()).framed();
                case RELAY -> Wire.message().string(2, "bytes of " + sandbox).framed();
            };
        }
    }

    private final Arena arena;
    private final Method method;
    private final String tag;
    private final Call call;
    private final ByteArrayOutputStream sent = new ByteArrayOutputStream();

    private GuardedStream(Arena arena, Method method, String tag, Call call) {
        this.arena = arena;
        this.method = method;
        this.tag = tag;
        this.call = call;
    }

    /**
     * Opens a stream.
     *
     * @param manners of the gateway, see its {@code Manners}
     */
    public static GuardedStream open(Arena arena, RawHttp2 connection, Method method, String token, String... manners) {
        return open(arena, connection, method, Headers.grpc(method.path()).bearer(token), manners);
    }

    /** Opens a stream with these headers. */
    public static GuardedStream open(
            Arena arena, RawHttp2 connection, Method method, Headers headers, String... manners) {
        String tag = UUID.randomUUID().toString();
        headers.add("x-test-tag", tag).add("x-test-gateway", String.join(",", manners));
        return new GuardedStream(arena, method, tag, connection.open(headers, false));
    }

    /** {@code PushSandboxLogsRequest} with one line. */
    public static Wire logs(String sandbox) {
        return Wire.message().string(1, sandbox).message(2, Wire.message().string(5, "a line"));
    }

    /** {@code PushSandboxLogsRequest} with one line that names a sandbox too. */
    public static Wire logs(String sandbox, String inside) {
        return Wire.message()
                .string(1, sandbox)
                .message(2, Wire.message().string(5, "a line"))
                .message(2, Wire.message().string(1, inside).string(5, "a line"));
    }

    public Method method() {
        return method;
    }

    public Call call() {
        return call;
    }

    /** Sends bytes, in these pieces. */
    public GuardedStream send(byte[] bytes, Cuts cuts) {
        cuts.of(bytes).forEach(piece -> call.data(piece, false));
        sent.writeBytes(bytes);
        return this;
    }

    /** Sends bytes in one piece. */
    public GuardedStream send(byte[] bytes) {
        return send(bytes, Cuts.none());
    }

    /** Ends the request. */
    public GuardedStream halfClose() {
        call.data(new byte[0], true);
        return this;
    }

    /** Everything that was sent so far. */
    public byte[] sent() {
        return sent.toByteArray();
    }

    /** Whether the gateway has seen it. */
    public boolean isSeen() {
        return !arena.stack().gateway().tagged(tag).isEmpty();
    }

    /** What the gateway saw; it must have seen it once. */
    public Sighting seen() {
        List<Sighting> seen = arena.stack().gateway().tagged(tag);
        assertThat(seen).as("the gateway's view of the stream").hasSize(1);
        return seen.getFirst();
    }

    /** Every byte of it that has reached the gateway; none where it has not seen it. */
    public byte[] reached() {
        List<Sighting> seen = arena.stack().gateway().tagged(tag);
        return seen.isEmpty() ? new byte[0] : seen.getFirst().data().toByteArray();
    }

    /** Waits until everything that was sent has reached the gateway, and compares it. */
    public GuardedStream awaitReached() {
        Eventually.soon(
                "all of the " + sent.size() + " bytes reach the gateway; the client: "
                        + (call.isDone() ? call.await() : "open"),
                () -> reached().length >= sent.size() || call.isDone());
        assertThat(ByteString.copyFrom(reached()))
                .as("what reached the gateway (the client: %s)", call.isDone() ? call.await() : "open")
                .isEqualTo(ByteString.copyFrom(sent.toByteArray()));
        return this;
    }

    /** Waits for the end, as the client sees it. */
    public Outcome await() {
        return call.await(PATIENCE);
    }

    /**
     * Waits until the gateway has seen that it was broken off, and not ended, and gives what of it had reached the
     * gateway. Of a stream that is refused early enough the gateway may see nothing at all.
     */
    public ByteString awaitBrokenOffAfter() {
        Eventually.soon("the gateway sees that the stream is broken off", () -> !isSeen() || seen().end() == End.RESET);
        return ByteString.copyFrom(reached());
    }

    /** The same, of a stream that the gateway has seen. */
    public Sighting awaitBrokenOff() {
        Eventually.soon("the gateway sees that the stream is broken off", () -> seen().end() == End.RESET);
        return seen();
    }

    /** Asserts that it is still open at both ends and that another message goes through it. */
    public void assertGoesOn(String sandbox) {
        send(method.more(sandbox)).awaitReached();
        assertThat(call.isDone()).as("the client's end: %s", this).isFalse();
        assertThat(seen().end()).as("the gateway's end").isEqualTo(End.OPEN);
    }

    /** Asserts that the client was told of an end that was none of its making: an error, whatever form it takes. */
    public static void assertError(Outcome outcome) {
        assertThat(outcome.status().map(Status::isOk).orElse(outcome.reset().isEmpty()))
                .as("the client is told of success: %s", outcome)
                .isFalse();
    }

    @Override
    public String toString() {
        return method + (call.isDone() ? " " + call.await() : " open");
    }
}
