package io.sallyport.e2e.stack;

import io.sallyport.e2e.Generation;
import io.sallyport.e2e.gateway.GatewayMode;
import io.sallyport.e2e.gateway.KnownSandbox;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * How a stack is to be.
 *
 * @param root of the checkout whose built programs are started
 * @param state where keys, database, settings and logs are kept; made if it is missing
 * @param generation of the gateway API
 * @param mode of the reference gateway
 * @param gatewayId that tokens are for
 * @param port where Envoy listens on loopback; 0: any
 * @param gatewayPort where the gateway listens on loopback; 0: any
 * @param httpPort where the issuer serves its JWKS on loopback; 0: any
 * @param envoy the program
 * @param sandboxes that the gateway knows from the start
 * @param parts that are started; the others are somebody else's, and the overrides say where they are
 * @param overrides settings that differ from the usual ones, by part and dotted key; {@link #ABSENT} takes one away
 * @param jvmFlags of the servers' JVMs, besides those that each has in its {@code jvm.options}
 * @param environments what parts find in their environment, besides a path and a locale; nothing secret
 */
public record StackOptions(
        Path root,
        Path state,
        Generation generation,
        GatewayMode mode,
        String gatewayId,
        int port,
        int gatewayPort,
        int httpPort,
        Path envoy,
        List<KnownSandbox> sandboxes,
        Set<Part> parts,
        Map<Part, Map<String, Object>> overrides,
        List<String> jvmFlags,
        Map<Part, Map<String, String>> environments) {
    /** As the value of an override: the setting is left out. */
    public static final Object ABSENT = new Object() {
        @Override
        public String toString() {
            return "(absent)";
        }
    };

    public StackOptions {
        sandboxes = List.copyOf(sandboxes);
        parts = Set.copyOf(parts);
        overrides = Map.copyOf(overrides);
        jvmFlags = List.copyOf(jvmFlags);
        environments = Map.copyOf(environments);
    }

    /** Generation 0.0 before a trusting gateway, with every port ephemeral. */
    public static StackOptions of(Path root, Path state, Path envoy) {
        return new StackOptions(
                root,
                state.toAbsolutePath(),
                Generation.V0_0,
                GatewayMode.TRUSTING,
                "local",
                0,
                0,
                0,
                envoy,
                List.of(KnownSandbox.parse("alpha"), KnownSandbox.parse("beta")),
                EnumSet.allOf(Part.class),
                Map.of(),
                List.of(),
                Map.of());
    }

    public StackOptions withGeneration(Generation generation) {
        return changed(options -> options.generation = generation);
    }

    public StackOptions withMode(GatewayMode mode) {
        return changed(options -> options.mode = mode);
    }

    public StackOptions withPorts(int port, int gatewayPort, int httpPort) {
        return changed(options -> {
            options.port = port;
            options.gatewayPort = gatewayPort;
            options.httpPort = httpPort;
        });
    }

    public StackOptions withSandboxes(List<KnownSandbox> sandboxes) {
        return changed(options -> options.sandboxes = sandboxes);
    }

    /** With these parts alone, for a replica that stands beside another stack. */
    public StackOptions withParts(Set<Part> parts) {
        return changed(options -> options.parts = parts);
    }

    /**
     * One more setting that differs.
     *
     * @param part whose settings; {@link Part#ENVOY} means those of {@code envoy-config}
     * @param key dotted, such as {@code tokens.max-lifetime}
     */
    public StackOptions with(Part part, String key, Object value) {
        Map<String, Object> ofPart = new LinkedHashMap<>(overrides.getOrDefault(part, Map.of()));
        ofPart.put(key, value);
        return changed(options -> options.overrides.put(part, Map.copyOf(ofPart)));
    }

    public StackOptions withJvmFlags(String... flags) {
        return changed(options -> options.jvmFlags = List.of(flags));
    }

    /** With this in the environment of a part, and nothing that was asked for before. */
    public StackOptions withEnvironment(Part part, Map<String, String> environment) {
        return changed(options -> options.environments.put(part, Map.copyOf(environment)));
    }

    private StackOptions changed(Consumer<Draft> change) {
        Draft draft = new Draft(this);
        change.accept(draft);
        return draft.options();
    }

    /** What a changed copy comes from. */
    private static final class Draft {
        private final StackOptions before;
        private final Map<Part, Map<String, Object>> overrides;
        private final Map<Part, Map<String, String>> environments;
        private Generation generation;
        private GatewayMode mode;
        private int port;
        private int gatewayPort;
        private int httpPort;
        private List<KnownSandbox> sandboxes;
        private Set<Part> parts;
        private List<String> jvmFlags;

        Draft(StackOptions before) {
            this.before = before;
            this.overrides = new HashMap<>(before.overrides);
            this.environments = new HashMap<>(before.environments);
            this.generation = before.generation;
            this.mode = before.mode;
            this.port = before.port;
            this.gatewayPort = before.gatewayPort;
            this.httpPort = before.httpPort;
            this.sandboxes = before.sandboxes;
            this.parts = before.parts;
            this.jvmFlags = before.jvmFlags;
        }

        StackOptions options() {
            return new StackOptions(
                    before.root,
                    before.state,
                    generation,
                    mode,
                    before.gatewayId,
                    port,
                    gatewayPort,
                    httpPort,
                    before.envoy,
                    sandboxes,
                    parts,
                    overrides,
                    jvmFlags,
                    environments);
        }
    }

    Map<String, String> environment(Part part) {
        return environments.getOrDefault(part, Map.of());
    }

    Map<String, Object> overrides(Part part) {
        return overrides.getOrDefault(part, Map.of());
    }
}
