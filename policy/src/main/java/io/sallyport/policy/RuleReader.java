package io.sallyport.policy;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor.JavaType;
import com.google.protobuf.Descriptors.OneofDescriptor;
import io.sallyport.base.settings.Settings;
import io.sallyport.policy.MessagePlan.Requirement;
import io.sallyport.policy.MessagePlan.Slot;
import io.sallyport.policy.MessageRule.Reference;
import io.sallyport.policy.MethodRule.Access;
import io.sallyport.policy.MethodRule.Destination;
import io.sallyport.policy.MethodRule.Streaming;
import io.sallyport.policy.PlanCompiler.Target;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Reads the rule of one method against the messages it is about. Mistakes are noted in the settings' problems. */
final class RuleReader {
    private final DescriptorSet.Method method;
    private final Descriptor message;
    private final Settings rule;
    private final PlanCompiler compiler;

    private final List<Target> targets = new ArrayList<>();
    private final List<Requirement> occurring = new ArrayList<>();
    private final Map<List<FieldDescriptor>, String> taken = new HashMap<>();
    private final Map<List<FieldDescriptor>, String> required = new HashMap<>();

    RuleReader(DescriptorSet.Method method, Settings rule, PlanCompiler compiler) {
        this.method = method;
        this.message = method.descriptor().getInputType();
        this.rule = rule;
        this.compiler = compiler;
    }

    /** Reads it all; after a mistake the result is a stand-in. */
    MethodRule read(Limits defaults) {
        Access access = callers(method.access());
        Destination destination = rule.choice("served-by", Destination.class, Destination.GATEWAY);
        Limits limits = Limits.read(rule, defaults);
        boolean skipsEmpty = skipsEmpty();
        String reason = rule.string("reason", "").strip();
        boolean names = rule.isMapping("sandbox");
        MessageRule messages;
        if (sandboxCallable(access)) {
            messages = names ? named(skipsEmpty, reason) : unnamed(skipsEmpty, reason);
        } else {
            if (rule.has("sandbox") || rule.has("agree") || rule.has("require") || rule.has("empty")) {
                rule.problem(
                        rule.has("sandbox") ? "sandbox" : "agree",
                        "no sandbox may call " + method.name() + " (" + modeText() + "), so nothing is held to one;"
                                + " remove sandbox, agree, require and empty");
            }
            messages = unheld(method, compiler);
        }
        return new MethodRule(
                "/" + method.name(),
                access,
                method.streaming(),
                destination,
                limits.body(),
                limits.message(),
                limits.duration(),
                messages);
    }

    /** What holds for a method that nobody wrote a rule for, and that needs none: no sandbox may call it. */
    static MethodRule withoutRule(DescriptorSet.Method method, Limits limits, PlanCompiler compiler) {
        return new MethodRule(
                "/" + method.name(),
                method.access(),
                method.streaming(),
                Destination.GATEWAY,
                limits.body(),
                limits.message(),
                limits.duration(),
                unheld(method, compiler));
    }

    static boolean sandboxCallable(Access access) {
        return switch (access) {
            case SANDBOX, SERVICE_ACCOUNT, DUAL -> true;
            case USER, UNAUTHENTICATED, CLOSED -> false;
        };
    }

    private static MessageRule unheld(DescriptorSet.Method method, PlanCompiler compiler) {
        Descriptor message = method.descriptor().getInputType();
        return new MessageRule(
                MessageRule.Words.none(message.getFullName(), ""), compiler.compile(message, List.of()), List.of());
    }

    /** Applies {@code callers}, which may only take callers away. */
    private Access callers(Access declared) {
        String word = rule.string("callers", "");
        if (word.isEmpty()) {
            return declared;
        }
        Access narrowed = switch (word) {
            case "sandbox" -> Access.SANDBOX;
            case "service-account" -> Access.SERVICE_ACCOUNT;
            case "user" -> Access.USER;
            case "nobody" -> Access.CLOSED;
            default -> null;
        };
        Set<String> allowed = switch (declared) {
            case SANDBOX, SERVICE_ACCOUNT -> Set.of("sandbox", "service-account", "nobody");
            case DUAL -> Set.of("sandbox", "user", "nobody");
            case USER, UNAUTHENTICATED -> Set.of("user", "nobody");
            case CLOSED -> Set.of("nobody");
        };
        if (narrowed == null || !allowed.contains(word)) {
            rule.problem(
                    "callers",
                    "may only narrow what the descriptor says (" + modeText() + "): expected "
                            + allowed.stream().sorted().collect(Collectors.joining(" or ")) + ", found \"" + word
                            + "\"");
            return declared;
        }
        return narrowed;
    }

    private String modeText() {
        return method.mode().isEmpty() ? "it declares no auth_mode" : "its auth_mode is " + method.mode();
    }

