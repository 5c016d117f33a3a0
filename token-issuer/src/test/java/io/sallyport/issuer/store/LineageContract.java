package io.sallyport.issuer.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.RefreshRules.BootstrapReuse;
import io.sallyport.issuer.store.RefreshRules.OnReuse;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.SandboxRecord.Source;
import io.sallyport.issuer.store.SandboxRecord.State;
import io.sallyport.issuer.store.Succession.Kind;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What every store promises of lineages: who may exchange which token for which, and when. */
abstract class LineageContract {
    static final Instant START = Instant.parse("2026-11-24T10:00:00.250Z");
    static final SandboxId ONE = new SandboxId("one");
    static final SandboxId OTHER = new SandboxId("other");
    static final RefreshRules RULES = new RefreshRules(
            Duration.ofHours(24),
            Duration.ofMinutes(2),
            BootstrapReuse.RENEWAL_WINDOW,
            OnReuse.REFUSE,
            3,
            Duration.ofHours(24),
            Duration.ofSeconds(60),
            false);

    private final TestDrafts drafts = new TestDrafts();
    private RefreshRules rules = RULES;
    private Instant now = START;
    private SandboxStore tokens;

    /** The same database each time within one test. */
    abstract SandboxStore open() throws Exception;

    @BeforeEach
    void openTokens() throws Exception {
        tokens = open();
    }

    @AfterEach
    void closeTokens() {
        tokens.close();
    }

    private void after(Duration time) {
        now = now.plus(time);
    }

    private void register(SandboxId id) throws Exception {
        var _ = tokens.register(id, SandboxName.of("", id.value()), Source.REGISTRY, now);
    }

    private SandboxClaims bootstrap(SandboxId id) throws Exception {
        return granted(Kind.OPENED, tokens.openLineage(id, Optional.empty(), rules, drafts, now));
    }

    /** The first token of a sandbox that is known from now on. */
    private SandboxClaims begin() throws Exception {
        register(ONE);
        return bootstrap(ONE);
    }

    private Succession refresh(SandboxClaims token) throws Exception {
        return tokens.refresh(token, rules, drafts, now);
    }

    private SandboxClaims next(SandboxClaims token) throws Exception {
        return granted(Kind.ADVANCED, refresh(token));
    }

    private SandboxClaims granted(Kind kind, Succession outcome) {
        assertThat(outcome).isInstanceOf(Succession.Granted.class);
        Succession.Granted granted = (Succession.Granted) outcome;
        assertThat(granted.kind()).isEqualTo(kind);
        return drafts.of(granted.token());
    }

    private static Lineage place(SandboxClaims token) {
        return token.lineage().orElseThrow();
    }

    private Revocation revoke(Subject subject) throws Exception {
        return tokens.revoke(new Revocation(subject, "r", now, rules.keptUntil(now)))
                .orElseThrow();
    }

    private void assertRevoked(SandboxClaims token, Subject by) throws Exception {
        assertThat(refresh(token)).isEqualTo(new Succession.Revoked(by));
    }

    // Of an unchanged gateway.

    /** What the verifier makes of a token that names no lineage. */
    private SandboxClaims gatewaysOwn(SandboxId id, Instant expires) {
        return new SandboxClaims(
                id,
                Optional.of("sha256-of-" + id),
                Optional.of(new Lineage("adopted-" + id, 0)),
                now.minusSeconds(1).truncatedTo(ChronoUnit.SECONDS),
                expires,
                "k1");
    }

    @Test
    void theTokenOfAGatewayBeginsALineageLikeABootstrapToken() throws Exception {
        SandboxClaims token = gatewaysOwn(ONE, now.plusSeconds(3600));
        assertThat(refresh(token)).isEqualTo(new Succession.NoRecord());
        after(Duration.ofMinutes(10));
        var _ = tokens.adopt(token, now);

        SandboxClaims first = next(token);
        assertThat(place(first)).isEqualTo(new Lineage("adopted-" + ONE, 1));
        assertThat(granted(Kind.REPEATED, refresh(token))).isEqualTo(first);
        SandboxClaims second = next(first);
        after(RULES.retryGrace().plusSeconds(1));
        assertThat(granted(Kind.REOPENED, refresh(token)).lineage()).isNotEqualTo(token.lineage());
        assertThat(refresh(first)).isInstanceOf(Succession.Reused.class);
        assertThat(place(next(second)).generation()).isEqualTo(3);
    }

    @Test
    void aGatewaysTokenCanBeTheOnlyBootstrapThereIs() throws Exception {
        rules = with(BootstrapReuse.NEVER, OnReuse.REFUSE);
        SandboxClaims token = gatewaysOwn(ONE, Instant.MAX);
        var _ = tokens.adopt(token, now);

        var _ = next(token);
        after(RULES.retryGrace().plusSeconds(1));

        assertThat(refresh(token)).isInstanceOf(Succession.Reused.class);
    }

