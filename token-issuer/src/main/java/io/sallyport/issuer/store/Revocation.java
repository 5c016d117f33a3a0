package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/**
 * Passes that were taken back.
 *
 * @param subject which ones
 * @param reason in the words of whoever took them back
 * @param at when; for a sandbox, it is the tokens issued in or before this second
 * @param until how long this is kept: past the moment when the last of them could be accepted or renewed; empty for ever
 */
public record Revocation(Subject subject, String reason, Instant at, Optional<Instant> until) {
    /** As long as a reason may be, in characters. */
    public static final int MAX_REASON = 200;

    public Revocation {
        Objects.requireNonNull(subject, "subject is null");
        Objects.requireNonNull(reason, "reason is null");
        Objects.requireNonNull(at, "at is null");
        Objects.requireNonNull(until, "until is null");
    }

    /** What is revoked. Names are 1 to 128 of {@code [A-Za-z0-9._-]}. */
    public sealed interface Subject {
        /** The name, whatever it names. */
        String name();

        /** One token, by its {@code jti}. */
        record Token(String name) implements Subject {
            public Token {
                check(name);
            }
        }

        /** Every token of a lineage, by its {@code lin}. */
        record Lineage(String name) implements Subject {
            public Lineage {
                check(name);
            }
        }

        /** Every token that a sandbox was given up to the second of the revocation. */
        record Sandbox(SandboxId id) implements Subject {
            public Sandbox {
                Objects.requireNonNull(id, "id is null");
            }

            @Override
            public String name() {
                return id.value();
            }
        }

        /** Every token that a key has signed, by its {@code kid}; for ever. */
        record Key(String name) implements Subject {
            public Key {
                check(name);
            }
        }

        private static void check(String name) {
            if (!SandboxId.isValid(name)) {
                throw new IllegalArgumentException("what is revoked is named by 1 to 128 of [A-Za-z0-9._-]");
            }
        }
    }
}
