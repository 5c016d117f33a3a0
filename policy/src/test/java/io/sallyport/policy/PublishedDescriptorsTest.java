package io.sallyport.policy;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor.JavaType;
import com.google.protobuf.Descriptors.OneofDescriptor;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The presets against the descriptors that the OpenShell project publishes in its Python package. */
class PublishedDescriptorsTest {
    private static final String OPENSHELL = "/openshell.v1.OpenShell/";

    @ParameterizedTest
    @CsvSource({"openshell-0.0, 0.0.113, 68", "openshell-0.1, 0.1.5, 84"})
    void thePresetCoversEveryMethodThatSandboxesMayCall(
            String preset, String version, int methods, @TempDir Path directory)
            throws IOException, InterruptedException, InvalidSettingsException {
        Path set = PublishedDescriptors.of(version, directory);
        String section = "{preset: " + preset + ", descriptor-set: " + set + "}";
        assertThat(Policies.problems(section)).isEmpty();
        AccessPolicy policy = Policies.load(section);
        assertThat(policy.rules().stream().filter(rule -> rule.path().startsWith(OPENSHELL)))
                .hasSize(methods);
        assertThat(Suggestions.forMethodsWithoutRule(Settings.parse("section", section, new Problems())))
                .isEmpty();
        // No string that looks like a sandbox is left for nobody to look at.
        descriptors(Files.readAllBytes(set)).forEach((name, method) -> {
            MethodRule rule = Policies.method(policy, "/" + name);
            if (rule.sandboxCallable()) {
                MessageRule.Words words = rule.messages().words();
                Set<String> looked = new HashSet<>(words.agreeing());
                looked.add(words.primary());
                looked.add(words.workspace());
                looked.addAll(words.required().keySet());
                assertThat(Suggestions.sandboxLike(method.descriptor().getInputType()).stream()
                                .map(FieldPath::text)
                                .filter(path -> !looked.contains(path)))
                        .as(name)
                        .isEmpty();
            }
        });
    }

    /** What sandboxes may call is the same in both, and so is every field of ours. */
    @ParameterizedTest
    @CsvSource({"openshell-0.0, 0.0.113", "openshell-0.1, 0.1.5"})
    void theShippedDescriptorsAreAFaithfulPart(String preset, String version, @TempDir Path directory)
            throws IOException, InterruptedException {
        SortedMap<String, DescriptorSet.Method> published =
                descriptors(Files.readAllBytes(PublishedDescriptors.of(version, directory)));
        SortedMap<String, DescriptorSet.Method> shipped = shipped(preset);
        assertThat(sandboxCallable(shipped)).isEqualTo(sandboxCallable(published));
        List<String> differences = new ArrayList<>();
        Set<Descriptor> seen = new HashSet<>();
        shipped.forEach((name, ours) -> {
            DescriptorSet.Method theirs = Objects.requireNonNull(published.get(name), name);
            if (!ours.mode().equals(theirs.mode()) || ours.streaming() != theirs.streaming()) {
                differences.add(name + ": " + ours.mode() + " " + ours.streaming() + " is published as " + theirs.mode()
                        + " " + theirs.streaming());
            }
            compare(ours.descriptor().getInputType(), theirs.descriptor().getInputType(), seen, differences);
        });
        assertThat(differences).isEmpty();
    }

    private static void compare(Descriptor ours, Descriptor theirs, Set<Descriptor> seen, List<String> differences) {
        if (!seen.add(ours)) {
            return;
        }
        if (!ours.getFullName().equals(theirs.getFullName())) {
            differences.add(ours.getFullName() + " is published as " + theirs.getFullName());
        }
        for (FieldDescriptor our : ours.getFields()) {
            FieldDescriptor their = theirs.findFieldByNumber(our.getNumber());
            if (their == null
                    || !their.getName().equals(our.getName())
                    || their.getType() != our.getType()
                    || their.isRepeated() != our.isRepeated()) {
                differences.add(our.toProto() + " of " + ours.getFullName() + " is published as "
                        + (their == null ? "nothing" : their.toProto()));
            } else if (our.getJavaType() == JavaType.MESSAGE) {
                compare(our.getMessageType(), their.getMessageType(), seen, differences);
            }
        }
        // A oneof with a member missing would let the member's field pass as an unknown one.
        for (OneofDescriptor oneof : ours.getRealOneofs()) {
            Set<String> our =
                    oneof.getFields().stream().map(FieldDescriptor::getName).collect(Collectors.toSet());
            Set<String> their = theirs.getRealOneofs().stream()
                    .filter(candidate -> candidate.getName().equals(oneof.getName()))
                    .flatMap(candidate -> candidate.getFields().stream())
                    .map(FieldDescriptor::getName)
                    .collect(Collectors.toSet());
            if (!our.equals(their)) {
                differences.add(oneof.getFullName() + " has " + our + ", published are " + their);
            }
        }
    }

    private static Set<String> sandboxCallable(SortedMap<String, DescriptorSet.Method> methods) {
        return methods.values().stream()
                .filter(method -> RuleReader.sandboxCallable(method.access()))
                .map(method -> method.name() + " " + method.mode())
                .collect(Collectors.toSet());
    }

    private static SortedMap<String, DescriptorSet.Method> shipped(String preset) {
        PolicyFiles files = Objects.requireNonNull(
                PolicyFiles.find(Settings.parse("section", "preset: " + preset, new Problems())));
        return descriptors(files.descriptorSet().bytes());
    }

    private static SortedMap<String, DescriptorSet.Method> descriptors(byte[] bytes) {
        Problems problems = new Problems();
        SortedMap<String, DescriptorSet.Method> methods =
                DescriptorSet.parse("descriptors", bytes, problems).methods();
        assertThat(problems.list()).isEmpty();
        return methods;
    }
}
