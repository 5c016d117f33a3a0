package io.sallyport.policy;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.OneofDescriptor;
import com.google.protobuf.WireFormat;
import io.sallyport.policy.MessagePlan.Content;
import io.sallyport.policy.MessagePlan.Field;
import io.sallyport.policy.MessagePlan.Requirement;
import io.sallyport.policy.MessagePlan.Slot;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Turns the paths of a rule into {@link MessagePlan}s.
 *
 * <p>A message on a path gets a plan of its own; everything else shares one plan for each message type, so that types
 * which contain themselves work. Not thread-safe.
 */
final class PlanCompiler {
    /** A message with more fields than this on the paths of one rule would not fit the scanner's bit sets. */
    static final int MAX_FIELDS = 64;

    private final Map<Descriptor, MessagePlan> shared = new HashMap<>();

    /** Where a path leads, and what it is for; one of {@code slot} and {@code requirement} is set. */
    record Target(
            List<FieldDescriptor> path, Slot slot, @Nullable Requirement requirement) {
        Target {
            path = List.copyOf(path);
        }
    }

    MessagePlan compile(Descriptor root, List<Target> targets) {
        Node node = new Node();
        for (Target target : targets) {
            node.add(target);
        }
        return plan(root, node);
    }

    private MessagePlan plan(Descriptor type, Node node) {
        Set<OneofDescriptor> choices = new HashSet<>();
        for (FieldDescriptor onPath : node.children.keySet()) {
            OneofDescriptor choice = onPath.getRealContainingOneof();
            if (choice != null) {
                choices.add(choice);
            }
        }
        Map<OneofDescriptor, Long> oneofBits = new HashMap<>();
        List<Field> fields = new ArrayList<>();
        long nextOnce = 1;
        for (FieldDescriptor field : type.getFields()) {
            Node child = node.children.get(field);
            long once = 0;
            if (child != null && !field.isRepeated()) {
                once = nextOnce;
                nextOnce <<= 1;
            }
            OneofDescriptor choice = field.getRealContainingOneof();
            long oneof = choice != null && choices.contains(choice)
                    ? oneofBits.computeIfAbsent(choice, any -> 1L << oneofBits.size())
                    : 0;
            fields.add(field(field, child, once, oneof));
        }
        MessagePlan plan = new MessagePlan();
        plan.fill(fields, !choices.isEmpty());
        return plan;
    }

    private Field field(FieldDescriptor field, @Nullable Node node, long once, long oneof) {
        MessagePlan child = null;
        if (content(field) == Content.MESSAGE) {
            child = node != null && !node.children.isEmpty()
                    ? plan(field.getMessageType(), node)
                    : sharedPlan(field.getMessageType());
        }
        return new Field(
                field.getNumber(),
                field.getName(),
                wire(field),
                field.isPackable(),
                content(field),
                child,
                once,
                oneof,
                node == null ? Slot.NOTHING : node.slot,
                node == null ? null : node.requirement);
    }

    private MessagePlan sharedPlan(Descriptor type) {
        MessagePlan known = shared.get(type);
        if (known != null) {
            return known;
        }
        MessagePlan plan = new MessagePlan();
        shared.put(type, plan);
        List<Field> fields = new ArrayList<>();
        for (FieldDescriptor field : type.getFields()) {
            fields.add(field(field, null, 0, 0));
        }
        plan.fill(fields, false);
        return plan;
    }

    private static Content content(FieldDescriptor field) {
        return switch (field.getType()) {
            case MESSAGE -> Content.MESSAGE;
            case STRING -> Content.TEXT;
            default -> Content.BYTES;
        };
    }

    /** The wire type of one element; for a group its start, which the scanner refuses. */
    static int wire(FieldDescriptor field) {
        return switch (field.getType()) {
            case DOUBLE, FIXED64, SFIXED64 -> WireFormat.WIRETYPE_FIXED64;
            case FLOAT, FIXED32, SFIXED32 -> WireFormat.WIRETYPE_FIXED32;
            case INT64, UINT64, INT32, UINT32, BOOL, ENUM, SINT32, SINT64 -> WireFormat.WIRETYPE_VARINT;
            case STRING, BYTES, MESSAGE -> WireFormat.WIRETYPE_LENGTH_DELIMITED;
            case GROUP -> WireFormat.WIRETYPE_START_GROUP;
        };
    }

    /** One step of the paths, taken together. */
    private static final class Node {
        private final Map<FieldDescriptor, Node> children = new LinkedHashMap<>();
        private Slot slot = Slot.NOTHING;
        private @Nullable Requirement requirement;

        private void add(Target target) {
            Node node = this;
            for (FieldDescriptor step : target.path()) {
                node = node.children.computeIfAbsent(step, any -> new Node());
            }
            if (target.slot() != Slot.NOTHING) {
                node.slot = target.slot();
            }
            if (target.requirement() != null) {
                node.requirement = target.requirement();
            }
        }
    }
}
