package io.sallyport.envoyconfig;

import io.sallyport.base.settings.InvalidSettingsException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An {@code envoy-config.yaml}, key by key: starts as one that is right, and each test changes what it is about. */
final class SettingsText {
    private final Map<String, String> lines = new LinkedHashMap<>();

    SettingsText() {
        lines.put("gateway-id", "local");
        lines.put("listen", "127.0.0.1:8080");
        lines.put("policy", "{preset: openshell-0.0}");
        lines.put(
                "upstreams",
                "{ext-authz: \"unix:/run/a.sock\", issuer: \"unix:/run/i.sock\", gateway: \"127.0.0.1:9090\"}");
    }

    SettingsText with(String key, Object value) {
        lines.put(key, value.toString());
        return this;
    }

    SettingsText without(String key) {
        lines.remove(key);
        return this;
    }

    SettingsText upstreams(Object extAuthz, Object issuer, Object gateway) {
        return with(
                "upstreams",
                "{ext-authz: \"" + extAuthz + "\", issuer: \"" + issuer + "\", gateway: \"" + gateway + "\"}");
    }

    Path write(Path directory) {
        StringBuilder text = new StringBuilder();
        lines.forEach(
                (key, value) -> text.append(key).append(": ").append(value).append('\n'));
        try {
            return Files.writeString(directory.resolve("envoy-config.yaml"), text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    EnvoyConfigSettings load(Path directory) {
        try {
            return EnvoyConfigSettings.load(write(directory));
        } catch (InvalidSettingsException e) {
            throw new AssertionError("expected settings without a mistake", e);
        }
    }

    /** What is wrong with them; empty when nothing is. */
    List<String> problems(Path directory) {
        try {
            EnvoyConfigSettings.load(write(directory));
            return List.of();
        } catch (InvalidSettingsException e) {
            return e.problems();
        }
    }
}