    private boolean skipsEmpty() {
        String word = rule.string("empty", "");
        boolean clientStreaming = method.streaming() == Streaming.CLIENT || method.streaming() == Streaming.BIDI;
        if (!word.isEmpty() && !word.equals("skip")) {
            rule.problem("empty", "expected skip, or nothing at all, found \"" + word + "\"");
        } else if (!word.isEmpty() && !clientStreaming) {
            rule.problem("empty", "is for methods whose client streams; this one gets one message: remove it");
        }
        return word.equals("skip");
    }

    private MessageRule unnamed(boolean skipsEmpty, String reason) {
        String word = rule.string("sandbox", "");
        if (word.isEmpty()) {
            rule.problem("sandbox", "is missing; perhaps " + Suggestions.rule(message));
        } else if (!word.equals("none")) {
            rule.problem(
                    "sandbox",
                    "expected {id: PATH}, {name: PATH, workspace: PATH} or none, found \"" + word + "\"; perhaps "
                            + Suggestions.rule(message));
        } else if (reason.isEmpty() || reason.startsWith("TODO")) {
            // A proposal of "suggest" pasted as it is has not been decided by anybody.
            rule.problem("reason", "is missing; \"sandbox: none\" needs a written reason why that is safe");
        }
        if (skipsEmpty) {
            rule.problem("empty", "there is no reference to wait for with \"sandbox: none\"; remove it");
        }
        List<String> agreeing = agreeing();
        SequencedMap<String, String> values = required();
        checkTargets();
        return new MessageRule(
                new MessageRule.Words(
                        message.getFullName(), Reference.NONE, "", "", agreeing, values, skipsEmpty, reason),
                compiler.compile(message, targets),
                occurring);
    }

    private MessageRule named(boolean skipsEmpty, String reason) {
        Settings sandbox = rule.section("sandbox");
        String id = sandbox.string("id", "");
        String name = sandbox.string("name", "");
        String workspace = sandbox.string("workspace", "");
        Reference reference = id.isEmpty() ? Reference.NAME : Reference.ID;
        if (id.isEmpty() == name.isEmpty()) {
            rule.problem(
                    "sandbox", "expected either id or name (with workspace); perhaps " + Suggestions.rule(message));
        }
        if (!workspace.isEmpty() && name.isEmpty()) {
            sandbox.problem("workspace", "belongs to a name; an id stands alone: remove it");
        }
        if (!reason.isEmpty()) {
            rule.problem("reason", "is only for \"sandbox: none\"; write a comment instead");
        }
        reference(sandbox, "id", id, Slot.ID);
        reference(sandbox, "name", name, Slot.NAME);
        reference(sandbox, "workspace", workspace, Slot.WORKSPACE);
        if (!name.isEmpty() && workspace.isEmpty()) {
            besideName()
                    .map(FieldDescriptor::getName)
                    .filter(field -> field.contains("workspace"))
                    .findFirst()
                    .ifPresent(field -> sandbox.problem(
                            "workspace",
                            "is missing: a name means little without its workspace, and the message has \"" + field
                                    + "\""));
        }
        List<String> agreeing = agreeing();
        SequencedMap<String, String> values = required();
        checkTargets();
        return new MessageRule(
                new MessageRule.Words(
                        message.getFullName(),
                        reference,
                        id.isEmpty() ? name : id,
                        workspace,
                        agreeing,
                        values,
                        skipsEmpty,
                        ""),
                compiler.compile(message, targets),
                occurring);
    }

    /** The fields of the request, and those beside the name where it stands deeper. */
    private Stream<FieldDescriptor> besideName() {
        return Stream.concat(
                message.getFields().stream(),
                targets.stream()
                        .filter(target -> target.slot() == Slot.NAME)
                        .flatMap(target -> target.path().getLast().getContainingType().getFields().stream()));
    }

    private void reference(Settings sandbox, String key, String text, Slot slot) {
        if (text.isEmpty()) {
            return;
        }
        FieldPath path = find(sandbox, key, text);
        if (path == null) {
            return;
        }
        if (path.repeated()) {
            sandbox.problem(
                    key,
                    "\"" + text + "\" may come often, so it cannot say which sandbox is meant; a path like that"
                            + " belongs under agree");
            return;
        }
        if (path.leaf().getType() != FieldDescriptor.Type.STRING) {
            sandbox.problem(key, "\"" + text + "\" is no string but " + typeName(path.leaf()));
            return;
        }
        take(sandbox, key, path, slot);
    }