    @Test
    void whatIsRevokedOfAGatewaysTokenStaysRevoked() throws Exception {
        SandboxClaims token = gatewaysOwn(ONE, Instant.MAX);
        var _ = tokens.adopt(token, now);
        SandboxClaims next = next(token);

        var _ = revoke(new Subject.Lineage("adopted-" + ONE));

        assertRevoked(token, new Subject.Lineage("adopted-" + ONE));
        assertRevoked(next, new Subject.Lineage("adopted-" + ONE));
    }

    @Test
    void aGatewaysTokenCountsAmongTheLineagesThatGoOn() throws Exception {
        SandboxClaims oldest = begin();
        for (int i = 1; i < RULES.lineages(); i++) {
            after(Duration.ofSeconds(1));
            var _ = bootstrap(ONE);
        }
        after(Duration.ofSeconds(1));
        var _ = next(gatewaysOwn(ONE, now.plusSeconds(3600)));

        assertThat(granted(Kind.REOPENED, refresh(oldest)).lineage()).isNotEqualTo(oldest.lineage());
    }

    @Test
    void aRestartAfterTheLineageGaveWayIsNoDeadEnd() throws Exception {
        SandboxClaims token = gatewaysOwn(ONE, now.plus(Duration.ofHours(20)));
        after(Duration.ofHours(1));
        var _ = tokens.adopt(token, now);
        var _ = next(token);
        for (int i = 0; i < RULES.lineages(); i++) {
            after(Duration.ofSeconds(1));
            var _ = bootstrap(ONE);
        }
        after(RULES.retryGrace().plusSeconds(1));

        assertThat(place(granted(Kind.REOPENED, refresh(token))).generation()).isEqualTo(1);
    }

    /** A successor names its lineage itself: an issuer made it, and where that is not known any more, something is lost. */
    @Test
    void whatWasGivenForAGatewaysTokenBeginsNothing() throws Exception {
        SandboxClaims token = gatewaysOwn(ONE, now.plusSeconds(3600));
        var _ = tokens.adopt(token, now);
        SandboxClaims elsewhere = new SandboxClaims(
                ONE,
                Optional.of("jti-of-another-database"),
                Optional.of(new Lineage(place(token).id(), 5)),
                token.issuedAt(),
                token.expiresAt(),
                "k1");

        assertThat(elsewhere.lineage().orElseThrow().isAdopted()).isFalse();
        assertThat(refresh(elsewhere)).isInstanceOf(Succession.NoLineage.class);
        assertThat(place(next(token)).generation()).isEqualTo(1);
    }

    /** A thief's old copy, once the row of the lineage that gave way is gone. */
    @Test
    void aConsumedTokenOfALineageThatGaveWayIsNotItsBeginning() throws Exception {
        SandboxClaims token = gatewaysOwn(ONE, now.plusSeconds(3600));
        var _ = tokens.adopt(token, now);
        SandboxClaims consumed = next(token);
        SandboxClaims newest = next(consumed);
        for (int i = 0; i < RULES.lineages(); i++) {
            after(Duration.ofSeconds(1));
            var _ = bootstrap(ONE);
        }
        now = newest.expiresAt().plus(rules.leeway().multipliedBy(2)).plusMillis(1);
        prune(0);

        assertThat(refresh(consumed)).isInstanceOf(Succession.NoLineage.class);
        assertThat(refresh(newest)).isInstanceOf(Succession.NoLineage.class);
    }

    /** It lives longer than what it was exchanged for, and the row of that may go. */
    @ParameterizedTest
    @CsvSource({"false, false", "false, true", "true, false", "true, true"})
    void thatAGatewaysTokenWasUsedIsKnownAsLongAsItIsGood(boolean endless, boolean gaveWay) throws Exception {
        rules = with(BootstrapReuse.NEVER, OnReuse.REFUSE, endless);
        SandboxClaims token = gatewaysOwn(
                ONE, endless ? Instant.MAX : now.plus(Duration.ofHours(23)).truncatedTo(ChronoUnit.SECONDS));
        var _ = tokens.adopt(token, now);
        SandboxClaims first = next(token);
        for (int i = 0; gaveWay && i < RULES.lineages(); i++) {
            after(Duration.ofSeconds(1));
            var _ = bootstrap(ONE);
        }
        now = endless
                ? now.plus(Duration.ofDays(400))
                : token.expiresAt()
                        .plus(rules.renewalWindow())
                        .plus(rules.leeway())
                        .minusMillis(1);
        prune(0);

        assertThat(refresh(token)).isInstanceOf(Succession.Reused.class);
        assertThat(refresh(first)).isInstanceOf(Succession.TooOld.class);
    }

