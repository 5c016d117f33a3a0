package io.sallyport.policy;

import java.time.Duration;
import java.util.Objects;

/**
 * What holds for one method of the gateway.
 *
 * @param path {@code /package.Service/Method}, as in the request's {@code :path}
 * @param access who may call
 * @param streaming how many messages go each way
 * @param destination who serves it
 * @param bodyLimit largest request body of a unary call, in bytes, frame prefix included
 * @param messageLimit largest single message of a streaming call, in bytes
 * @param maxDuration longest life of a unary call
 * @param messages what the request messages must say
 */
public record MethodRule(
        String path,
        Access access,
        Streaming streaming,
        Destination destination,
        int bodyLimit,
        int messageLimit,
        Duration maxDuration,
        MessageRule messages) {
    public MethodRule {
        Objects.requireNonNull(path, "path is null");
        Objects.requireNonNull(access, "access is null");
        Objects.requireNonNull(streaming, "streaming is null");
        Objects.requireNonNull(destination, "destination is null");
        Objects.requireNonNull(maxDuration, "maxDuration is null");
        Objects.requireNonNull(messages, "messages is null");
    }

    /** Whether a sandbox may call it. */
    public boolean sandboxCallable() {
        return access == Access.SANDBOX || access == Access.DUAL || access == Access.SERVICE_ACCOUNT;
    }

    /**
     * Whether it is a stream that sandboxes may open, since the stream guard can hold it: message by message, or by its
     * life alone where the messages are {@linkplain MessageRule#opaque() opaque}. Other streams that the descriptor leaves
     * to sandboxes stay closed.
     */
    public boolean guarded() {
        return streaming != Streaming.UNARY
                && (access == Access.SANDBOX || access == Access.DUAL)
                && destination == Destination.GATEWAY;
    }

    /** Whether it is a method that pods begin with: their cluster is asked who they are, and the issuer mints. */
    public boolean beginsPods() {
        return access == Access.SERVICE_ACCOUNT && destination == Destination.ISSUER;
    }

    /** Who may call. */
    public enum Access {
        /** Sandboxes only. */
        SANDBOX,
        /** Bootstrapping ServiceAccounts only: sandbox by the descriptor, narrowed by the policy file. */
        SERVICE_ACCOUNT,
        /** Sandboxes and users. */
        DUAL,
        /** Users only ({@code bearer} in the descriptor). */
        USER,
        /** Anybody, without a credential. */
        UNAUTHENTICATED,
        /** Nobody: every other mode. */
        CLOSED
    }

    /** How many messages go each way. */
    public enum Streaming {
        UNARY,
        CLIENT,
        SERVER,
        BIDI
    }

    /** Who serves a method. */
    public enum Destination {
        GATEWAY,
        ISSUER
    }
}
