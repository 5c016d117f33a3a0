package io.sallyport.policy;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor.JavaType;
import com.google.protobuf.Descriptors.OneofDescriptor;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Guesses from field names which rule a message wants.
 *
 * <p>A guess is for a person to check. It is never applied.
 */
public final class Suggestions {
    private static final int SHALLOW = 3;
    private static final int DEEP = 6;
    private static final List<String> NAMES = List.of("sandbox_name", "sandbox", "name");

    private Suggestions() {}

    /**
     * Proposes rules for the methods that sandboxes may call and that the policy has no rule for.
     *
     * @param section a {@code policy:} section; the descriptor set alone will do
     * @return {@code package.Service/Method} → a rule in YAML flow style
     * @throws InvalidSettingsException when the files cannot be read; holes are what this is for, and are none here
     */
    public static SequencedMap<String, String> forMethodsWithoutRule(Settings section) throws InvalidSettingsException {
        PolicyFiles files = PolicyFiles.findForSuggestions(section);
        if (files == null) {
            section.problems().throwIfAny();
            throw new IllegalStateException("the files are missing and nothing says why");
        }
        Problems problems = new Problems();
        DescriptorSet descriptors = DescriptorSet.parse(
                files.descriptorSet().name(), files.descriptorSet().bytes(), problems);
        problems.throwIfAny();
        Set<String> known = files.rules().isEmpty()
                ? Set.of()
                : RulesFile.parse(files.rules(), problems).rules().keySet();
        SequencedMap<String, String> rules = new LinkedHashMap<>();
        descriptors.methods().forEach((name, method) -> {
            if (RuleReader.sandboxCallable(method.access()) && !known.contains(name)) {
                rules.put(name, rule(method.descriptor().getInputType()));
            }
        });
        return rules;
    }

    /** A rule as one line of YAML flow style, to stand after {@code package.Service/Method:}. */
    static String rule(Descriptor message) {
        List<FieldPath> paths = new ArrayList<>();
        collect(message, SHALLOW, new HashSet<>(), paths);
        paths.removeIf(path -> path.leaf().getType() != FieldDescriptor.Type.STRING);
        Optional<FieldPath> id = first(paths, "sandbox_id");
        Optional<FieldPath> name =
                NAMES.stream().flatMap(word -> first(paths, word).stream()).findFirst();
        Optional<FieldPath> workspace = first(paths, "workspace");
        List<String> parts = new ArrayList<>();
        List<FieldPath> used = new ArrayList<>();
        if (id.isPresent()) {
            parts.add("sandbox: {id: " + id.get().text() + "}");
            used.add(id.get());
        } else if (name.isPresent()) {
            used.add(name.get());
            workspace.ifPresent(used::add);
            parts.add("sandbox: {name: " + name.get().text()
                    + workspace.map(path -> ", workspace: " + path.text()).orElse("") + "}");
        } else {
            return "{sandbox: none, reason: \"TODO: why the message need not name a sandbox\"}";
        }
        String agreeing = paths.stream()
                .filter(path -> path.leaf().getName().equals("sandbox_id") && !used.contains(path))
                .map(FieldPath::text)
                .collect(Collectors.joining(", "));
        if (!agreeing.isEmpty()) {
            parts.add("agree: [" + agreeing + "]");
        }
        String absent = used.stream()
                .flatMap(Suggestions::siblings)
                .map(path -> path + ": absent")
                .collect(Collectors.joining(", "));
        if (!absent.isEmpty()) {
            parts.add("require: {" + absent + "}");
        }
        return "{" + String.join(", ", parts) + "}";
    }

    /** The other members of the oneof that a reference is a member of, each with the reference's own prefix. */
    private static Stream<String> siblings(FieldPath path) {
        OneofDescriptor oneof = path.leaf().getRealContainingOneof();
        if (oneof == null) {
            return Stream.empty();
        }
        String prefix = path.text()
                .substring(0, path.text().length() - path.leaf().getName().length());
        return oneof.getFields().stream()
                .filter(field -> !field.equals(path.leaf()))
                .map(field -> prefix + field.getName());
    }

    /** Fields, however deep, that look as if they could name a sandbox. */
    static List<FieldPath> sandboxLike(Descriptor message) {
        List<FieldPath> paths = new ArrayList<>();
        collect(message, DEEP, new HashSet<>(), paths);
        return paths.stream()
                .filter(path -> looksLikeSandbox(path.leaf().getName()))
                .toList();
    }

    static boolean looksLikeSandbox(String name) {
        return name.contains("sandbox") || name.contains("workspace") || name.startsWith("all_");
    }

    private static Optional<FieldPath> first(List<FieldPath> paths, String leaf) {
        return paths.stream()
                .filter(path -> path.leaf().getName().equals(leaf) && !path.repeated())
                .findFirst();
    }

    /** The fields that hold no message, the shallow ones first. */
    private static void collect(Descriptor message, int depth, Set<Descriptor> above, List<FieldPath> into) {
        if (!above.add(message)) {
            return;
        }
        for (FieldDescriptor field : message.getFields()) {
            if (field.getJavaType() != JavaType.MESSAGE) {
                into.add(new FieldPath(field.getName(), List.of(field)));
            }
        }
        for (FieldDescriptor field : message.getFields()) {
            if (depth > 1 && field.getJavaType() == JavaType.MESSAGE && !field.isMapField()) {
                List<FieldPath> below = new ArrayList<>();
                collect(field.getMessageType(), depth - 1, above, below);
                for (FieldPath path : below) {
                    List<FieldDescriptor> fields = new ArrayList<>();
                    fields.add(field);
                    fields.addAll(path.fields());
                    into.add(new FieldPath(field.getName() + "." + path.text(), fields));
                }
            }
        }
        above.remove(message);
    }
}