    @Test
    void whatATokenWithoutEndWasTakenBackByIsKeptForEver() throws Exception {
        rules = with(BootstrapReuse.RENEWAL_WINDOW, OnReuse.REVOKE_LINEAGE, true);
        SandboxClaims token = gatewaysOwn(ONE, Instant.MAX);
        var _ = tokens.adopt(token, now);
        SandboxClaims first = next(token);
        var _ = next(first);
        after(RULES.retryGrace().plusSeconds(1));
        assertThat(refresh(first)).isInstanceOf(Succession.Reused.class);

        after(Duration.ofDays(400));
        prune(0);

        assertRevoked(token, new Subject.Lineage(place(token).id()));
    }

    // Forward.

    @Test
    void aLineageBeginsAtZeroAndMovesByOne() throws Exception {
        SandboxClaims first = begin();
        SandboxClaims second = next(first);
        SandboxClaims third = next(second);

        assertThat(place(first).generation()).isZero();
        assertThat(place(second)).isEqualTo(new Lineage(place(first).id(), 1));
        assertThat(place(third)).isEqualTo(new Lineage(place(first).id(), 2));
        assertThat(place(bootstrap(ONE)).id()).isNotEqualTo(place(first).id());
    }

    @Test
    void nothingIsGrantedWithoutALivingSandboxAndALineageOfItsOwn() throws Exception {
        assertThat(tokens.openLineage(ONE, Optional.of("/a"), rules, drafts, now))
                .isEqualTo(new Succession.NoRecord());
        assertThat(tokens.tokenFiles(ONE)).isEmpty();
        SandboxClaims token = begin();
        register(OTHER);
        SandboxClaims stolen =
                new SandboxClaims(OTHER, token.tokenId(), token.lineage(), token.issuedAt(), token.expiresAt(), "k1");
        SandboxClaims without =
                new SandboxClaims(ONE, Optional.empty(), Optional.empty(), token.issuedAt(), token.expiresAt(), "k1");
        SandboxClaims unknown = new SandboxClaims(
                ONE, token.tokenId(), Optional.of(new Lineage("x", 1)), token.issuedAt(), token.expiresAt(), "k1");

        assertThat(refresh(without)).isInstanceOf(Succession.NoLineage.class);
        assertThat(refresh(unknown)).isInstanceOf(Succession.NoLineage.class);
        // A bootstrap token of a lineage that has gone opens a new one, but of its own sandbox.
        assertThat(place(granted(Kind.REOPENED, refresh(stolen))).id())
                .isNotEqualTo(place(token).id());
        assertThat(place(next(token)).generation())
                .as("the lineage is as it was")
                .isEqualTo(1);

        var _ = tokens.setStopped(ONE, true, now);
        assertThat(refresh(token)).isInstanceOf(Succession.NotActive.class);
        assertThat(tokens.openLineage(ONE, Optional.empty(), rules, drafts, now))
                .isInstanceOf(Succession.NotActive.class);
        var _ = tokens.delete(ONE, now);
        assertThat(refresh(token)).isInstanceOf(Succession.NotActive.class);
        assertThat(refresh(new SandboxClaims(
                        new SandboxId("nobody"), token.tokenId(), token.lineage(), START, token.expiresAt(), "k1")))
                .isEqualTo(new Succession.NoRecord());
    }

    // Again.

    @Test
    void theTokenJustConsumedGetsTheSameAgainWithinTheGraceAcrossARestartAndARotation() throws Exception {
        for (SandboxClaims token : List.of(begin(), next(bootstrap(ONE)))) {
            Succession.Granted first = (Succession.Granted) refresh(token);
            drafts.activate("k2");
            after(rules.retryGrace());
            tokens.close();
            tokens = open();

            assertThat(refresh(token)).isEqualTo(new Succession.Granted(Kind.REPEATED, first.token()));
            assertThat(first.token().keyId()).as("of the time").isEqualTo("k1");
            drafts.activate("k1");
        }
    }

    @Test
    void afterTheGraceItIsReuse() throws Exception {
        SandboxClaims token = next(begin());
        SandboxClaims newest = next(token);
        after(rules.retryGrace().plusMillis(1));

        assertThat(refresh(token)).isEqualTo(new Succession.Reused(place(token), 2, List.of()));
        assertThat(place(next(newest)).generation()).as("the owner goes on").isEqualTo(3);
    }

    @Test
    void onceTheSuccessorIsConsumedItIsReuseWithinTheGraceToo() throws Exception {
        SandboxClaims token = next(begin());
        SandboxClaims newest = next(next(token));

        assertThat(refresh(token)).isEqualTo(new Succession.Reused(place(token), 3, List.of()));
        assertThat(place(next(newest)).generation()).isEqualTo(4);
    }

    @Test
    void reuseTakesTheLineageBackIfTheRulesSaySo() throws Exception {
        rules = with(BootstrapReuse.RENEWAL_WINDOW, OnReuse.REVOKE_LINEAGE);
        SandboxClaims other = begin();
        SandboxClaims token = next(bootstrap(ONE));
        SandboxClaims newest = next(next(token));
        Subject lineage = new Subject.Lineage(place(token).id());

        Succession.Reused reused = (Succession.Reused) refresh(token);

        assertThat(reused.revoked()).extracting(Revocation::subject).containsExactly(lineage);
        assertThat(tokens.revocation(lineage)).isPresent();
        assertRevoked(newest, lineage);
        assertThat(place(next(other)).generation())
                .as("its other lineages go on")
                .isEqualTo(1);
    }

