package io.sallyport.policy;

import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import java.util.List;
import java.util.Objects;

/** Policies for tests, from the text of a {@code policy:} section. */
final class Policies {
    private Policies() {}

    static AccessPolicy preset(String preset) {
        try {
            return load("preset: " + preset);
        } catch (InvalidSettingsException e) {
            throw new IllegalStateException(e);
        }
    }

    static AccessPolicy load(String section) throws InvalidSettingsException {
        return AccessPolicy.load(Settings.parse("settings.yaml", section, new Problems()));
    }

    static MethodRule method(AccessPolicy policy, String path) {
        return Objects.requireNonNull(policy.find(path), () -> "the policy has no " + path);
    }

    /** What is wrong with a policy; empty when nothing is. */
    static List<String> problems(String section) {
        try {
            load(section);
            return List.of();
        } catch (InvalidSettingsException e) {
            return e.problems();
        }
    }
}
