package io.sallyport.policy;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor.JavaType;
import io.sallyport.base.settings.Nearest;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A dotted path of the policy file, found in a message: {@code hello.sandbox_id}.
 *
 * @param text as the file has it
 * @param fields one for each step, at least one
 */
record FieldPath(String text, List<FieldDescriptor> fields) {
    FieldPath {
        fields = List.copyOf(fields);
    }

    /**
     * Finds a path.
     *
     * @throws IllegalArgumentException when there is no such path, with what would be right
     */
    static FieldPath of(Descriptor message, String text) {
        List<FieldDescriptor> fields = new ArrayList<>();
        Descriptor at = message;
        for (String step : text.split("\\.", -1)) {
            if (!fields.isEmpty()) {
                FieldDescriptor last = fields.getLast();
                if (last.getJavaType() != JavaType.MESSAGE || last.getType() == FieldDescriptor.Type.GROUP) {
                    throw new IllegalArgumentException(
                            "there is nothing below \"" + last.getName() + "\" in \"" + text + "\": it is no message");
                }
                at = last.getMessageType();
            }
            FieldDescriptor field = at.findFieldByName(step);
            if (field == null) {
                throw new IllegalArgumentException(
                        at.getFullName() + " has no field \"" + step + "\"" + hint(at, step));
            }
            fields.add(field);
        }
        return new FieldPath(text, fields);
    }

    FieldDescriptor leaf() {
        return fields.getLast();
    }

    /** Whether it goes through, or ends in, a field that may come often. */
    boolean repeated() {
        return fields.stream().anyMatch(FieldDescriptor::isRepeated);
    }

    /** Whether a step before the last may come often. */
    boolean throughRepeated() {
        return fields.subList(0, fields.size() - 1).stream().anyMatch(FieldDescriptor::isRepeated);
    }

    boolean throughMap() {
        return fields.stream().anyMatch(FieldDescriptor::isMapField);
    }

    private static String hint(Descriptor message, String step) {
        List<String> known =
                message.getFields().stream().map(FieldDescriptor::getName).toList();
        return Nearest.of(step, known)
                .map(name -> "; did you mean \"" + name + "\"?")
                .orElse(
                        known.isEmpty()
                                ? "; it has none at all"
                                : "; it has " + known.stream().sorted().collect(Collectors.joining(", ")));
    }
}