    @Test
    void reuseTakesTheWholeSandboxBackIfTheRulesSaySo() throws Exception {
        rules = with(BootstrapReuse.RENEWAL_WINDOW, OnReuse.REVOKE_SANDBOX);
        SandboxClaims other = begin();
        SandboxClaims token = next(bootstrap(ONE));
        SandboxClaims newest = next(next(token));

        assertThat(refresh(token)).isInstanceOf(Succession.Reused.class);

        assertRevoked(newest, new Subject.Sandbox(ONE));
        assertRevoked(other, new Subject.Sandbox(ONE));
        assertThat(place(next(bootstrap(ONE))).generation())
                .as("and it begins anew")
                .isEqualTo(1);
    }

    // The bootstrap token, again and again.

    @Test
    void aBootstrapTokenOpensNewLineagesAsLongAsItCanBeRenewed() throws Exception {
        SandboxClaims bootstrap = begin();
        SandboxClaims running = next(bootstrap);
        after(rules.retryGrace().plusMillis(1));

        Succession.Granted fork = (Succession.Granted) refresh(bootstrap);
        assertThat(fork.kind()).isEqualTo(Kind.REOPENED);
        assertThat(fork.token().lineage().generation())
                .as("no bootstrap token again")
                .isEqualTo(1);
        assertThat(fork.token().lineage().id()).isNotEqualTo(place(bootstrap).id());
        assertThat(refresh(bootstrap)).as("a retry").isEqualTo(new Succession.Granted(Kind.REPEATED, fork.token()));
        assertThat(place(next(running)).generation()).as("nobody is stranded").isEqualTo(2);
        SandboxClaims restarted = next(drafts.of(fork.token()));

        granted(Kind.REOPENED, refresh(bootstrap));
        assertThat(place(next(restarted)).generation()).isEqualTo(3);

        now = bootstrap
                .expiresAt()
                .plus(rules.renewalWindow())
                .plus(rules.leeway())
                .minusMillis(1);
        granted(Kind.REOPENED, refresh(bootstrap));
        after(Duration.ofMillis(1));
        assertThat(refresh(bootstrap)).isEqualTo(new Succession.TooOld());
    }

    @Test
    void aBootstrapTokenMayEndWithItself() throws Exception {
        rules = with(BootstrapReuse.UNTIL_EXPIRY, OnReuse.REFUSE);
        SandboxClaims bootstrap = begin();
        next(bootstrap);

        now = bootstrap.expiresAt().plus(rules.leeway()).minusMillis(1);
        granted(Kind.REOPENED, refresh(bootstrap));
        after(rules.retryGrace().plusMillis(1));
        assertThat(refresh(bootstrap)).isEqualTo(new Succession.TooOld());
    }

    @Test
    void aBootstrapTokenMayBeGoodForOneLineageAlone() throws Exception {
        rules = with(BootstrapReuse.NEVER, OnReuse.REFUSE);
        SandboxClaims bootstrap = begin();
        next(bootstrap);
        granted(Kind.REPEATED, refresh(bootstrap));
        after(rules.retryGrace().plusMillis(1));

        assertThat(refresh(bootstrap)).isEqualTo(new Succession.Reused(place(bootstrap), 1, List.of()));
    }

    @ParameterizedTest
    @EnumSource(BootstrapReuse.class)
    void aBootstrapTokenThatWasNeverUsedIsGoodForTheWholeWindow(BootstrapReuse reuse) throws Exception {
        rules = with(reuse, OnReuse.REFUSE);
        SandboxClaims bootstrap = begin();
        now = bootstrap.expiresAt().plus(rules.renewalWindow());

        assertThat(place(next(bootstrap)).generation()).isEqualTo(1);
    }

    // Time.

    @ParameterizedTest
    @CsvSource({"-1, true", "0, false", "1, false"})
    void aTokenIsRenewedUntilItsWindowAndTheLeewayAreOver(long millis, boolean renewed) throws Exception {
        SandboxClaims token = next(begin());
        now = token.expiresAt().plus(rules.renewalWindow()).plus(rules.leeway()).plusMillis(millis);

        if (renewed) {
            next(token);
        } else {
            assertThat(refresh(token)).isEqualTo(new Succession.TooOld());
        }
    }

    @Test
    void aTokenWithoutEndIsRenewed() throws Exception {
        SandboxClaims token = begin();

        next(new SandboxClaims(ONE, token.tokenId(), token.lineage(), token.issuedAt(), Instant.MAX, "k1"));
    }

    // How many.

