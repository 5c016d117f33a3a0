package io.sallyport.policy;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumValueDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.policy.MessageRule.Reference;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Holds the scanner against a real decoder, for one method: whatever the scanner accepts, {@link DynamicMessage} parses,
 * and reads the same out of.
 *
 * @param rule the rule, from a policy
 * @param type the request message, from the same policy's descriptor set
 * @param paths the rule's paths, found in the request message
 */
record DecoderOracle(MethodRule rule, Descriptor type, Map<String, FieldPath> paths) {
    /** What came of one message. */
    enum Outcome {
        ACCEPTED,
        REFUSED
    }

    /** One for each sandbox-callable method of a policy, given as the text of a {@code policy:} section. */
    static List<DecoderOracle> all(String section) {
        Settings settings = Settings.parse("settings.yaml", section, new Problems());
        PolicyFiles files = Objects.requireNonNull(PolicyFiles.find(settings));
        DescriptorSet descriptors =
                DescriptorSet.parse("descriptors", files.descriptorSet().bytes(), new Problems());
        AccessPolicy policy = AccessPolicy.read(settings).orElseThrow();
        return descriptors.methods().values().stream()
                .map(method -> of(
                        Policies.method(policy, "/" + method.name()),
                        method.descriptor().getInputType()))
                .filter(oracle -> oracle.rule.sandboxCallable())
                .toList();
    }

    private static DecoderOracle of(MethodRule rule, Descriptor type) {
        MessageRule.Words words = rule.messages().words();
        Map<String, FieldPath> paths = new HashMap<>();
        Stream.of(
                        List.of(words.primary(), words.workspace()),
                        words.agreeing(),
                        words.required().keySet())
                .flatMap(Collection::stream)
                .filter(path -> !path.isEmpty())
                .forEach(path -> paths.put(path, FieldPath.of(type, path)));
        return new DecoderOracle(rule, type, paths);
    }

    private FieldPath path(String text) {
        return Objects.requireNonNull(paths.get(text));
    }

    /** Fails when the scanner accepts bytes that the decoder refuses or reads otherwise. */
    Outcome check(byte[] bytes) {
        References references;
        try {
            references = MessageScanner.scanMessage(rule.messages(), ByteBuffer.wrap(bytes));
        } catch (RejectedException e) {
            return Outcome.REFUSED;
        }
        Message decoded;
        try {
            decoded = DynamicMessage.parseFrom(type, bytes);
        } catch (InvalidProtocolBufferException e) {
            throw new AssertionError(rule.path() + ": accepted, and the decoder says " + e.getMessage(), e);
        }
        Set<String> inner = inner(decoded);
        if (!references.id().equals(id(decoded))
                || !references.name().equals(name(decoded))
                || !references.workspace().equals(workspace(decoded))
                || references.inner().size() != inner.size()
                || !inner.containsAll(references.inner())
                || !requirementsHold(decoded)) {
            throw new AssertionError(rule.path() + ": the scanner reads " + references + ", a decoder " + decoded);
        }
        checkKnown(bytes, references);
        return Outcome.ACCEPTED;
    }

    /** Fails when it makes a difference which id is expected. */
    private void checkKnown(byte[] bytes, References references) {
        for (String id : List.of(
                references.id(),
                references.inner().isEmpty() ? "sandbox" : references.inner().getFirst())) {
            try {
                assertThat(MessageScanner.scanMessage(rule.messages(), ByteBuffer.wrap(bytes), new KnownId(id)))
                        .isEqualTo(references);
            } catch (RejectedException e) {
                throw new AssertionError(rule.path() + ": refused because an id is known", e);
            }
        }
    }

    /** Fails when the scanner refuses what an encoder wrote, for anything but what the message says. */
    Outcome checkEncoded(Message message) {
        try {
            MessageScanner.scanMessage(rule.messages(), ByteBuffer.wrap(message.toByteArray()));
        } catch (RejectedException e) {
            if (e.reason() == Reason.CROSS_SANDBOX) {
                assertThat(inner(message)).hasSizeGreaterThan(MessageScanner.MAX_INNER);
            } else {
                assertThat(e.reason())
                        .as("%s: %s in %s", rule.path(), e, message)
                        .isEqualTo(Reason.VALUE_NOT_ALLOWED);
                assertThat(requirementsHold(message))
                        .as("%s: %s in %s", rule.path(), e, message)
                        .isFalse();
            }
            return Outcome.REFUSED;
        }
        return check(message.toByteArray());
    }

    private String id(Message message) {
        return words().reference() == Reference.ID ? text(message, words().primary()) : "";
    }

    private String name(Message message) {
        return words().reference() == Reference.NAME ? text(message, words().primary()) : "";
    }

    private String workspace(Message message) {
        return words().workspace().isEmpty() ? "" : text(message, words().workspace());
    }

    private MessageRule.Words words() {
        return rule.messages().words();
    }

    private String text(Message message, String path) {
        return (String) values(message, path(path).fields(), false).getFirst();
    }

    private Set<String> inner(Message message) {
        Set<String> ids = new LinkedHashSet<>();
        for (String path : words().agreeing()) {
            values(message, path(path).fields(), false).forEach(value -> ids.add((String) value));
        }
        ids.remove("");
        return ids;
    }

    private boolean requirementsHold(Message message) {
        for (Map.Entry<String, String> entry : words().required().entrySet()) {
            FieldPath path = path(entry.getKey());
            boolean holds = switch (entry.getValue()) {
                case "present" -> !values(message, path.fields(), true).isEmpty();
                case "absent" -> values(message, path.fields(), true).isEmpty();
                default ->
                    values(message, path.fields(), false).stream()
                            .allMatch(value -> print(path.leaf(), value).equals(entry.getValue()));
            };
            if (!holds) {
                return false;
            }
        }
        return true;
    }

    /** A value as the policy file writes it. */
    private static String print(FieldDescriptor field, Object value) {
        return switch (field.getType()) {
            case ENUM -> ((EnumValueDescriptor) value).getName();
            case UINT32, FIXED32 -> Integer.toUnsignedString((Integer) value);
            default -> value.toString();
        };
    }

    /** The values at a path, as a decoder's user sees them: defaults too, unless only what is set is asked for. */
    private static List<Object> values(Message message, List<FieldDescriptor> path, boolean onlySet) {
        FieldDescriptor field = path.getFirst();
        List<Object> here = new ArrayList<>();
        if (field.isRepeated()) {
            for (int i = 0; i < message.getRepeatedFieldCount(field); i++) {
                here.add(message.getRepeatedField(field, i));
            }
        } else if (!onlySet || message.hasField(field)) {
            here.add(message.getField(field));
        }
        if (path.size() == 1) {
            return here;
        }
        List<Object> below = new ArrayList<>();
        for (Object value : here) {
            below.addAll(values((Message) value, path.subList(1, path.size()), onlySet));
        }
        return below;
    }
}
