package io.sallyport.e2e.support;

import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.stack.StackOptions;
import io.sallyport.issuer.store.PostgresServer;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One gateway behind three Envoys, each with an ext-authz of its own, and as many issuers as the database can take: one on
 * SQLite, two on PostgreSQL. The first stack of {@link #stacks} is the arena's.
 */
public final class Replicas implements AutoCloseable {
    private static final int DOORS = 3;

    private final Arena arena;
    private final List<SallyportStack> stacks = new ArrayList<>();
    private final int issuers;

    private Replicas(Arena arena, int issuers) {
        this.arena = arena;
        this.issuers = issuers;
        stacks.add(arena.stack());
    }

    /** One issuer that keeps its memory in a file. */
    public static Replicas onSqlite(Arenas arenas) {
        StackOptions first = options(arenas);
        return start(arenas, first, List.of(feedOf(first)), Map.of(), 1);
    }

    /** Two issuers that share a database. */
    public static Replicas onPostgres(Arenas arenas, PostgresServer server, String database) {
        StackOptions first = onPostgres(options(arenas), server, database);
        StackOptions second = onPostgres(options(arenas), server, database);
        return start(arenas, first, List.of(feedOf(first), feedOf(second)), Map.of(1, second), 2);
    }

    /** The same options with the memory in PostgreSQL. */
    public static StackOptions onPostgres(StackOptions options, PostgresServer server, String database) {
        return options.with(Part.ISSUER, "store.sqlite", StackOptions.ABSENT)
                .with(Part.ISSUER, "store.postgresql.host", "127.0.0.1")
                .with(Part.ISSUER, "store.postgresql.port", server.port())
                .with(Part.ISSUER, "store.postgresql.database", database)
                .with(Part.ISSUER, "store.postgresql.user", PostgresServer.USER)
                .with(
                        Part.ISSUER,
                        "store.postgresql.password-file",
                        server.passwordFile().toString());
    }

    private static Replicas start(
            Arenas arenas, StackOptions first, List<String> feeds, Map<Integer, StackOptions> withIssuer, int issuers) {
        Replicas replicas = new Replicas(
                arenas.ill(first.with(Part.EXT_AUTHZ, "issuers", feeds)
                        .with(Part.EXT_AUTHZ, "issuer", StackOptions.ABSENT)),
                issuers);
        try {
            for (int i = 1; i < DOORS; i++) {
                Set<Part> parts = EnumSet.of(Part.EXT_AUTHZ, Part.ENVOY);
                if (withIssuer.containsKey(i)) {
                    parts.add(Part.ISSUER);
                }
                // Not all go to the same issuer first.
                List<String> order = i % 2 == 0 ? feeds : feeds.reversed();
                replicas.stacks.add(SallyportStack.start(
                        replicas.beside(withIssuer.getOrDefault(i, options(arenas)), withIssuer.containsKey(i))
                                .withParts(parts)
                                .with(Part.EXT_AUTHZ, "issuers", order)
                                .with(Part.EXT_AUTHZ, "issuer", StackOptions.ABSENT),
                        step -> {}));
            }
            return replicas;
        } catch (RuntimeException | Error e) {
            replicas.close();
            throw e;
        }
    }

    /** Keys and gateway are the first stack's. */
    private StackOptions beside(StackOptions options, boolean hasIssuer) {
        SallyportStack first = arena.stack();
        StackOptions beside = options.with(Part.ENVOY, "upstreams.gateway", "127.0.0.1:" + first.gatewayPort());
        if (!hasIssuer) {
            beside = beside.with(Part.ENVOY, "upstreams.issuer", "unix:" + first.socket("issuer"));
        }
        for (Part part : List.of(Part.ISSUER, Part.EXT_AUTHZ)) {
            beside = beside.with(part, "keys.tokens", first.tokenKeys().toString())
                    .with(part, "keys.assertion", first.assertionKeys().toString());
        }
        return beside;
    }

    private static StackOptions options(Arenas arenas) {
        StackOptions options = arenas.options(Setup.V0_0_TRUSTING);
        return options.with(Part.ISSUER, "listen.feed", feedOf(options))
                .with(Part.ISSUER, "refresh.retry-grace", "1h")
                .with(Part.ISSUER, "limits.requests-per-minute", 1_000_000)
                .with(Part.ISSUER, "limits.burst", 1_000_000)
                .with(Part.ISSUER, "limits.concurrent", 1_000);
    }

    private static String feedOf(StackOptions options) {
        return "unix:" + options.state().resolve("feed.sock");
    }

    public Arena arena() {
        return arena;
    }

    /** All stacks; each has an Envoy and an ext-authz. */
    public List<SallyportStack> stacks() {
        return stacks;
    }

    /** Those that have an issuer. */
    public List<SallyportStack> issuers() {
        return stacks.subList(0, issuers);
    }

    /** The same supervisor at every door. */
    public List<Supervisor> atEveryDoor(Caller caller) {
        return stacks.stream()
                .map(stack -> new Supervisor(arena, caller, stack.port()))
                .toList();
    }

    @Override
    public void close() {
        stacks.subList(1, stacks.size()).forEach(SallyportStack::close);
        arena.close();
    }
}