    @Test
    void theLineageThatMovedLeastLatelyGivesWay() throws Exception {
        SandboxClaims first = next(begin());
        after(Duration.ofSeconds(1));
        SandboxClaims idle = next(bootstrap(ONE));
        after(Duration.ofSeconds(1));
        SandboxClaims third = bootstrap(ONE);
        after(Duration.ofSeconds(1));
        first = next(first);

        SandboxClaims fourth = bootstrap(ONE);

        assertThat(refresh(idle)).isInstanceOf(Succession.NoLineage.class);
        for (SandboxClaims living : List.of(first, third, fourth)) {
            next(living);
        }
    }

    @Test
    void aBootstrapTokenWhoseLineageGaveWayOpensANewOne() throws Exception {
        SandboxClaims bootstrap = begin();
        for (int i = 0; i < 3; i++) {
            after(Duration.ofSeconds(1));
            bootstrap(ONE);
        }

        assertThat(place(granted(Kind.REOPENED, refresh(bootstrap))).generation())
                .isEqualTo(1);
    }

    // What was taken back.

    @Test
    void whatIsRevokedIsNotRenewed() throws Exception {
        SandboxClaims byToken = begin();
        SandboxClaims byLineage = next(bootstrap(ONE));
        SandboxClaims other = bootstrap(ONE);
        revoke(new Subject.Token(byToken.tokenId().orElseThrow()));
        revoke(new Subject.Lineage(place(byLineage).id()));

        assertRevoked(byToken, new Subject.Token(byToken.tokenId().orElseThrow()));
        assertRevoked(byLineage, new Subject.Lineage(place(byLineage).id()));
        next(other);
        revoke(new Subject.Key("k1"));
        assertRevoked(other, new Subject.Key("k1"));
        assertThat(tokens.openLineage(ONE, Optional.empty(), rules, drafts, now))
                .as("nothing is signed with it either")
                .isEqualTo(new Succession.KeyRevoked("k1"));
        drafts.activate("k2");
        assertRevoked(other, new Subject.Key("k1"));
        next(bootstrap(ONE));
    }

    @Test
    void aTaintedKeyThatIsStillActiveRenewsNothing() throws Exception {
        SandboxClaims token = begin();
        drafts.activate("k2");
        revoke(new Subject.Key("k2"));

        assertThat(refresh(token)).isEqualTo(new Succession.KeyRevoked("k2"));
        drafts.activate("k3");
        assertThat(place(next(token)).generation())
                .as("the lineage has not moved")
                .isEqualTo(1);
    }

    @Test
    void aSuccessorThatWasTakenBackIsNotGivenAgain() throws Exception {
        SandboxClaims first = begin();
        SandboxClaims second = next(first);
        revoke(new Subject.Token(second.tokenId().orElseThrow()));
        assertRevoked(first, new Subject.Token(second.tokenId().orElseThrow()));

        SandboxClaims third = bootstrap(ONE);
        drafts.activate("k2");
        next(third);
        revoke(new Subject.Key("k2"));
        assertRevoked(third, new Subject.Key("k2"));
    }

    @Test
    void aLineageIsTakenBackWithThoseThatItsBootstrapTokenOpened() throws Exception {
        SandboxClaims bootstrap = begin();
        next(bootstrap);
        after(rules.retryGrace().plusMillis(1));
        SandboxClaims fork = granted(Kind.REOPENED, refresh(bootstrap));
        FeedPosition before = tokens.position();

        revoke(new Subject.Lineage(place(bootstrap).id()));

        assertThat(tokens.events(before, 10).orElseThrow().events())
                .as("ext-authz knows a fork by its own name alone")
                .extracting(event ->
                        ((FeedEvent.Revoked) event).revocation().subject().name())
                .containsExactlyInAnyOrder(place(bootstrap).id(), place(fork).id());
        assertRevoked(bootstrap, new Subject.Lineage(place(bootstrap).id()));
        assertThat(refresh(fork)).as("by either name").isInstanceOf(Succession.Revoked.class);
    }

    @Test
    void aForkIsTakenBackWithoutItsOrigin() throws Exception {
        SandboxClaims bootstrap = begin();
        SandboxClaims running = next(bootstrap);
        after(rules.retryGrace().plusMillis(1));
        SandboxClaims fork = granted(Kind.REOPENED, refresh(bootstrap));

        revoke(new Subject.Lineage(place(fork).id()));

        assertRevoked(fork, new Subject.Lineage(place(fork).id()));
        next(running);
    }

    @Test
    void aRevokedSandboxBeginsAnewWithinTheSameSecondAndIsRevokedAgainWithinIt() throws Exception {
        Subject sandbox = new Subject.Sandbox(ONE);
        SandboxClaims old = next(begin());
        for (int i = 0; i < 3; i++) {
            Revocation revocation = revoke(sandbox);
            assertRevoked(old, sandbox);

            SandboxClaims young = bootstrap(ONE);
            assertThat(young.issuedAt()).isAfter(revocation.at().minusSeconds(1));
            assertThat(Revocations.reaches(revocation, young.issuedAt())).isFalse();
            old = next(young);
        }
    }

