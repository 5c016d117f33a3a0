package io.sallyport.policy;

import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The bytes a policy is made of, each read once: what the digest covers is what the rules come from.
 *
 * @param descriptorSet the gateway's descriptor set
 * @param rules the rules files, the extended preset first
 */
record PolicyFiles(Blob descriptorSet, List<Text> rules) {
    /** The presets that ship, each with a wire-compatible descriptor set of what sandboxes call. */
    static final List<String> PRESETS = List.of("openshell-0.0", "openshell-0.1");

    PolicyFiles {
        rules = List.copyOf(rules);
    }

    /** A file's name and its bytes. */
    static final class Blob {
        private final String name;
        private final byte[] bytes;

        Blob(String name, byte[] bytes) {
            this.name = name;
            this.bytes = Arrays.copyOf(bytes, bytes.length);
        }

        String name() {
            return name;
        }

        byte[] bytes() {
            return Arrays.copyOf(bytes, bytes.length);
        }
    }

    /** A rules file. */
    record Text(Blob blob) {
        String name() {
            return blob.name();
        }

        /** The text; empty, with the mistake noted, when it is not UTF-8. */
        String text(Problems problems) {
            try {
                return StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(ByteBuffer.wrap(blob.bytes()))
                        .toString();
            } catch (CharacterCodingException e) {
                problems.add(name(), "not UTF-8 text");
                return "";
            }
        }
    }

    /** Finds the files that a {@code policy:} section names; null, with the mistakes noted, when one is missing. */
    static @Nullable PolicyFiles find(Settings section) {
        Problems problems = section.problems();
        Optional<String> preset = section.optionalString("preset");
        Optional<Path> file = section.optionalPath("rules");
        Optional<Path> descriptors = section.optionalPath("descriptor-set");
        if (preset.isPresent() == file.isPresent()) {
            section.problem(
                    "preset",
                    preset.isPresent()
                            ? "give either preset or rules, not both; a rules file may start with \"extends: "
                                    + preset.get() + "\""
                            : "is missing; give a preset (" + String.join(", ", PRESETS) + ") or rules: FILE");
            return null;
        }
        List<Text> rules = new ArrayList<>();
        String base = preset.orElse("");
        if (preset.isPresent()) {
            if (!PRESETS.contains(base)) {
                section.problem("preset", unknownPreset(base));
                return null;
            }
        } else {
            Blob blob = read(file.orElseThrow(), problems);
            if (blob == null) {
                return null;
            }
            Text own = new Text(blob);
            // Looked at for this one key; RulesFile reads it again, and notes what is wrong with it.
            base = Settings.parse(own.name(), own.text(new Problems()), new Problems())
                    .string("extends", "");
            if (!base.isEmpty() && !PRESETS.contains(base)) {
                problems.add(own.name() + " extends", unknownPreset(base));
                return null;
            }
            rules.add(own);
        }
        if (!base.isEmpty()) {
            rules.addFirst(new Text(resource("preset " + base, "/io/sallyport/policy/" + base + ".yaml")));
        } else if (descriptors.isEmpty()) {
            section.problem(
                    "descriptor-set",
                    "is missing; rules that extend no preset need the gateway's descriptor set (protoc"
                            + " --descriptor_set_out --include_imports)");
            return null;
        }
        Blob set = descriptors.isPresent()
                ? read(descriptors.get(), problems)
                : resource("shipped descriptors of " + base, "/io/sallyport/api/" + base + ".pb");
        return set == null ? null : new PolicyFiles(set, rules);
    }

    /** Like {@link #find}, and content with a descriptor set alone: then there are no rules. */
    static @Nullable PolicyFiles findForSuggestions(Settings section) {
        Optional<Path> descriptors = section.optionalPath("descriptor-set");
        if (section.has("preset") || section.has("rules") || descriptors.isEmpty()) {
            return find(section);
        }
        Blob set = read(descriptors.get(), section.problems());
        return set == null ? null : new PolicyFiles(set, List.of());
    }

    /** SHA-256 in hex over every part and its length, so that bytes cannot move from one part to the next. */
    String digest() {
        MessageDigest sha256;
        try {
            sha256 = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
        update(sha256, descriptorSet.bytes());
        rules.forEach(text -> update(sha256, text.blob().bytes()));
        return HexFormat.of().formatHex(sha256.digest());
    }

    private static void update(MessageDigest digest, byte[] part) {
        digest.update(ByteBuffer.allocate(Long.BYTES).putLong(part.length).flip());
        digest.update(part);
    }

    private static String unknownPreset(String name) {
        return "there is no preset \"" + name + "\"; there are " + String.join(", ", PRESETS);
    }

    private static @Nullable Blob read(Path file, Problems problems) {
        try {
            return new Blob(file.toString(), Files.readAllBytes(file));
        } catch (IOException e) {
            problems.add(file.toString(), "cannot be read (" + e.getClass().getSimpleName() + "); does it exist?");
            return null;
        }
    }

    private static Blob resource(String name, String path) {
        try (InputStream in = PolicyFiles.class.getResourceAsStream(path)) {
            if (in == null) {
                throw new IllegalStateException(path + " is not on the class path; the build puts it there");
            }
            return new Blob(name, in.readAllBytes());
        } catch (IOException e) {
            throw new IllegalStateException(path + " cannot be read", e);
        }
    }
}
