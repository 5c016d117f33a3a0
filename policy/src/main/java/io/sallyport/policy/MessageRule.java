package io.sallyport.policy;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;

/** What the request messages of a method must say, compiled for {@link MessageScanner}. */
public final class MessageRule {
    /** Which kind of reference names the sandbox. */
    public enum Reference {
        /** The message names no sandbox; the policy file says why that is right. */
        NONE,
        /** By id. */
        ID,
        /** By name and workspace. */
        NAME
    }

    private final Words words;
    private final MessagePlan plan;
    private final List<MessagePlan.Requirement> occurring;
    private final long occurringBits;

    MessageRule(Words words, MessagePlan plan, List<MessagePlan.Requirement> occurring) {
        this.words = words;
        this.plan = plan;
        this.occurring = List.copyOf(occurring);
        long bits = 0;
        for (MessagePlan.Requirement requirement : occurring) {
            bits |= requirement.occursBit;
        }
        this.occurringBits = bits;
    }

    /** How a message names the sandbox. */
    public Reference reference() {
        return words.reference();
    }

    /** The rule as the policy file put it, for people. */
    public Words words() {
        return words;
    }

    /**
     * Whether messages of a stream that name no sandbox may pass before the first that does ({@code empty: skip}); they
     * still may not name another one inside. Without it the first message has to name the sandbox. After that a message
     * that names none says nothing, either way.
     */
    public boolean skipsEmpty() {
        return words.skipsEmpty();
    }

    /** Whether nothing in a message matters: none names a sandbox, at the top or inside, and no value is required. */
    public boolean opaque() {
        return words.reference() == Reference.NONE
                && words.agreeing().isEmpty()
                && words.required().isEmpty();
    }

    MessagePlan plan() {
        return plan;
    }

    /** The requirements whose field has to occur. */
    List<MessagePlan.Requirement> occurring() {
        return occurring;
    }

    long occurringBits() {
        return occurringBits;
    }

    /**
     * The rule as the policy file put it.
     *
     * @param requestType full name of the request message
     * @param reference which kind of reference names the sandbox
     * @param primary dotted path of the id or the name; "" for none
     * @param workspace dotted path of the workspace; "" for none
     * @param agreeing dotted paths of further ids that must agree
     * @param required dotted path → value, {@code present} or {@code absent}
     * @param skipsEmpty {@code empty: skip}, see {@link #skipsEmpty()}
     * @param reason why the message need not name a sandbox; "" when it does
     */
    public record Words(
            String requestType,
            Reference reference,
            String primary,
            String workspace,
            List<String> agreeing,
            SequencedMap<String, String> required,
            boolean skipsEmpty,
            String reason) {
        public Words {
            Objects.requireNonNull(requestType, "requestType is null");
            Objects.requireNonNull(reference, "reference is null");
            Objects.requireNonNull(primary, "primary is null");
            Objects.requireNonNull(workspace, "workspace is null");
            agreeing = List.copyOf(agreeing);
            required = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(required));
            Objects.requireNonNull(reason, "reason is null");
        }

        /** The words of a method whose messages are never held to a sandbox. */
        static Words none(String requestType, String reason) {
            return new Words(requestType, Reference.NONE, "", "", List.of(), new LinkedHashMap<>(), false, reason);
        }
    }
}
