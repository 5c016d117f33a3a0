package io.sallyport.bench;

import io.sallyport.base.net.Endpoint;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.snakeyaml.engine.v2.api.Dump;
import org.snakeyaml.engine.v2.api.DumpSettings;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/** A generated configuration of Envoy, of which one thing can be taken away or exchanged, and all else stays as it is. */
final class Bootstrap {
    private static final String GUARD = "envoy.filters.http.ext_proc";
    private static final String GUARD_CLUSTER = "stream-guard";

    private final Object tree;

    private Bootstrap(Object tree) {
        this.tree = tree;
    }

    static Bootstrap parse(String yaml) {
        return new Bootstrap(new Load(LoadSettings.builder().build()).loadFromString(yaml));
    }

    Bootstrap asGenerated() {
        return this;
    }

    /** Without the stream guard: neither its filter nor what routes say of it is left. */
    Bootstrap withoutGuard() {
        if (!remove(tree)) {
            throw new IllegalStateException("the configuration has no " + GUARD);
        }
        return this;
    }

    /** With another guard. */
    Bootstrap withGuardAt(Endpoint.Unix other) {
        if (!redirect(tree, other)) {
            throw new IllegalStateException("the configuration has no cluster " + GUARD_CLUSTER + " on a Unix socket");
        }
        return this;
    }

    String text() {
        return new Dump(DumpSettings.builder().build()).dumpToString(tree);
    }

    private static boolean remove(Object node) {
        boolean found = false;
        switch (node) {
            case Map<?, ?> map -> {
                found = map.keySet().remove(GUARD);
                for (Object value : map.values()) {
                    found |= remove(value);
                }
            }
            case List<?> list -> {
                found = list.removeIf(element -> element instanceof Map<?, ?> map && GUARD.equals(map.get("name")));
                for (Object element : list) {
                    found |= remove(element);
                }
            }
            default -> {}
        }
        return found;
    }

    private static boolean redirect(Object node, Endpoint.Unix other) {
        boolean found = false;
        if (node instanceof Map<?, ?> map && GUARD_CLUSTER.equals(map.get("name"))) {
            return setPath(map, other);
        }
        for (Object inner : children(node)) {
            found |= redirect(inner, other);
        }
        return found;
    }

    @SuppressWarnings("unchecked") // keys and values of YAML are objects
    private static boolean setPath(Object node, Endpoint.Unix other) {
        if (node instanceof Map<?, ?> map && map.get("pipe") instanceof Map<?, ?> pipe) {
            ((Map<Object, Object>) pipe).put("path", other.path().toString());
            return true;
        }
        boolean found = false;
        for (Object inner : children(node)) {
            found |= setPath(inner, other);
        }
        return found;
    }

    private static Collection<?> children(Object node) {
        return switch (node) {
            case Map<?, ?> map -> map.values();
            case List<?> list -> list;
            default -> List.of();
        };
    }
}
