package io.sallyport.identity;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.StrictJson.Value;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/** The members of a verified payload, read by type. A claim of the wrong type is refused, never skipped. */
record Claims(Map<String, Value> members) {
    /** The last second of the year 9999: a later time is a mistake, and could overflow a sum. */
    private static final long LATEST = 253_402_300_799L;

    boolean has(String name) {
        return members.containsKey(name);
    }

    String text(String name, Reason otherwise) throws RejectedException {
        if (members.get(name) instanceof Value.Text(String text)) {
            return text;
        }
        throw new RejectedException(otherwise, name + (has(name) ? " is not a text" : " is missing"));
    }

    /** Seconds since the epoch (RFC 7519 NumericDate), whole ones only. */
    Instant time(String name) throws RejectedException {
        long seconds = whole(name);
        if (seconds < 0 || seconds > LATEST) {
            throw new RejectedException(Reason.TOKEN_CLAIMS, name + " is not a time of our era");
        }
        return Instant.ofEpochSecond(seconds);
    }

    /** An opaque id such as {@code jti}: 1 to 128 of {@code [A-Za-z0-9._-]}. */
    Optional<String> optionalId(String name) throws RejectedException {
        if (!has(name)) {
            return Optional.empty();
        }
        String id = text(name, Reason.TOKEN_CLAIMS);
        if (!SandboxId.isValid(id)) {
            throw new RejectedException(Reason.TOKEN_CLAIMS, name + " is not 1 to 128 of [A-Za-z0-9._-]");
        }
        return Optional.of(id);
    }

    /** {@code lin} and {@code gen}: both or none. */
    Optional<Lineage> lineage() throws RejectedException {
        Optional<String> id = optionalId("lin");
        if (id.isPresent() != has("gen")) {
            throw new RejectedException(Reason.TOKEN_CLAIMS, "lin and gen come together");
        }
        if (id.isEmpty()) {
            return Optional.empty();
        }
        long generation = whole("gen");
        if (generation < 0) {
            throw new RejectedException(Reason.TOKEN_CLAIMS, "gen is negative");
        }
        return Optional.of(new Lineage(id.get(), generation));
    }

    Claims nested(String name) throws RejectedException {
        if (members.get(name) instanceof Value.Nested(Map<String, Value> inner)) {
            return new Claims(inner);
        }
        throw new RejectedException(Reason.TOKEN_CLAIMS, name + " is missing or not an object");
    }

    private long whole(String name) throws RejectedException {
        if (members.get(name) instanceof Value.Whole(long number)) {
            return number;
        }
        throw new RejectedException(Reason.TOKEN_CLAIMS, name + " is missing or not a whole number");
    }
}