    @Test
    void aRevocationReachesWhatAReplicaWithAFasterClockHasMinted() throws Exception {
        register(ONE);
        after(Duration.ofSeconds(5));
        SandboxClaims fast = bootstrap(ONE);
        after(Duration.ofSeconds(-5));

        Revocation revoked = tokens.revoke(new Revocation(new Subject.Sandbox(ONE), "r", now, rules.keptUntil(now)))
                .orElseThrow();

        assertRevoked(fast, new Subject.Sandbox(ONE));
        assertThat(revoked.until())
                .as("as long as that one could be renewed")
                .hasValueSatisfying(until -> assertThat(until)
                        .isAfterOrEqualTo(rules.keptUntil(now.plusSeconds(5))
                                .orElseThrow()
                                .truncatedTo(ChronoUnit.MILLIS)));
    }

    // Whether its holder goes on.

    private Optional<LineageLife> life(SandboxClaims token) throws Exception {
        return tokens.lineage(token.sandbox(), place(token), rules);
    }

    private void assertGoesOnUntil(SandboxClaims token, Instant end) throws Exception {
        assertThat(life(token).orElseThrow().newest())
                .hasValueSatisfying(newest -> assertThat(newest.ends()).contains(end));
    }

    private void assertOver(SandboxClaims token) throws Exception {
        assertThat(life(token)).contains(new LineageLife(Optional.empty()));
    }

    @Test
    void aLineageEndsWithItsNewestToken() throws Exception {
        SandboxClaims first = begin();
        assertGoesOnUntil(first, first.expiresAt());
        after(Duration.ofMinutes(50));
        SandboxClaims second = next(first);
        after(Duration.ofMinutes(50));
        SandboxClaims third = next(second);

        for (SandboxClaims token : List.of(first, second, third)) {
            assertGoesOnUntil(token, third.expiresAt());
        }
        after(Duration.ofHours(20));
        assertGoesOnUntil(second, third.expiresAt());
    }

    @Test
    void nobodyElseHasThatLineage() throws Exception {
        SandboxClaims token = begin();
        register(OTHER);

        assertThat(tokens.lineage(OTHER, place(token), rules)).isEmpty();
        assertThat(tokens.lineage(new SandboxId("nobody"), place(token), rules)).isEmpty();
        assertThat(tokens.lineage(ONE, new Lineage("x", 0), rules)).isEmpty();
        assertThat(tokens.lineage(ONE, place(token), rules)).isPresent();
    }

    @Test
    void aBootstrapTokenGoesOnInTheLineagesThatItOpenedAgain() throws Exception {
        SandboxClaims bootstrap = begin();
        SandboxClaims crashed = next(bootstrap);
        after(Duration.ofMinutes(50));
        SandboxClaims restarted = granted(Kind.REOPENED, refresh(bootstrap));
        after(Duration.ofMinutes(50));
        restarted = next(restarted);

        assertGoesOnUntil(bootstrap, restarted.expiresAt());
        assertThat(life(bootstrap))
                .contains(new LineageLife(Optional.of(new LineageLife.Newest(
                        place(restarted).id(),
                        restarted.tokenId(),
                        Optional.of(restarted.keyId()),
                        Optional.of(restarted.expiresAt())))));
        assertGoesOnUntil(restarted, restarted.expiresAt());
        assertGoesOnUntil(crashed, crashed.expiresAt());

        revoke(new Subject.Lineage(place(restarted).id()));
        assertOver(restarted);
        assertGoesOnUntil(bootstrap, crashed.expiresAt());
        revoke(new Subject.Lineage(place(bootstrap).id()));
        assertOver(bootstrap);
        assertOver(crashed);
    }

    @Test
    void aForkIsOverWithItsOrigin() throws Exception {
        SandboxClaims bootstrap = begin();
        next(bootstrap);
        after(rules.retryGrace().plusMillis(1));
        SandboxClaims fork = granted(Kind.REOPENED, refresh(bootstrap));

        revoke(new Subject.Lineage(place(bootstrap).id()));

        assertOver(fork);
    }

    @Test
    void aLineageIsOverWithWhateverItsNewestTokenBelongsTo() throws Exception {
        SandboxClaims first = begin();
        SandboxClaims second = next(first);
        revoke(new Subject.Token(first.tokenId().orElseThrow()));
        assertGoesOnUntil(first, second.expiresAt());
        revoke(new Subject.Token(second.tokenId().orElseThrow()));
        assertOver(first);
        assertOver(second);

        SandboxClaims neverUsed = bootstrap(ONE);
        SandboxClaims old = bootstrap(ONE);
        drafts.activate("k2");
        SandboxClaims young = next(old);
        revoke(new Subject.Key("k1"));
        assertOver(neverUsed);
        assertGoesOnUntil(old, young.expiresAt());
        revoke(new Subject.Key("k2"));
        assertOver(old);
    }

