package io.sallyport.policy;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor.JavaType;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Guesses from field names which rule a message wants.
 *
 * <p>A guess is for a person to check. It is never applied.
 */
final class Suggestions {
    private static final int DEPTH = 3;
    private static final List<String> NAMES = List.of("sandbox_name", "sandbox", "name");

    private Suggestions() {}

    /** A rule as one line of YAML flow style, to stand after {@code package.Service/Method:}. */
    static String rule(Descriptor message) {
        List<FieldPath> paths = new ArrayList<>();
        collect(message, DEPTH, new HashSet<>(), paths);
        Optional<FieldPath> id = first(paths, "sandbox_id");
        Optional<FieldPath> name =
                NAMES.stream().flatMap(word -> first(paths, word).stream()).findFirst();
        String sandbox;
        if (id.isPresent()) {
            sandbox = "sandbox: {id: " + id.get().text() + "}";
        } else if (name.isPresent()) {
            sandbox = "sandbox: {name: " + name.get().text()
                    + first(paths, "workspace")
                            .map(path -> ", workspace: " + path.text())
                            .orElse("")
                    + "}";
        } else {
            return "{sandbox: none, reason: \"TODO: why the message need not name a sandbox\"}";
        }
        List<String> agreeing = paths.stream()
                .filter(path -> path.leaf().getName().equals("sandbox_id"))
                .map(FieldPath::text)
                .filter(path -> id.isEmpty() || !id.get().text().equals(path))
                .toList();
        return "{" + sandbox + (agreeing.isEmpty() ? "" : ", agree: [" + String.join(", ", agreeing) + "]") + "}";
    }

    /** Fields, however deep, that look as if they could name a sandbox. */
    static List<FieldPath> sandboxLike(Descriptor message) {
        List<FieldPath> paths = new ArrayList<>();
        collect(message, DEPTH, new HashSet<>(), paths);
        return paths.stream()
                .filter(path -> looksLikeSandbox(path.leaf().getName()))
                .toList();
    }

    static boolean looksLikeSandbox(String name) {
        return name.equals("sandbox") || name.endsWith("sandbox_id") || name.endsWith("sandbox_name");
    }

    private static Optional<FieldPath> first(List<FieldPath> paths, String leaf) {
        return paths.stream()
                .filter(path -> path.leaf().getName().equals(leaf) && !path.repeated())
                .findFirst();
    }

    /** String fields, the shallow ones first. */
    private static void collect(Descriptor message, int depth, Set<Descriptor> above, List<FieldPath> into) {
        if (!above.add(message)) {
            return;
        }
        for (FieldDescriptor field : message.getFields()) {
            if (field.getType() == FieldDescriptor.Type.STRING) {
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
