package io.sallyport.extauthz;

import io.sallyport.base.Reason;
import io.sallyport.extauthz.Decisions.UserMethods;
import io.sallyport.extauthz.Freshness.WhenStale;
import io.sallyport.extauthz.SandboxRecord.State;
import io.sallyport.identity.Authenticator;
import io.sallyport.identity.AuthenticatorChain;
import io.sallyport.identity.CachedSandboxTokens;
import io.sallyport.identity.Principal;
import io.sallyport.identity.RenewableTokenAuthenticator;
import io.sallyport.identity.SandboxId;
import io.sallyport.identity.SandboxTokenAuthenticator;
import io.sallyport.policy.AccessPolicy;
import io.sallyport.policy.MethodRule;
import io.sallyport.policy.MethodRule.Access;
import io.sallyport.policy.MethodRule.Streaming;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/**
 * Everything that decides, on fakes: the time, the issuer's records, keys of its own.
 *
 * <p>Alpha and beta are alive, {@code stopped-id} and {@code deleted-id} are what they say, about {@code unsure-id} the
 * issuer cannot be asked, and {@code nobody-id} was never registered. Beside the preset's methods there are {@link
 * #CLOSED}, {@link #USER_STREAM} and {@link #UNGUARDED_STREAM}.
 */
final class Stage {
    static final String CLOSED = "/test.Service/Closed";
    static final String USER_STREAM = "/test.Service/UserStream";
    static final String UNGUARDED_STREAM = "/test.Service/UnguardedStream";
    static final Duration MAX_STALENESS = Duration.ofHours(3);
    static final Duration RENEWAL = Duration.ofHours(24);

    final TestTime time = new TestTime();
    final TestIdentity identity;
    final AccessPolicy policy;
    final FakeRecords records = new FakeRecords()
            .with("alpha-id", "default", "alpha", State.ACTIVE)
            .with("beta-id", "default", "beta", State.ACTIVE)
            .with("stopped-id", "default", "stopped", State.STOPPED)
            .with("deleted-id", "default", "deleted", State.DELETED);
    final Answers answers;
    final Revocations revocations = new Revocations();
    final Freshness freshness = new Freshness(MAX_STALENESS, WhenStale.DENY, time, time);
    SandboxRecords kept = new SandboxRecords(records, time);
    final List<Authenticator.Credential> verified = new ArrayList<>();
    /** What the API server would have been asked after. */
    final List<Authenticator.Credential> podsAsked = new ArrayList<>();

    /** The token of a pod that is sandbox alpha. */
    static final String POD_TOKEN = "of-a-pod";

    static final Principal.ServiceAccount POD = new Principal.ServiceAccount(
            "sandboxes", "openshell-sandbox", "pod-1", "uid-1", Optional.empty(), new SandboxId("alpha-id"));

    private Authenticator.Outcome pod(Authenticator.Credential credential) {
        podsAsked.add(credential);
        return switch (credential.value()) {
            case POD_TOKEN -> new Authenticator.Outcome.Authenticated(POD);
            case "of-a-pod-that-is-gone" -> new Authenticator.Outcome.Rejected(Reason.POD_GONE, "");
            case "of-a-pod-nobody-can-say" -> new Authenticator.Outcome.Rejected(Reason.CLUSTER_UNAVAILABLE, "");
            default -> new Authenticator.Outcome.Declined();
        };
    }

    Stage(Path directory, String preset) throws IOException {
        identity = new TestIdentity(directory, time);
        policy = TestIdentity.policy(preset);
        answers = new Answers(false, policy.digest(), Optional.of(new Principal.User("dora", "developer")));
        records.unavailable("unsure-id");
        freshness.answered(freshness.ask());
    }

    Decisions decisions(UserMethods userMethods, boolean developer) throws IOException {
        kept = new SandboxRecords(records, time);
        return decisions(userMethods, developer, kept);
    }

    Decisions decisions(UserMethods userMethods, boolean developer, SandboxRecords cache) throws IOException {
        CachedSandboxTokens tokens = new CachedSandboxTokens(
                new SandboxTokenAuthenticator(identity.verifier()), CachedSandboxTokens.Size.DEFAULT);
        Authenticator counted = credential -> {
            verified.add(credential);
            return tokens.authenticate(credential);
        };
        return new Decisions(
                rules(),
                policy.digest(),
                answers::about,
                new Callers(
                        tokens,
                        new AuthenticatorChain(List.of(counted)),
                        new AuthenticatorChain(List.of(new RenewableTokenAuthenticator(identity.verifier(), RENEWAL))),
                        new AuthenticatorChain(List.of(counted, this::pod)),
                        new ConnectionFailures(5, Duration.ofMinutes(1), time)),
                new Standing(revocations, freshness),
                cache,
                userMethods,
                developer);
    }

    /** The issuer changes a record, and the feed says so. */
    void change(String id, String name, State state) {
        kept.changed(records.with(id, "default", name, state).get(id));
    }

    Requests to(String path) {
        return Requests.to(path, policy.digest());
    }

    private List<MethodRule> rules() {
        List<MethodRule> rules = new ArrayList<>(policy.rules());
        rules.add(like(Requests.USER, CLOSED, Access.CLOSED, Streaming.UNARY));
        rules.add(like(Requests.USER, USER_STREAM, Access.USER, Streaming.BIDI));
        rules.add(like(Requests.USER, UNGUARDED_STREAM, Access.SERVICE_ACCOUNT, Streaming.BIDI));
        return rules;
    }

    private MethodRule like(String model, String path, Access access, Streaming streaming) {
        MethodRule rule = Objects.requireNonNull(policy.find(model), model);
        return new MethodRule(
                path,
                access,
                streaming,
                rule.destination(),
                rule.bodyLimit(),
                rule.messageLimit(),
                rule.maxDuration(),
                rule.messages());
    }
}
