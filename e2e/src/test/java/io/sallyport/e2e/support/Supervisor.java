package io.sallyport.e2e.support;

import com.google.protobuf.InvalidProtocolBufferException;
import io.sallyport.api.openshell00.RefreshSandboxTokenResponse;
import io.sallyport.base.net.Endpoint;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A sandbox's supervisor: one connection to Envoy, and the token it was last given. For one thread at a time. */
public final class Supervisor implements AutoCloseable {
    public static final String REFRESH = Arena.OPEN_SHELL + "RefreshSandboxToken";

    private final Arena arena;
    private final KnownSandbox sandbox;
    private final Endpoint door;
    private RawHttp2 connection;
    private volatile String token;

    /** Connects to the arena's Envoy. */
    public Supervisor(Arena arena, Caller caller) {
        this(arena, caller, arena.stack().port());
    }

    /** Connects to the Envoy on this port, which may be another replica's. */
    public Supervisor(Arena arena, Caller caller, int port) {
        this.arena = arena;
        this.sandbox = caller.sandbox();
        this.token = caller.token();
        this.door = new Endpoint.Tcp("127.0.0.1", port);
        this.connection = arena.connect(door);
    }

    public KnownSandbox sandbox() {
        return sandbox;
    }

    /** The token it was last given: a secret. */
    public String token() {
        return token;
    }

    /** Goes on with another token. */
    public void take(String newToken) {
        token = newToken;
    }

    /** What a token says about itself. */
    public static String claim(String token, String name) {
        String[] parts = token.split("\\.", -1);
        String json = new String(Base64.getUrlDecoder().decode(parts[0]), StandardCharsets.UTF_8)
                + new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8);
        Matcher matcher =
                Pattern.compile("\"" + name + "\"\\s*:\\s*\"?([^\",}]+)").matcher(json);
        if (!matcher.find()) {
            throw new AssertionError("the token says nothing of " + name);
        }
        return matcher.group(1);
    }

    /** Asks the gateway for its own configuration. */
    public Outcome ask() {
        return call(Headers.grpc(Arena.GET_CONFIG).bearer(token), arena.configOf(sandbox));
    }

    /** Asks for the successor of its token, and goes on with that if it is given one. */
    public Outcome refresh() {
        Outcome outcome =
                call(Headers.grpc(REFRESH).bearer(token), Wire.message().framed());
        if (outcome.isOk()) {
            token = tokenIn(outcome);
        }
        return outcome;
    }

    /** The token in a good answer to a refresh: a secret. */
    public static String tokenIn(Outcome outcome) {
        byte[] frame = outcome.body().getBytes(StandardCharsets.ISO_8859_1);
        try {
            String token = RefreshSandboxTokenResponse.parser()
                    .parseFrom(frame, 5, frame.length - 5)
                    .getToken();
            if (token.isEmpty()) {
                throw new AssertionError("the answer to a refresh holds no token");
            }
            return token;
        } catch (InvalidProtocolBufferException e) {
            throw new AssertionError("the answer to a refresh is none", e);
        }
    }

    private Outcome call(Headers headers, byte[] body) {
        if (!connection.isOpen()) {
            connection.close();
            connection = arena.connect(door);
        }
        return connection.open(headers, false).data(body, true).await();
    }

    @Override
    public void close() {
        connection.close();
    }
}
