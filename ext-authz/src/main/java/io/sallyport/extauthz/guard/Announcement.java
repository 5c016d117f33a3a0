package io.sallyport.extauthz.guard;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.extauthz.envoy.DynamicMetadata;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.Principal;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.time.Instant;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * What {@code Check} said of a stream when it let it begin: whose it is, by which token, and which method it calls. It comes
 * as dynamic metadata, which a client cannot touch.
 *
 * @param principal in the words of the principal header
 * @param method {@code /package.Service/Method}
 * @param policy digest of the policy that let it in
 * @param token the token's claims, as far as a stream's life depends on them
 */
public record Announcement(String principal, String method, String policy, SandboxClaims token) {
    /** Where Envoy keeps what ext_authz said. */
    public static final String NAMESPACE = "envoy.filters.http.ext_authz";

    static final String PRINCIPAL = "principal";
    static final String SANDBOX_ID = "sandbox_id";
    static final String METHOD = "method";
    static final String POLICY = "policy";
    static final String TOKEN_ID = "token_id";
    static final String TOKEN_EXPIRES = "token_expires";
    static final String LINEAGE = "lineage";
    static final String GENERATION = "generation";
    static final String ISSUED_AT = "issued_at";
    static final String KEY_ID = "key_id";

    /** Beyond this a double does not hold every integer. */
    private static final double MOST = 1L << 53;

    /**
     * What a stream needs said beyond what every allowing answer says ({@code principal}, {@code sandbox_id}, {@code
     * method}, {@code token_expires}): for the dynamic metadata of the answer that lets it begin.
     *
     * @throws IllegalArgumentException when the token has no id or no lineage, so that its life could not be followed
     */
    public static DynamicMetadata of(SandboxClaims token, String policy) {
        Lineage lineage =
                token.lineage().orElseThrow(() -> new IllegalArgumentException("a stream's token has no lineage"));
        String id = token.tokenId().orElseThrow(() -> new IllegalArgumentException("a stream's token has no id"));
        return DynamicMetadata.NONE
                .with(POLICY, policy)
                .with(TOKEN_ID, id)
                .with(LINEAGE, lineage.id())
                .with(GENERATION, (double) lineage.generation())
                .with(ISSUED_AT, (double) token.issuedAt().getEpochSecond())
                .with(KEY_ID, token.keyId());
    }

    /**
     * Reads it.
     *
     * @throws RejectedException {@code STREAM_UNGUARDED}, when anything is missing
     */
    static Announcement read(DynamicMetadata said) throws RejectedException {
        SandboxId sandbox;
        Lineage lineage;
        try {
            sandbox = new SandboxId(text(said, SANDBOX_ID));
            lineage = new Lineage(text(said, LINEAGE), number(said, GENERATION));
        } catch (IllegalArgumentException e) {
            throw new RejectedException(Reason.STREAM_UNGUARDED, "ext_authz named no sandbox and lineage");
        }
        SandboxClaims token = new SandboxClaims(
                sandbox,
                Optional.of(text(said, TOKEN_ID)),
                Optional.of(lineage),
                Instant.ofEpochSecond(number(said, ISSUED_AT)),
                said.says(TOKEN_EXPIRES) ? Instant.ofEpochSecond(number(said, TOKEN_EXPIRES)) : Instant.MAX,
                text(said, KEY_ID));
        String principal = text(said, PRINCIPAL);
        if (!principal.equals(PrincipalHeader.format(new Principal.Sandbox(sandbox, token)))) {
            throw new RejectedException(Reason.STREAM_UNGUARDED, "ext_authz named a principal that is another sandbox");
        }
        return new Announcement(principal, text(said, METHOD), text(said, POLICY), token);
    }

    private static String text(DynamicMetadata said, String field) throws RejectedException {
        return said.text(field).filter(value -> !value.isEmpty()).orElseThrow(() -> missing(field));
    }

    private static long number(DynamicMetadata said, String field) throws RejectedException {
        OptionalDouble value = said.number(field);
        double number = value.orElse(-1);
        if (!(number >= 0) || number > MOST || number != Math.rint(number)) {
            throw missing(field);
        }
        return (long) number;
    }

    private static RejectedException missing(String field) {
        return new RejectedException(Reason.STREAM_UNGUARDED, "ext_authz said no " + field + " of this stream");
    }
}