    private List<String> agreeing() {
        List<String> texts = rule.strings("agree");
        for (String text : texts) {
            FieldPath path = find(rule, "agree", text);
            if (path == null) {
                continue;
            }
            if (path.throughMap()) {
                rule.problem("agree", "\"" + text + "\" goes through a map, which the scanner does not follow");
            } else if (path.leaf().getType() != FieldDescriptor.Type.STRING) {
                rule.problem("agree", "\"" + text + "\" is no string but " + typeName(path.leaf()));
            } else {
                take(rule, "agree", path, Slot.INNER);
            }
        }
        return texts;
    }

    private void take(Settings at, String key, FieldPath path, Slot slot) {
        String other = taken.putIfAbsent(path.fields(), key);
        if (other != null) {
            at.problem(key, "\"" + path.text() + "\" already stands under " + other + "; name it once");
            return;
        }
        targets.add(new Target(path.fields(), slot, null));
    }

    private SequencedMap<String, String> required() {
        SequencedMap<String, String> values = new LinkedHashMap<>();
        if (!rule.has("require")) {
            return values;
        }
        Settings require = rule.section("require");
        for (String text : require.keys()) {
            String value = require.string(text, "");
            values.put(text, value);
            FieldPath path = find(require, text, text);
            if (path == null) {
                continue;
            }
            if (path.throughRepeated()) {
                require.problem(text, "goes through a field that may come often; require the outer field instead");
                continue;
            }
            if (taken.containsKey(path.fields())) {
                require.problem(text, "already says which sandbox is meant; it cannot have a fixed value too");
                continue;
            }
            if (required.putIfAbsent(path.fields(), value) != null) {
                require.problem(text, "is required twice");
                continue;
            }
            try {
                Requirement requirement = requirement(text, value, path.leaf());
                if (requirement.occursBit != 0) {
                    occurring.add(requirement);
                }
                targets.add(new Target(path.fields(), Slot.NOTHING, requirement));
            } catch (IllegalArgumentException e) {
                require.problem(text, String.valueOf(e.getMessage()));
            }
        }
        return values;
    }

    private Requirement requirement(String path, String value, FieldDescriptor field) {
        byte[] nothing = new byte[0];
        if (value.equals("absent")) {
            return new Requirement(path, Requirement.Kind.ABSENT, 0, nothing, 0);
        }
        if (value.equals("present")) {
            if (!field.isRepeated() && !field.hasPresence()) {
                throw new IllegalArgumentException(
                        "\"present\" needs a field that decoders can tell from a default (a message, an optional or a"
                                + " repeated field), this is " + typeName(field));
            }
            return new Requirement(path, Requirement.Kind.PRESENT, 0, nothing, nextOccursBit());
        }
        if (field.isRepeated()) {
            throw new IllegalArgumentException("expected present or absent for a repeated field");
        }
        return switch (field.getType()) {
            case BOOL -> {
                if (!value.equals("true") && !value.equals("false")) {
                    throw new IllegalArgumentException("expected true, false or absent, found \"" + value + "\"");
                }
                boolean wanted = value.equals("true");
                yield fixed(path, field, Requirement.Kind.BOOL, wanted ? 1 : 0, nothing, wanted);
            }
            case STRING -> fixed(path, field, Requirement.Kind.TEXT, 0, value.getBytes(StandardCharsets.UTF_8), value);
            case ENUM -> {
                EnumValueDescriptor constant = field.getEnumType().findValueByName(value);
                if (constant == null) {
                    throw new IllegalArgumentException("expected one of "
                            + field.getEnumType().getValues().stream()
                                    .map(EnumValueDescriptor::getName)
                                    .collect(Collectors.joining(", "))
                            + ", found \"" + value + "\"");
                }
                yield fixed(path, field, Requirement.Kind.BITS, constant.getNumber(), nothing, constant);
            }
            case INT32, SFIXED32 -> {
                int number = (int) number(value, Integer.MIN_VALUE, Integer.MAX_VALUE);
                yield fixed(path, field, Requirement.Kind.BITS, number, nothing, number);
            }
            case UINT32 -> {
                long number = number(value, 0, 0xFFFFFFFFL);
                yield fixed(path, field, Requirement.Kind.BITS, number, nothing, (int) number);
            }
            case FIXED32 -> {
                // As the scanner reads four bytes: with the sign carried on.
                int number = (int) number(value, 0, 0xFFFFFFFFL);
                yield fixed(path, field, Requirement.Kind.BITS, number, nothing, number);
            }
            case INT64, SFIXED64 -> {
                long number = number(value, Long.MIN_VALUE, Long.MAX_VALUE);
                yield fixed(path, field, Requirement.Kind.BITS, number, nothing, number);
            }
            case UINT64, FIXED64 -> {
                long number = number(value, 0, Long.MAX_VALUE);
                yield fixed(path, field, Requirement.Kind.BITS, number, nothing, number);
            }
            case SINT32 -> {
                int number = (int) number(value, Integer.MIN_VALUE, Integer.MAX_VALUE);
                long zigzag = ((number << 1) ^ (number >> 31)) & 0xFFFFFFFFL;
                yield fixed(path, field, Requirement.Kind.BITS, zigzag, nothing, number);
            }
            case SINT64 -> {
                long number = number(value, Long.MIN_VALUE, Long.MAX_VALUE);
                yield fixed(path, field, Requirement.Kind.BITS, (number << 1) ^ (number >> 63), nothing, number);
            }
            case MESSAGE, GROUP, BYTES, FLOAT, DOUBLE ->
                throw new IllegalArgumentException("expected present or absent for " + typeName(field));
        };
    }

