package io.sallyport.extauthz.guard;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.base.audit.LoggableNames;
import io.sallyport.policy.KnownId;
import io.sallyport.policy.MessageRule;
import io.sallyport.policy.MessageScanner;
import io.sallyport.policy.MethodRule;
import io.sallyport.policy.MethodRule.Streaming;
import io.sallyport.policy.References;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Holds the messages of one stream to its owner: the first reference has to be the owner's own, and from then on the stream
 * is pinned to it.
 *
 * <p>A reference is an id, or a name with its workspace, as the rule says; the ids inside a message must agree at any time.
 * Before the pin a message that names nobody is refused, unless the rule skips those ({@link MessageRule#skipsEmpty}); after
 * it, it says nothing.
 */
final class Pin implements MessageAssembler.Sink {
    private final MessageRule rule;
    private final boolean single;
    private Owner.@Nullable Living owner;

    /** What the messages of a pinned stream say, as long as nothing is wrong. */
    private @Nullable KnownId usual;

    private boolean pinned;
    private long messages;

    Pin(MethodRule rule) {
        this.rule = rule.messages();
        this.single = rule.streaming() == Streaming.SERVER;
    }

    /** Whether the stream has named its owner, so that nothing about the owner needs to be known any more. */
    boolean isPinned() {
        return pinned;
    }

    /** Who the owner is at this moment: to be said before a piece is looked at, as long as there is no pin. */
    void own(Owner.Living living) {
        owner = living;
        usual = new KnownId(living.id());
    }

    long messages() {
        return messages;
    }

    @Override
    public @Nullable Refusal take(ByteBuffer message) {
        if (single && messages > 0) {
            return new Refusal(Reason.FRAME_EXTRA, "a second message, where the client has one to send");
        }
        messages++;
        Owner.Living own = owner;
        KnownId known = usual;
        if (own == null || known == null) {
            throw new IllegalStateException("a message came before its owner was known");
        }
        References references;
        try {
            references = MessageScanner.scanMessage(rule, message, known);
        } catch (RejectedException e) {
            return new Refusal(e.reason(), e.detail());
        }
        boolean before = pinned;
        Refusal refusal = switch (rule.reference()) {
            case ID -> hold(references.id().isEmpty(), references.id().equals(own.id()), references.id(), before);
            case NAME ->
                hold(
                        references.name().isEmpty() && references.workspace().isEmpty(),
                        references.names(own.workspace(), own.name()),
                        references.qualifiedName(),
                        before);
            case NONE -> null;
        };
        return refusal != null ? refusal : holdInner(references, own, before);
    }

    private @Nullable Refusal hold(boolean empty, boolean own, String asked, boolean before) {
        if (empty) {
            return before || rule.skipsEmpty() ? null : new Refusal(Reason.STREAM_UNNAMED, "");
        }
        if (own) {
            pinned = true;
            return null;
        }
        return foreign(
                before,
                rule.reference() == MessageRule.Reference.ID ? Reason.CROSS_SANDBOX : Reason.NAME_NOT_OWNED,
                asked,
                "");
    }

    private @Nullable Refusal holdInner(References references, Owner.Living own, boolean before) {
        for (String inner : references.inner()) {
            if (!inner.equals(own.id())) {
                return foreign(before, Reason.CROSS_SANDBOX, inner, "named inside the message");
            }
        }
        return null;
    }

    private static Refusal foreign(boolean before, Reason first, String asked, String detail) {
        return new Refusal(before ? Reason.STREAM_SWITCHED : first, LoggableNames.of(asked), detail);
    }
}
