package io.sallyport.e2e.stack;

import io.sallyport.e2e.Generation;
import io.sallyport.e2e.gateway.GatewayMode;
import io.sallyport.e2e.gateway.KnownSandbox;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

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
                Map.of());
    }

    public StackOptions withGeneration(Generation newGeneration) {
        return new StackOptions(
                root,
                state,
                newGeneration,
                mode,
                gatewayId,
                port,
                gatewayPort,
                httpPort,
                envoy,
                sandboxes,
                parts,
                overrides,
                environments);
    }

    public StackOptions withMode(GatewayMode newMode) {
        return new StackOptions(
                root,
                state,
                generation,
                newMode,
                gatewayId,
                port,
                gatewayPort,
                httpPort,
                envoy,
                sandboxes,
                parts,
                overrides,
                environments);
    }

    public StackOptions withPorts(int newPort, int newGatewayPort, int newHttpPort) {
        return new StackOptions(
                root,
                state,
                generation,
                mode,
                gatewayId,
                newPort,
                newGatewayPort,
                newHttpPort,
                envoy,
                sandboxes,
                parts,
                overrides,
                environments);
    }

    public StackOptions withSandboxes(List<KnownSandbox> newSandboxes) {
        return new StackOptions(
                root,
                state,
                generation,
                mode,
                gatewayId,
                port,
                gatewayPort,
                httpPort,
                envoy,
                newSandboxes,
                parts,
                overrides,
                environments);
    }

    /** With these parts alone, for a replica that stands beside another stack. */
    public StackOptions withParts(Set<Part> newParts) {
        return new StackOptions(
                root,
                state,
                generation,
                mode,
                gatewayId,
                port,
                gatewayPort,
                httpPort,
                envoy,
                sandboxes,
                newParts,
                overrides,
                environments);
    }

    /**
     * One more setting that differs.
     *
     * @param part whose settings; {@link Part#ENVOY} means those of {@code envoy-config}
     * @param key dotted, such as {@code tokens.max-lifetime}
     */
    public StackOptions with(Part part, String key, Object value) {
        Map<Part, Map<String, Object>> all = new EnumMap<>(Part.class);
        all.putAll(overrides);
        Map<String, Object> ofPart = new LinkedHashMap<>(all.getOrDefault(part, Map.of()));
        ofPart.put(key, value);
        all.put(part, Map.copyOf(ofPart));
        return new StackOptions(
                root,
                state,
                generation,
                mode,
                gatewayId,
                port,
                gatewayPort,
                httpPort,
                envoy,
                sandboxes,
                parts,
                all,
                environments);
    }

    /** With this in the environment of a part, and nothing that was asked for before. */
    public StackOptions withEnvironment(Part part, Map<String, String> environment) {
        Map<Part, Map<String, String>> all = new EnumMap<>(Part.class);
        all.putAll(environments);
        all.put(part, Map.copyOf(environment));
        return new StackOptions(
                root,
                state,
                generation,
                mode,
                gatewayId,
                port,
                gatewayPort,
                httpPort,
                envoy,
                sandboxes,
                parts,
                overrides,
                all);
    }

    Map<String, String> environment(Part part) {
        return environments.getOrDefault(part, Map.of());
    }

    Map<String, Object> overrides(Part part) {
        return overrides.getOrDefault(part, Map.of());
    }
}
