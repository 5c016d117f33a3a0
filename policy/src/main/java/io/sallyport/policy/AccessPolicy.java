package io.sallyport.policy;

import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Settings;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A rule for every method of a gateway: immutable, and whole or not there at all. */
public final class AccessPolicy {
    private AccessPolicy() {}

    /**
     * Reads the policy that a settings file names.
     *
     * <pre>
     * policy:
     *   preset: openshell-0.0         # or rules: FILE
     *   descriptor-set: FILE          # optional with a preset: the shipped set covers what sandboxes call
     * </pre>
     *
     * @param section the {@code policy:} mapping of the program's settings
     * @throws InvalidSettingsException naming every hole and every mistake at once
     */
    public static AccessPolicy load(Settings section) throws InvalidSettingsException {
        throw new UnsupportedOperationException("AccessPolicy.load");
    }

    /** The rule of a method, by {@code /package.Service/Method}; null for a method the policy does not know. */
    public @Nullable MethodRule find(String path) {
        throw new UnsupportedOperationException("AccessPolicy.find");
    }

    /** Every method of the descriptor set, in the order of their paths. */
    public List<MethodRule> rules() {
        throw new UnsupportedOperationException("AccessPolicy.rules");
    }

    /** SHA-256 over descriptor set and rules, in hex: two readers with the same digest enforce the same. */
    public String digest() {
        throw new UnsupportedOperationException("AccessPolicy.digest");
    }
}
