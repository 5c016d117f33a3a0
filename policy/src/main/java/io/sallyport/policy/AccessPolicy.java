package io.sallyport.policy;

import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Nearest;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A rule for every method of a gateway: immutable, and whole or not there at all. */
public final class AccessPolicy {
    private final Map<String, MethodRule> rules;
    private final List<MethodRule> ordered;
    private final String digest;

    private AccessPolicy(Map<String, MethodRule> rules, String digest) {
        this.rules = Map.copyOf(rules);
        this.ordered = List.copyOf(rules.values());
        this.digest = digest;
    }

    /**
     * Reads the policy that a settings file names, and ends there if anything is wrong with it.
     *
     * <pre>
     * policy:
     *   preset: openshell-0.0         # or rules: FILE
     *   descriptor-set: FILE          # optional with a preset: the shipped set covers what sandboxes call
     * </pre>
     *
     * <p>Read it after the other keys: the exception then names their mistakes too.
     *
     * @param section the {@code policy:} mapping of the program's settings
     * @throws InvalidSettingsException naming every hole and every mistake at once
     */
    public static AccessPolicy load(Settings section) throws InvalidSettingsException {
        Optional<AccessPolicy> policy = read(section);
        if (policy.isEmpty()) {
            section.problems().throwIfAny();
        }
        return policy.orElseThrow(() -> new IllegalStateException("a policy is missing and nothing says why"));
    }

    /**
     * Reads the policy that a settings file names; holes and mistakes are noted in the file's problems.
     *
     * @return the policy; empty when anything is wrong with it
     */
    public static Optional<AccessPolicy> read(Settings section) {
        PolicyFiles files = PolicyFiles.find(section);
        if (files == null) {
            return Optional.empty();
        }
        Problems own = new Problems();
        Map<String, MethodRule> rules = rules(files, own);
        if (!own.isEmpty()) {
            section.problems().addAll(own);
            return Optional.empty();
        }
        return Optional.of(new AccessPolicy(rules, files.digest()));
    }

    private static Map<String, MethodRule> rules(PolicyFiles files, Problems problems) {
        DescriptorSet descriptors = DescriptorSet.parse(
                files.descriptorSet().name(), files.descriptorSet().bytes(), problems);
        RulesFile file = RulesFile.parse(files.rules(), problems);
        PlanCompiler compiler = new PlanCompiler();
        Map<String, MethodRule> rules = new LinkedHashMap<>();
        descriptors.methods().forEach((name, method) -> {
            Settings rule = file.rules().get(name);
            if (rule != null) {
                rules.put("/" + name, new RuleReader(method, rule, compiler).read(file.defaults()));
                return;
            }
            if (RuleReader.sandboxCallable(method.access())) {
                file.problem(
                        name,
                        "sandboxes may call it (auth_mode " + method.mode() + ") and there is no rule for it; perhaps "
                                + Suggestions.rule(method.descriptor().getInputType()));
            }
            rules.put("/" + name, RuleReader.withoutRule(method, file.defaults(), compiler));
        });
        file.rules().forEach((name, rule) -> {
            if (!descriptors.methods().containsKey(name)) {
                file.problem(
                        name,
                        "there is no such method in " + files.descriptorSet().name()
                                + Nearest.of(name, descriptors.methods().keySet())
                                        .map(near -> "; did you mean \"" + near + "\"?")
                                        .orElse("; write it as package.Service/Method"));
                rule.ignore();
            }
        });
        file.done();
        return rules;
    }

    /** The rule of a method, by {@code /package.Service/Method}; null for a method the policy does not know. */
    public @Nullable MethodRule find(String path) {
        return rules.get(path);
    }

    /** Every method of the descriptor set, in the order of their paths. */
    public List<MethodRule> rules() {
        return ordered;
    }

    /** SHA-256 over descriptor set and rules, in hex: two readers with the same digest enforce the same. */
    public String digest() {
        return digest;
    }
}