    private Requirement fixed(
            String path, FieldDescriptor field, Requirement.Kind kind, long bits, byte[] text, Object wanted) {
        boolean leavingOutIsAsGood = field.getDefaultValue().equals(wanted);
        return new Requirement(path, kind, bits, text, leavingOutIsAsGood ? 0 : nextOccursBit());
    }

    private long nextOccursBit() {
        if (occurring.size() >= PlanCompiler.MAX_FIELDS) {
            throw new IllegalArgumentException("more than " + PlanCompiler.MAX_FIELDS + " fields that have to occur");
        }
        return 1L << occurring.size();
    }

    private static long number(String value, long min, long max) {
        long number;
        try {
            number = Long.parseLong(value);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("expected a whole number or absent, found \"" + value + "\"", e);
        }
        if (number < min || number > max) {
            throw new IllegalArgumentException("expected " + min + " to " + max + ", found " + value);
        }
        return number;
    }

    /**
     * Refuses more fields than the scanner's bit sets hold, and references that a oneof could carry elsewhere.
     *
     * <p>A reference that is a member of a oneof itself has siblings that say it in another way; each of them must be
     * required absent. A reference inside a member has siblings that say something else; those that hold a field which
     * looks like a sandbox must be required absent, or agree.
     */
    private void checkTargets() {
        if (targets.size() > PlanCompiler.MAX_FIELDS) {
            rule.problem(
                    "require",
                    "the rule is about " + targets.size() + " fields; the scanner can follow "
                            + PlanCompiler.MAX_FIELDS);
        }
        Set<String> noted = new LinkedHashSet<>();
        for (Target target : List.copyOf(targets)) {
            if (target.slot() == Slot.NOTHING) {
                continue;
            }
            for (int i = 0; i < target.path().size(); i++) {
                FieldDescriptor step = target.path().get(i);
                OneofDescriptor oneof = step.getRealContainingOneof();
                if (oneof == null) {
                    continue;
                }
                boolean leaf = i == target.path().size() - 1;
                List<FieldDescriptor> above = target.path().subList(0, i);
                for (FieldDescriptor sibling : oneof.getFields()) {
                    if (!sibling.equals(step) && (leaf || namesSandbox(above, sibling)) && !ruledOut(above, sibling)) {
                        String path = dotted(above, sibling);
                        if (noted.add(path)) {
                            rule.problem(
                                    "sandbox",
                                    "\"" + path + "\" is another member of the oneof " + oneof.getName()
                                            + " and could name another sandbox; add it under require as \"" + path
                                            + ": absent\"");
                        }
                    }
                }
            }
        }
    }

    private boolean namesSandbox(List<FieldDescriptor> above, FieldDescriptor sibling) {
        if (Suggestions.looksLikeSandbox(sibling.getName())) {
            return !taken.containsKey(join(above, List.of(sibling)));
        }
        if (sibling.getJavaType() != JavaType.MESSAGE) {
            return false;
        }
        return Suggestions.sandboxLike(sibling.getMessageType()).stream()
                .anyMatch(inner -> !taken.containsKey(join(join(above, List.of(sibling)), inner.fields())));
    }

    private boolean ruledOut(List<FieldDescriptor> above, FieldDescriptor sibling) {
        return "absent".equals(required.get(join(above, List.of(sibling))));
    }

    private static List<FieldDescriptor> join(List<FieldDescriptor> a, List<FieldDescriptor> b) {
        List<FieldDescriptor> joined = new ArrayList<>(a);
        joined.addAll(b);
        return List.copyOf(joined);
    }

    private static String dotted(List<FieldDescriptor> above, FieldDescriptor last) {
        return join(above, List.of(last)).stream().map(FieldDescriptor::getName).collect(Collectors.joining("."));
    }

    private @Nullable FieldPath find(Settings at, String key, String text) {
        try {
            return FieldPath.of(message, text);
        } catch (IllegalArgumentException e) {
            at.problem(key, String.valueOf(e.getMessage()));
            return null;
        }
    }

    private static String typeName(FieldDescriptor field) {
        String type = field.getType().name().toLowerCase(Locale.ROOT);
        return field.isRepeated() ? "repeated " + type : type;
    }
}