    @Test
    void aLineageIsOverWhileItsSandboxIsStoppedAndOnceItIsDeleted() throws Exception {
        SandboxClaims token = begin();

        var _ = tokens.setStopped(ONE, true, now);
        assertOver(token);
        var _ = tokens.setStopped(ONE, false, now);
        assertGoesOnUntil(token, token.expiresAt());
        var _ = tokens.delete(ONE, now);
        assertOver(token);
    }

    @Test
    void aRevokedSandboxesOldLineagesAreOverAndItsNewOnesAreNot() throws Exception {
        SandboxClaims old = next(begin());
        revoke(new Subject.Sandbox(ONE));
        assertOver(old);
        after(Duration.ofMillis(1));
        SandboxClaims young = bootstrap(ONE);

        assertOver(old);
        assertGoesOnUntil(young, young.expiresAt());
    }

    @Test
    void aRevocationEndsTheLineagesOfAReplicaWithAFasterClock() throws Exception {
        register(ONE);
        after(Duration.ofSeconds(5));
        SandboxClaims fast = bootstrap(ONE);
        after(Duration.ofSeconds(-5));

        revoke(new Subject.Sandbox(ONE));

        assertOver(fast);
    }

    @Test
    void aLineageThatGaveWayGoesOnUntilItsNewestTokenEnds() throws Exception {
        SandboxClaims token = begin();
        for (int i = 0; i < RULES.lineages(); i++) {
            after(Duration.ofSeconds(1));
            var _ = bootstrap(ONE);
        }

        assertGoesOnUntil(token, token.expiresAt());
        now = token.expiresAt().plus(rules.leeway().multipliedBy(2)).plusMillis(1);
        prune(0);
        assertThat(life(token)).isEmpty();
    }

    @Test
    void aLineageIsForgottenWithWhatCouldRenewIt() throws Exception {
        SandboxClaims bootstrap = begin();
        next(bootstrap);
        now = bootstrap.expiresAt().plus(rules.renewalWindow());
        SandboxClaims fork = granted(Kind.REOPENED, refresh(bootstrap));
        after(rules.leeway().multipliedBy(3));
        prune(0);

        assertThat(tokens.lineage(ONE, new Lineage(place(bootstrap).id(), 1), rules))
                .isEmpty();
        assertGoesOnUntil(bootstrap, fork.expiresAt());
    }

    @Test
    void aGatewaysTokenHasALineageOnceItWasExchanged() throws Exception {
        SandboxClaims token = gatewaysOwn(ONE, now.plusSeconds(3600));
        var _ = tokens.adopt(token, now);
        assertThat(life(token)).isEmpty();

        SandboxClaims next = next(token);

        assertGoesOnUntil(token, next.expiresAt());
        assertGoesOnUntil(next, next.expiresAt());
    }

    @Test
    void aGatewaysTokenWithoutEndThatCannotBeExchangedStillHasNone() throws Exception {
        SandboxClaims token = gatewaysOwn(ONE, Instant.MAX);
        var _ = tokens.adopt(token, now);
        drafts.activate("k2");
        revoke(new Subject.Key("k2"));
        assertThat(refresh(token)).isEqualTo(new Succession.KeyRevoked("k2"));

        assertThat(life(token).orElseThrow().newest())
                .hasValueSatisfying(newest -> assertThat(newest.ends()).isEmpty());
        revoke(new Subject.Key("k1"));
        assertOver(token);
    }

    // Pruning.

    @Test
    void whatCanBeRenewedIsKeptAndWhatCannotGoes() throws Exception {
        SandboxClaims bootstrap = begin();
        SandboxClaims running = next(bootstrap);
        Subject.Token lost = new Subject.Token("lost");
        revoke(lost);
        var _ = tokens.revoke(new Revocation(new Subject.Key("k0"), "for ever", now, Optional.empty()));
        FeedPosition place = tokens.position();

        now = running.expiresAt()
                .plus(rules.renewalWindow())
                .plus(rules.leeway())
                .minusMillis(1);
        prune(0);
        assertThat(tokens.revocation(lost)).isPresent();
        running = next(running);

        now = running.expiresAt()
                .plus(rules.renewalWindow())
                .plus(rules.leeway().multipliedBy(2))
                .plusMillis(1);
        prune(0);
        assertThat(tokens.revocation(lost)).isEmpty();
        assertThat(tokens.revocation(new Subject.Key("k0"))).isPresent();
        assertThat(refresh(running)).isEqualTo(new Succession.TooOld());
        assertThat(tokens.find(ONE).orElseThrow().state()).isEqualTo(State.ACTIVE);
        assertThat(tokens.events(place, 10))
                .as("all that was there is still known")
                .isPresent();
        assertThat(tokens.events(new FeedPosition(place.storeId(), place.seq() - 1), 10))
                .as("what happened before is not")
                .isEmpty();
        assertThat(tokens.position()).isEqualTo(place);
    }

