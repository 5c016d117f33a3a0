package io.sallyport.base;

import io.grpc.Status;
import io.grpc.Status.Code;
import java.util.Locale;

/**
 * Why something was refused (or minted): the one closed list behind every status, every audit line and every test.
 *
 * <p>The {@linkplain #code() code} tells an operator exactly what happened. The {@linkplain #status() status} and its
 * text are all a caller ever sees, and several reasons share a text on purpose: a caller must not be able to tell a
 * forged signature from an unknown key, or a foreign sandbox from a missing one.
 *
 * <p>Which status when:
 *
 * <table>
 * <caption>Statuses</caption>
 * <tr><td>UNAUTHENTICATED</td><td>no, bad, foreign, expired or revoked credential</td></tr>
 * <tr><td>PERMISSION_DENIED</td><td>a good credential, but of the wrong kind or for another sandbox</td></tr>
 * <tr><td>INVALID_ARGUMENT</td><td>a body or metadata that cannot be read in exactly one way</td></tr>
 * <tr><td>RESOURCE_EXHAUSTED</td><td>over a limit</td></tr>
 * <tr><td>DEADLINE_EXCEEDED</td><td>too slow</td></tr>
 * <tr><td>NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION</td><td>the registry and the feed only, where the caller is an
 * operator or a part of ours: there is, or is no, such record</td></tr>
 * <tr><td>UNIMPLEMENTED</td><td>a method outside the policy</td></tr>
 * <tr><td>UNAVAILABLE</td><td>a part of ours is away, slow or unsure; try again</td></tr>
 * </table>
 */
