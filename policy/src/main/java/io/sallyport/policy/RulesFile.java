package io.sallyport.policy;

import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The rules in force: one file, or one file over the preset that it extends.
 *
 * <p>The text is read here, the rules themselves by {@link RuleReader}, which knows the messages.
 */
final class RulesFile {
    private final List<Settings> roots;
    private final Settings methods;
    private final Map<String, Settings> holders;
    private final SequencedMap<String, Settings> rules;
    private final Limits defaults;

    private RulesFile(
            List<Settings> roots,
            Settings methods,
            Map<String, Settings> holders,
            SequencedMap<String, Settings> rules,
            Limits defaults) {
        this.roots = roots;
        this.methods = methods;
        this.holders = holders;
        this.rules = rules;
        this.defaults = defaults;
    }

    /**
     * Parses the files.
     *
     * @param texts the extended preset first, if there is one; a later file's rule replaces an earlier one's whole
     */
    static RulesFile parse(List<PolicyFiles.Text> texts, Problems problems) {
        List<Settings> roots = texts.stream()
                .map(text -> Settings.parse(text.name(), text.text(problems), problems))
                .toList();
        SequencedMap<String, Settings> holders = new LinkedHashMap<>();
        Limits defaults = Limits.DEFAULT;
        Settings methods = roots.getLast();
        for (Settings root : roots) {
            root.optionalString("extends");
            defaults = Limits.read(root.section("defaults"), defaults);
            methods = root.section("methods");
            for (String method : methods.keys()) {
                holders.put(method, methods);
            }
        }
        SequencedMap<String, Settings> rules = new LinkedHashMap<>();
        holders.forEach((method, holder) -> rules.put(method, holder.section(method)));
        return new RulesFile(roots, methods, holders, rules, defaults);
    }

    /** The rules by {@code package.Service/Method}. */
    SequencedMap<String, Settings> rules() {
        return rules;
    }

    Limits defaults() {
        return defaults;
    }

    /** Notes a mistake about a method that has no rule, or whose rule should not be there, in the file it is in. */
    void problem(String method, String message) {
        holders.getOrDefault(method, methods).problem(method, message);
    }

    /** Reports the keys nobody asked for. */
    void done() {
        roots.forEach(Settings::done);
    }
}