    @Test
    void theNewestEventsAndTheYoungOnesStay() throws Exception {
        FeedPosition start = tokens.position();
        for (int i = 0; i < 4; i++) {
            revoke(new Subject.Token("t" + i));
            after(Duration.ofSeconds(1));
        }
        var _ = tokens.prune(rules, 0, Duration.ofMillis(2_500), now);
        assertThat(tokens.events(new FeedPosition(start.storeId(), 1), 10))
                .as("too young")
                .isEmpty();
        assertThat(tokens.events(new FeedPosition(start.storeId(), 2), 10)
                        .orElseThrow()
                        .events())
                .hasSize(2);
        after(Duration.ofDays(1));
        var _ = tokens.prune(rules, 1, Duration.ZERO, now);
        assertThat(tokens.events(new FeedPosition(start.storeId(), 2), 10)).isEmpty();
        assertThat(tokens.events(new FeedPosition(start.storeId(), 3), 10)
                        .orElseThrow()
                        .events())
                .hasSize(1);
    }

    private void prune(long events) throws Exception {
        while (tokens.prune(rules, events, Duration.ZERO, now)) {
            assertThat(tokens.find(ONE)).isPresent();
        }
    }

    // Many at once.

    @Test
    void sixtyFourWithOneTokenOverTwoStoresGetOneSuccessor() throws Exception {
        SandboxClaims bootstrap = begin();
        SandboxClaims token = next(bootstrap);
        after(rules.retryGrace().plusMillis(1));
        try (SandboxStore other = open()) {
            for (SandboxClaims each : List.of(token, bootstrap)) {
                List<Succession> outcomes = together(64, store -> () -> store.refresh(each, rules, drafts, now), other);

                assertThat(outcomes).allSatisfy(outcome -> assertThat(outcome).isInstanceOf(Succession.Granted.class));
                assertThat(outcomes.stream()
                                .map(outcome -> ((Succession.Granted) outcome).token())
                                .distinct())
                        .hasSize(1);
                assertThat(outcomes)
                        .filteredOn(outcome -> ((Succession.Granted) outcome).kind() != Kind.REPEATED)
                        .hasSize(1);
            }
        }
    }

    @Test
    void noTokenIsGrantedOnceADeletionOrARevocationWasAnswered() throws Exception {
        for (boolean delete : new boolean[] {true, false}) {
            SandboxId id = new SandboxId("s-" + delete);
            register(id);
            SandboxClaims token = bootstrap(id);
            try (SandboxStore other = open();
                    ExecutorService threads = Executors.newFixedThreadPool(8)) {
                List<Future<Boolean>> refreshes = new ArrayList<>();
                for (int i = 0; i < 24; i++) {
                    SandboxStore through = i % 2 == 0 ? tokens : other;
                    refreshes.add(threads.submit(() -> {
                        boolean over = isOver(through, id);
                        boolean granted = through.refresh(token, rules, drafts, now) instanceof Succession.Granted;
                        return over && granted;
                    }));
                    if (i == 12) {
                        refreshes.add(threads.submit(() -> {
                            if (delete) {
                                return other.delete(id, now).isEmpty();
                            }
                            return other.revoke(new Revocation(new Subject.Sandbox(id), "r", now, Optional.empty()))
                                    .isEmpty();
                        }));
                    }
                }
                for (Future<Boolean> refresh : refreshes) {
                    assertThat(refresh.get()).isFalse();
                }
            }
            assertThat(refresh(token)).isNotInstanceOf(Succession.Granted.class);
        }
    }

    private static boolean isOver(SandboxStore store, SandboxId id) throws StoreUnavailableException {
        return store.find(id).orElseThrow().state() == State.DELETED
                || store.revocation(new Subject.Sandbox(id)).isPresent();
    }

    private <T> List<T> together(int many, Function<SandboxStore, Callable<T>> call, SandboxStore other)
            throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(16)) {
            List<Callable<T>> calls = new ArrayList<>();
            for (int i = 0; i < many; i++) {
                calls.add(call.apply(i % 2 == 0 ? tokens : other));
            }
            List<T> results = new ArrayList<>();
            for (Future<T> result : threads.invokeAll(calls)) {
                results.add(result.get());
            }
            return results;
        }
    }

    private static RefreshRules with(BootstrapReuse reuse, OnReuse onReuse) {
        return with(reuse, onReuse, false);
    }

    private static RefreshRules with(BootstrapReuse reuse, OnReuse onReuse, boolean endless) {
        return new RefreshRules(
                RULES.renewalWindow(),
                RULES.retryGrace(),
                reuse,
                onReuse,
                RULES.lineages(),
                RULES.maxLifetime(),
                RULES.leeway(),
                endless);
    }
}