public enum Reason {
    // The credential: UNAUTHENTICATED.
    NO_CREDENTIAL(Code.UNAUTHENTICATED, "missing authorization header"),
    SEVERAL_CREDENTIALS(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    CREDENTIAL_SCHEME(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    CREDENTIAL_UNKNOWN(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_TOO_LONG(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_MALFORMED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_TYPE(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_ALGORITHM(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_HEADER(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_KEY_UNKNOWN(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_SIGNATURE(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_CLAIMS(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_ISSUER(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_AUDIENCE(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_SUBJECT(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_NO_EXPIRY(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_LIFETIME(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_NOT_YET_VALID(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    TOKEN_EXPIRED(Code.UNAUTHENTICATED, "token expired"),
    /** The token, its lineage, everything its sandbox had so far, or everything its key signed was taken back. */
    TOKEN_REVOKED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** Not the newest token of its lineage, and not the one before it within its grace: somebody has a copy. */
    TOKEN_REUSED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    SANDBOX_UNKNOWN(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    SANDBOX_DELETED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** A good token, but of no lineage that the issuer opened for this sandbox: it cannot be renewed. */
    LINEAGE_UNKNOWN(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),

    // A pod's ServiceAccount token, in the order of the checks: UNAUTHENTICATED, and one text for all.
    POD_TOKEN_MALFORMED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    POD_TOKEN_AUDIENCE(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    POD_TOKEN_EXPIRED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** Says that it is of an account, or a namespace, whose pods are no sandboxes. */
    POD_TOKEN_SUBJECT(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** Not signed by a key that the cluster publishes. */
    POD_TOKEN_FORGED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** The API server does not know the token: its pod or its account is gone, or it was never one of its own. */
    REVIEW_REFUSED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** The API server did not confirm our audience: it knows the token, but not for us. */
    REVIEW_AUDIENCE(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    REVIEW_USERNAME(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    REVIEW_NAMESPACE(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    REVIEW_ACCOUNT(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** The token is bound to no pod, or to several. */
    REVIEW_POD(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    POD_GONE(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** Another pod has the name now. */
    POD_REPLACED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** The pod is being deleted, or has run to its end. */
    POD_ENDED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** The pod names no sandbox. */
    POD_ANNOTATION(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    OWNER_MISSING(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    OWNER_SEVERAL(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    OWNER_NOT_CONTROLLING(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    OWNER_GONE(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** Another Sandbox has the name now. */
    OWNER_REPLACED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** The Sandbox that owns the pod is of another id than the pod says. */
    OWNER_LABEL(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),
    /** The sandbox's record was made from another Sandbox, of which this one only took the id. */
    OWNER_UNRECORDED(Code.UNAUTHENTICATED, Texts.INVALID_CREDENTIAL),

    /** The assertion another part of Sallyport should have sent is missing, bad, or for something else. */
    ASSERTION(Code.UNAUTHENTICATED, "missing or invalid assertion"),

    // The caller's kind and the sandbox meant: PERMISSION_DENIED.
    SANDBOX_ON_USER_METHOD(Code.PERMISSION_DENIED, "sandbox principals may not call this method"),
    USER_ON_SANDBOX_METHOD(Code.PERMISSION_DENIED, "this method requires a sandbox principal"),
    SERVICE_ACCOUNT_REQUIRED(Code.PERMISSION_DENIED, "this method requires a ServiceAccount credential"),
    SANDBOX_STOPPED(Code.PERMISSION_DENIED, "sandbox is stopped"),
    CROSS_SANDBOX(Code.PERMISSION_DENIED, "cross-sandbox access denied: principal does not own this sandbox"),
    NAME_NOT_OWNED(Code.PERMISSION_DENIED, "sandbox not found or not owned by caller"),
    VALUE_NOT_ALLOWED(Code.PERMISSION_DENIED, "a sandbox may not set this field of the request"),
    SANDBOX_HEADER(Code.PERMISSION_DENIED, "x-sandbox-id does not agree with the credential"),
    /** A message of a stream names another sandbox than the messages before it. */
    STREAM_SWITCHED(Code.PERMISSION_DENIED, "log stream sandbox_id changed after validation"),

    // The body and the metadata: INVALID_ARGUMENT.
    CONTENT_TYPE(Code.INVALID_ARGUMENT, "content-type must be application/grpc or application/grpc+proto"),
    HEADER_MALFORMED(Code.INVALID_ARGUMENT, "a header of the request cannot be read in exactly one way"),
    PATH_MALFORMED(Code.INVALID_ARGUMENT, "the path must be /package.Service/Method, without a query"),
    BODY_MISSING(Code.INVALID_ARGUMENT, "the request carries no message"),
    BODY_PARTIAL(Code.INVALID_ARGUMENT, "the request body did not arrive whole"),
    FRAME_COMPRESSED(Code.INVALID_ARGUMENT, "compressed messages are not accepted"),
    FRAME_MALFORMED(Code.INVALID_ARGUMENT, "the gRPC frame is malformed"),
    FRAME_EXTRA(Code.INVALID_ARGUMENT, "more than one message, or bytes after the message"),
    MESSAGE_TRUNCATED(Code.INVALID_ARGUMENT, Texts.AMBIGUOUS),
    MESSAGE_VARINT(Code.INVALID_ARGUMENT, Texts.AMBIGUOUS),
    MESSAGE_TAG(Code.INVALID_ARGUMENT, Texts.AMBIGUOUS),
    MESSAGE_GROUP(Code.INVALID_ARGUMENT, Texts.AMBIGUOUS),
    MESSAGE_WIRE_TYPE(Code.INVALID_ARGUMENT, Texts.AMBIGUOUS),
    MESSAGE_FIELD_REPEATED(Code.INVALID_ARGUMENT, Texts.AMBIGUOUS),
    MESSAGE_ONEOF(Code.INVALID_ARGUMENT, Texts.AMBIGUOUS),
    MESSAGE_DEPTH(Code.INVALID_ARGUMENT, Texts.AMBIGUOUS),
    MESSAGE_UTF8(Code.INVALID_ARGUMENT, Texts.AMBIGUOUS),
    REQUEST_INVALID(Code.INVALID_ARGUMENT, "the request is not valid"),
    /** A Sandbox resource does not say which sandbox it is, or what it is called, in exactly one way. */
    RESOURCE_UNCLEAR(Code.INVALID_ARGUMENT, "the resource does not say which sandbox it is"),
    STREAM_UNNAMED(Code.INVALID_ARGUMENT, "the first message of the stream must name the sandbox"),
    STREAM_TRAILERS(Code.INVALID_ARGUMENT, "a request ends without trailers"),

    // The records, towards operators and our own parts: NOT_FOUND, ALREADY_EXISTS, FAILED_PRECONDITION; UNAVAILABLE for
    // a while.
    RECORD_UNKNOWN(Code.NOT_FOUND, "no sandbox of this id was ever registered"),
    /** A lineage that is asked after is not one of this sandbox, or so old that nothing of it is left. */
    LINEAGE_NOT_FOUND(Code.NOT_FOUND, "the sandbox has no such lineage"),
    RECORD_TAKEN(Code.ALREADY_EXISTS, "the id or the name is taken"),
    RECORD_DELETED(Code.FAILED_PRECONDITION, "the sandbox is deleted, and a deleted id never comes back"),
    /** Sandboxes are made and deleted as Sandbox resources of a cluster, and not by calls. */
    RECORD_MIRRORED(Code.FAILED_PRECONDITION, "sandboxes are made and deleted as Sandbox resources of the cluster"),
    RECORD_RESTING(Code.UNAVAILABLE, "the name was another sandbox's until a moment ago, try again"),
    RECORD_STOPPED(Code.FAILED_PRECONDITION, "the sandbox is stopped"),

    // Limits: RESOURCE_EXHAUSTED; time: DEADLINE_EXCEEDED.
    BODY_TOO_LARGE(Code.RESOURCE_EXHAUSTED, "the request body is over the limit of its method"),
    TOO_MANY_FAILURES(Code.RESOURCE_EXHAUSTED, "too many failed credentials on this connection"),
    TOO_MANY_WATCHERS(Code.RESOURCE_EXHAUSTED, "this issuer has as many watchers as it takes, go to another one"),
    /** A sandbox asks for tokens more often than it may, or too many times at once. */
    TOO_MANY_REFRESHES(Code.RESOURCE_EXHAUSTED, "too many token requests, try again later"),
    MESSAGE_TOO_LARGE(Code.RESOURCE_EXHAUSTED, "a message is over the limit of its method"),
    TOO_MANY_STREAMS(Code.RESOURCE_EXHAUSTED, "too many open streams"),
    /** Messages that have begun and not ended take as much memory as they may. */
    TOO_MUCH_UNFINISHED(Code.RESOURCE_EXHAUSTED, "too many unfinished messages, try again later"),
    DEADLINE_PASSED(Code.DEADLINE_EXCEEDED, "the decision came after its deadline"),

    // Outside the policy: UNIMPLEMENTED.
    METHOD_UNKNOWN(Code.UNIMPLEMENTED, "unknown method"),
    METHOD_CLOSED(Code.UNIMPLEMENTED, "this method is closed"),

    // Ours is away or unsure: UNAVAILABLE. Never "allow".
    ISSUER_UNAVAILABLE(Code.UNAVAILABLE, Texts.TRY_AGAIN),
    /** ext-authz has not heard from the issuer for so long that it may have missed a revocation. */
    FEED_STALE(Code.UNAVAILABLE, Texts.TRY_AGAIN),
    STORE_UNAVAILABLE(Code.UNAVAILABLE, Texts.TRY_AGAIN),
    /** The API server is away, slow or unsure, or refuses us. */
    CLUSTER_UNAVAILABLE(Code.UNAVAILABLE, Texts.TRY_AGAIN),
    POLICY_MISMATCH(Code.UNAVAILABLE, Texts.TRY_AGAIN),
    OVERLOADED(Code.UNAVAILABLE, Texts.TRY_AGAIN),
    SHUTTING_DOWN(Code.UNAVAILABLE, Texts.TRY_AGAIN),
    INTERNAL(Code.UNAVAILABLE, Texts.TRY_AGAIN),
    /** What Envoy says of a stream, or how it hands it over, is not what the stream guard can hold it by. */
    STREAM_UNGUARDED(Code.UNAVAILABLE, Texts.TRY_AGAIN),
    STREAM_TOO_OLD(Code.UNAVAILABLE, "the stream has lived as long as it may, open another one"),

    // Not refusals: what the audit log says when a token was made, or something was taken back.
    BOOTSTRAP_MINTED(Code.OK, ""),
    TOKEN_REFRESHED(Code.OK, ""),
    /** The token just consumed came again, and got the same successor again. */
    TOKEN_REPEATED(Code.OK, ""),
    /** A bootstrap token that had its successor long ago came again, and got one in a new lineage. */
    BOOTSTRAP_REUSED(Code.OK, ""),
    /** A sandbox became known by the first token of its own that an unchanged gateway minted. */
    SANDBOX_ADOPTED(Code.OK, ""),
    /** A sandbox became known by a Sandbox resource of the cluster. */
    SANDBOX_MIRRORED(Code.OK, ""),
    /** The Sandbox resource of a sandbox is gone, or is another sandbox's now, and the sandbox was deleted. */
    SANDBOX_RESOURCE_GONE(Code.OK, ""),
    REVOKED(Code.OK, "");

    private static final class Texts {
        static final String INVALID_CREDENTIAL = "invalid credential";
        static final String AMBIGUOUS = "the request message cannot be read in exactly one way";
        static final String TRY_AGAIN = "authorization is unavailable, try again";
    }

    private final String code = name().toLowerCase(Locale.ROOT).replace('_', '-');
    private final Code statusCode;
    private final String text;

    Reason(Code statusCode, String text) {
        this.statusCode = statusCode;
        this.text = text;
    }

    /** The stable code for audit lines and metrics: the constant's name in lower case with hyphens. */
    public String code() {
        return code;
    }

    /** The gRPC status the caller sees. */
    public Code statusCode() {
        return statusCode;
    }

    /** The text the caller sees beside the status. */
    public String text() {
        return text;
    }

    /** Status code and text as one. */
    public Status status() {
        return statusCode.toStatus().withDescription(text);
    }
}
