package io.sallyport.envoyconfig;

import io.sallyport.base.settings.Settings;
import java.time.Duration;

/**
 * What one Envoy may hold at a time; the {@code limits:} of the settings. Limits of single methods (body, duration) are
 * the policy's.
 *
 * @param connections client connections of this Envoy; more are closed at once
 * @param streamsPerConnection calls that one connection may have open, at most 100
 * @param headerBytes largest header block of a request; over it Envoy can only hang up. Whatever this says, 64 KiB as
 *     compressed on the wire are the most it takes
 * @param heapBytes memory at which Envoy defends itself, see {@link Overload}
 * @param connectionIdle how long a connection without calls stays open
 * @param streamIdle how long a user's stream may be silent
 * @param connect how long a connection to a part of ours may take
 * @param authorization how long ext-authz may take; then the call ends UNAVAILABLE
 * @param authorizationRequests checks under way at a time
 * @param podAuthorization how long ext-authz may take on the method that pods begin with, where it asks the cluster
 * @param podAuthorizationRequests such checks under way at a time, counted apart from all others; fewer than ext-authz decides
 *     at once (1,024), so that pods that wait leave room there
 * @param issuerRequests calls to the token issuer under way at a time
 * @param gatewayRequests sandboxes' calls to the gateway under way at a time
 * @param guard how long a stream may wait for the guard's word: for its beginning, and for a message that has begun and of
 *     which nothing more comes. A guard that is away or frozen is noticed at once, or by pings, see {@link Clusters}
 * @param guardedStreams sandboxes' streams open at a time, counted apart from their unary calls
 * @param userRequests users' calls to the gateway under way at a time, counted apart so that they cannot use up the
 *     sandboxes' share
 */
record Limits(
        int connections,
        int streamsPerConnection,
        int headerBytes,
        int heapBytes,
        Duration connectionIdle,
        Duration streamIdle,
        Duration connect,
        Duration authorization,
        int authorizationRequests,
        Duration podAuthorization,
        int podAuthorizationRequests,
        int issuerRequests,
        int gatewayRequests,
        Duration guard,
        int guardedStreams,
        int userRequests) {
    private static final int KIB = 1 << 10;
    private static final int MIB = 1 << 20;

    /** Reads the {@code limits:} section; each has a default, and bounds outside of which it would protect nobody. */
    static Limits read(Settings limits) {
        return new Limits(
                limits.integer("connections", 4096, 16, 65_536),
                limits.integer("streams-per-connection", 100, 1, 100),
                limits.bytes("header-bytes", 80 * KIB, 8 * KIB, 96 * KIB),
                limits.bytes("heap", 512 * MIB, 128 * MIB, 2047 * MIB),
                limits.duration("connection-idle", Duration.ofMinutes(15), Duration.ofSeconds(10), Duration.ofDays(1)),
                limits.duration("stream-idle", Duration.ofHours(1), Duration.ofSeconds(10), Duration.ofDays(7)),
                limits.duration("connect", Duration.ofSeconds(1), Duration.ofMillis(50), Duration.ofSeconds(10)),
                limits.duration("authorization", Duration.ofSeconds(1), Duration.ofMillis(50), Duration.ofSeconds(5)),
                limits.integer("authorization-requests", 4096, 16, 65_536),
                limits.duration(
                        "pod-authorization", Duration.ofSeconds(20), Duration.ofMillis(50), Duration.ofMinutes(1)),
                limits.integer("pod-authorization-requests", 768, 1, 896),
                limits.integer("issuer-requests", 256, 1, 65_536),
                limits.integer("gateway-requests", 8192, 16, 65_536),
                limits.duration("guard", Duration.ofSeconds(60), Duration.ofMillis(50), Duration.ofHours(1)),
                limits.integer("guarded-streams", 8192, 1, 65_536),
                limits.integer("user-requests", 1024, 1, 65_536));
    }
}
