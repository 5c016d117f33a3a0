package io.sallyport.issuer.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.MirroredSandbox.Resource;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.SandboxRecord.Source;
import io.sallyport.issuer.store.SandboxRecord.State;
import io.sallyport.issuer.store.SandboxStore.Mirroring;
import io.sallyport.issuer.store.SandboxStore.Mirroring.Mirrored.Change;
import io.sallyport.issuer.store.SandboxStore.Registration;
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
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What every store promises; each implementation's test extends this. */
abstract class SandboxStoreContract extends LineageModelContract {
    private static final Instant T0 = Instant.parse("2026-11-24T10:00:00.123456789Z");
    private static final Instant T1 = T0.plusSeconds(60);
    private static final SandboxId ALPHA = new SandboxId("alpha");
    private static final SandboxId BETA = new SandboxId("beta");
    private static final SandboxName NAME = SandboxName.of("", "one");

    private final TestDrafts drafts = new TestDrafts();
    private SandboxStore store;

    @BeforeEach
    void openStore() throws Exception {
        store = open();
    }

    @AfterEach
    void closeStore() {
        store.close();
    }

    @Test
    void aRegisteredSandboxIsFoundAsItWasAnswered() throws Exception {
        SandboxRecord record = register(ALPHA, NAME, T0);

        assertThat(record)
                .isEqualTo(new SandboxRecord(
                        ALPHA,
                        Optional.of(new SandboxName("default", "one")),
                        State.ACTIVE,
                        Source.REGISTRY,
                        Instant.parse("2026-11-24T10:00:00.123Z"),
                        Optional.empty(),
                        1));
        assertThat(store.find(ALPHA)).contains(record);
        assertThat(store.find(BETA)).isEmpty();
    }

    @Test
    void registeringTheSameAgainChangesNothing() throws Exception {
        SandboxRecord first = register(ALPHA, NAME, T0);

        assertThat(register(ALPHA, NAME, T1)).isEqualTo(first);
    }

    @Test
    void anAdoptedSandboxHasNoNameUntilItIsGivenOne() throws Exception {
        SandboxStore.Adoption adoption = store.adopt(gatewaysToken(ALPHA), T0).orElseThrow();

        assertThat(adoption)
                .isEqualTo(new SandboxStore.Adoption(
                        new SandboxRecord(
                                ALPHA,
                                Optional.empty(),
                                State.ACTIVE,
                                Source.ADOPT,
                                Instant.parse("2026-11-24T10:00:00.123Z"),
                                Optional.empty(),
                                1),
                        true));
        assertThat(store.find(ALPHA)).contains(adoption.record());
        assertThat(store.adopt(gatewaysToken(ALPHA), T1)).contains(new SandboxStore.Adoption(adoption.record(), false));
        assertThat(store.adopt(gatewaysToken(BETA), T1).orElseThrow().isNew())
                .as("several may be without a name")
                .isTrue();

        SandboxRecord named = register(ALPHA, NAME, T1);

        assertThat(named.name()).contains(NAME);
        assertThat(named.source()).isEqualTo(Source.ADOPT);
        assertThat(named.version()).isGreaterThan(adoption.record().version());
        assertThat(store.register(BETA, NAME, Source.REGISTRY, T1)).isEqualTo(new Registration.NameTaken(named));
        assertThat(store.adopt(gatewaysToken(ALPHA), T1)).contains(new SandboxStore.Adoption(named, false));
    }

    private static SandboxClaims gatewaysToken(SandboxId id) {
        return new SandboxClaims(
                id,
                Optional.of("jti-" + id),
                Optional.of(new Lineage("adopted-" + id, 0)),
                T0,
                T0.plusSeconds(60),
                "k1");
    }

    private static Stream<Revocation.Subject> whatATokenCanBeTakenBackBy() {
        return Stream.of(
                new Revocation.Subject.Token("jti-" + ALPHA),
                new Revocation.Subject.Lineage("adopted-" + ALPHA),
                new Revocation.Subject.Key("k1"));
    }

    /** Whoever vouches for the token may not have heard of it yet. */
    @ParameterizedTest
    @MethodSource("whatATokenCanBeTakenBackBy")
    void aTokenThatWasTakenBackMakesNothingKnown(Revocation.Subject subject) throws Exception {
        var _ = store.revoke(new Revocation(subject, "stolen", T0, Optional.empty()));

        assertThat(store.adopt(gatewaysToken(ALPHA), T1)).isEmpty();
        assertThat(store.find(ALPHA)).isEmpty();

        SandboxRecord known = register(ALPHA, NAME, T1);
        assertThat(store.adopt(gatewaysToken(ALPHA), T1)).contains(new SandboxStore.Adoption(known, false));
    }

    @Test
    void whatWasDeletedIsNotAdoptedAgain() throws Exception {
        var _ = store.adopt(gatewaysToken(ALPHA), T0).orElseThrow();
        SandboxRecord tombstone = store.delete(ALPHA, T1).orElseThrow();

        assertThat(store.adopt(gatewaysToken(ALPHA), T1)).contains(new SandboxStore.Adoption(tombstone, false));
        assertThat(store.register(ALPHA, NAME, Source.REGISTRY, T1)).isEqualTo(new Registration.IdDeleted(tombstone));
    }

    @Test
    void anIdHasOneName() throws Exception {
        SandboxRecord first = register(ALPHA, NAME, T0);

        assertThat(store.register(ALPHA, SandboxName.of("", "two"), Source.REGISTRY, T1))
                .isEqualTo(new Registration.IdTaken(first));
        assertThat(store.register(ALPHA, SandboxName.of("other", "one"), Source.REGISTRY, T1))
                .isEqualTo(new Registration.IdTaken(first));
        assertThat(store.find(ALPHA)).contains(first);
    }

    @Test
    void aNameHasOneLivingId() throws Exception {
        SandboxRecord holder = register(ALPHA, NAME, T0);

        assertThat(store.register(BETA, NAME, Source.REGISTRY, T1)).isEqualTo(new Registration.NameTaken(holder));
        assertThat(store.find(BETA)).isEmpty();
        assertThat(register(BETA, SandboxName.of("elsewhere", "one"), T1).state())
                .isEqualTo(State.ACTIVE);
    }

    @Test
    void aStoppedSandboxKeepsItsName() throws Exception {
        register(ALPHA, NAME, T0);
        store.setStopped(ALPHA, true, T0);

        assertThat(store.register(BETA, NAME, Source.REGISTRY, T1)).isInstanceOf(Registration.NameTaken.class);
    }

    @Test
    void idsAndNamesCompareByteForByte() throws Exception {
        register(ALPHA, NAME, T0);

        assertThat(store.find(new SandboxId("Alpha"))).isEmpty();
        register(new SandboxId("Alpha"), SandboxName.of("", "One"), T0);
        assertThat(store.find(ALPHA).orElseThrow().name()).contains(NAME);
    }

    @Test
    void deletedIsFinalAndTheNameIsFreeOnceItHasRested() throws Exception {
        register(ALPHA, NAME, T0);
        store.listening(List.of(new Listener("deaf", Optional.empty(), T1.plus(Duration.ofDays(1)))));

        SandboxRecord tombstone = store.delete(ALPHA, T1).orElseThrow();

        assertThat(tombstone.state()).isEqualTo(State.DELETED);
        assertThat(tombstone.deleted()).contains(Instant.ofEpochMilli(T1.toEpochMilli()));
        assertThat(store.find(ALPHA)).contains(tombstone);
        assertThat(store.delete(ALPHA, T1.plusSeconds(5)))
                .as("the first deletion's time stays")
                .contains(tombstone);
        assertThat(store.register(ALPHA, NAME, Source.REGISTRY, T1)).isEqualTo(new Registration.IdDeleted(tombstone));
        assertThat(store.register(ALPHA, SandboxName.of("", "new"), Source.REGISTRY, T1))
                .isEqualTo(new Registration.IdDeleted(tombstone));
        Instant deleted = tombstone.deleted().orElseThrow();
        Instant free = deleted.plus(SandboxStore.NAME_REST);
        for (Instant early : List.of(deleted.minusSeconds(60), deleted, free.minusMillis(1))) {
            assertThat(store.register(BETA, NAME, Source.REGISTRY, early)).isEqualTo(resting(tombstone));
        }
        assertThat(store.find(BETA)).isEmpty();
        assertThat(register(new SandboxId("gamma"), SandboxName.of("w", "one"), deleted)
                        .state())
                .as("a name of another workspace")
                .isEqualTo(State.ACTIVE);
        assertThat(register(BETA, NAME, free).name()).contains(NAME);
        assertThat(store.delete(new SandboxId("never"), T1)).isEmpty();
    }

    private static Registration resting(SandboxRecord tombstone) {
        return new Registration.NameResting(tombstone.id(), tombstone.deleted().orElseThrow());
    }

    @Test
    void aNameIsFreeOnceAllWhoListenHaveHeardOfTheDeletion() throws Exception {
        register(ALPHA, NAME, T0);
        FeedPosition before = store.position();
        Instant lease = T1.plusSeconds(300);
        store.listening(List.of(
                new Listener("two", Optional.of(before), lease),
                new Listener("one", Optional.of(before), lease),
                new Listener("gone", Optional.empty(), T1.plusSeconds(1)),
                new Listener("leaves", Optional.empty(), lease)));
        Registration resting = resting(store.delete(ALPHA, T1).orElseThrow());
        FeedPosition deletion = store.position();
        Instant now = T1.plus(SandboxStore.SHORTEST_NAME_REST);
        store.left("leaves");
        store.left("nobody");

        store.listening(List.of(new Listener("one", Optional.of(deletion), lease)));
        assertThat(store.register(BETA, NAME, Source.REGISTRY, now))
                .as("two has not heard")
                .isEqualTo(resting);
        store.listening(List.of(
                new Listener("two", Optional.of(new FeedPosition("another-store", 1_000)), T1.minusSeconds(1))));
        assertThat(store.register(BETA, NAME, Source.REGISTRY, now))
                .as("of this log; and a lease is not taken back")
                .isEqualTo(resting);
        store.listening(List.of(new Listener("two", Optional.of(deletion), lease)));
        store.listening(List.of(new Listener("one", Optional.of(before), lease)));
        assertThat(store.register(BETA, NAME, Source.REGISTRY, now.minusMillis(1)))
                .as("requests may be under way")
                .isEqualTo(resting);
        assertThat(register(BETA, NAME, now).name()).contains(NAME);

        Registration again = resting(store.delete(BETA, now).orElseThrow());
        assertThat(store.register(new SandboxId("gamma"), NAME, Source.REGISTRY, lease))
                .as("nor has anybody of the second one")
                .isEqualTo(again);
        assertThat(register(new SandboxId("gamma"), NAME, lease.plusMillis(1)).name())
                .as("whose lease is over believes nothing")
                .contains(NAME);
    }

    private static MirroredSandbox said(SandboxId id, String uid, String name) {
        return new MirroredSandbox(
                id,
                name.isEmpty() ? Optional.empty() : Optional.of(SandboxName.of("", name)),
                new Resource("sandboxes", "box-" + id, uid));
    }

    private static SandboxRecord mirrored(Mirroring mirroring, Change change) {
        assertThat(mirroring)
                .isInstanceOfSatisfying(
                        Mirroring.Mirrored.class,
                        done -> assertThat(done.change()).isEqualTo(change));
        return ((Mirroring.Mirrored) mirroring).record();
    }

    @Test
    void aMirroredSandboxIsWhatItsResourceSaysUntilThatIsGone() throws Exception {
        MirroredSandbox said = said(ALPHA, "uid-1", "one");
        SandboxRecord record = mirrored(store.mirror(said, T0), Change.MADE);
        assertThat(record.source()).isEqualTo(Source.KUBERNETES);
        assertThat(record.name()).contains(NAME);
        assertThat(store.find(ALPHA)).contains(record);
        assertThat(store.resource(ALPHA)).contains(said.resource());
        FeedPosition position = store.position();
        assertThat(mirrored(store.mirror(said, T1), Change.NONE)).isEqualTo(record);
        assertThat(store.position()).as("nothing has happened").isEqualTo(position);
        var _ = mirrored(store.mirror(said(BETA, "uid-2", ""), T0), Change.MADE);
        assertThat(store.mirrored("sandboxes", "box-alpha")).containsExactly(said);
        assertThat(store.mirrored("other", "box-alpha")).isEmpty();
        assertThat(store.mirrored(Optional.empty(), 10)).containsExactly(said, said(BETA, "uid-2", ""));
        assertThat(store.mirrored(Optional.of(ALPHA), 10)).containsExactly(said(BETA, "uid-2", ""));
        assertThat(store.mirrored(Optional.empty(), 1)).containsExactly(said);

        assertThat(store.unmirror(ALPHA, said(ALPHA, "uid-9", "").resource(), T1))
                .as("another resource's end")
                .isEmpty();
        SandboxRecord tombstone = store.unmirror(ALPHA, said.resource(), T1).orElseThrow();
        assertThat(tombstone.state()).isEqualTo(State.DELETED);
        assertThat(store.find(ALPHA)).contains(tombstone);
        assertThat(store.unmirror(ALPHA, said.resource(), T1)).as("once").isEmpty();
        assertThat(store.mirrored("sandboxes", "box-alpha")).isEmpty();
        for (String uid : List.of("uid-1", "uid-2")) {
            assertThat(store.mirror(said(ALPHA, uid, "two"), T1)).isEqualTo(new Mirroring.IdDeleted(tombstone));
        }
    }

    @Test
    void whatCameFromElsewhereIsNotMirroredAndWhatIsMirroredIsNotRegistered() throws Exception {
        SandboxRecord registered = register(ALPHA, NAME, T0);
        assertThat(store.mirror(said(ALPHA, "uid-1", "one"), T1))
                .isEqualTo(new Mirroring.IdTaken(registered, Optional.empty()));
        assertThat(store.mirror(said(BETA, "uid-1", "one"), T1))
                .isEqualTo(new Mirroring.NameRefused(new Registration.NameTaken(registered)));
        assertThat(store.find(BETA)).isEmpty();
        assertThat(store.unmirror(ALPHA, said(ALPHA, "uid-1", "").resource(), T1))
                .isEmpty();
        assertThat(store.find(ALPHA)).contains(registered);

        MirroredSandbox said = said(BETA, "uid-1", "");
        SandboxRecord mirrored = mirrored(store.mirror(said, T1), Change.MADE);
        assertThat(store.register(BETA, SandboxName.of("", "two"), Source.REGISTRY, T1))
                .isEqualTo(new Registration.IdTaken(mirrored));
        assertThat(store.mirror(said(BETA, "uid-2", ""), T1))
                .isEqualTo(new Mirroring.IdTaken(mirrored, Optional.of(said.resource())));
        assertThat(store.delete(BETA, T1)).isPresent();
        assertThat(store.mirrored(Optional.empty(), 10)).isEmpty();
    }

    @Test
    void aNameThatIsGivenUpRestsAndTheNewOneIsTakenWhenItIsFree() throws Exception {
        FeedPosition before = store.position();
        store.listening(List.of(new Listener("one", Optional.of(before), T1.plusSeconds(300))));
        var _ = mirrored(store.mirror(said(ALPHA, "uid-1", "one"), T0), Change.MADE);
        SandboxRecord beta = mirrored(store.mirror(said(BETA, "uid-2", "two"), T0), Change.MADE);

        assertThat(store.mirror(said(ALPHA, "uid-1", "two"), T1))
                .isEqualTo(new Mirroring.NameRefused(new Registration.NameTaken(beta)));
        SandboxRecord nameless = store.find(ALPHA).orElseThrow();
        assertThat(nameless.name()).as("what it is not called any more").isEmpty();
        FeedPosition givenUp = store.position();
        assertThat(nameless.version()).isEqualTo(givenUp.seq());

        Instant now = T1.plus(SandboxStore.SHORTEST_NAME_REST);
        Registration resting = new Registration.NameResting(ALPHA, T1.truncatedTo(ChronoUnit.MILLIS));
        for (int i = 0; i < 2; i++) {
            assertThat(store.mirror(said(BETA, "uid-2", "one"), now))
                    .as("somebody has not heard")
                    .isEqualTo(new Mirroring.NameRefused(resting));
            assertThat(store.position().seq()).as("given up once").isEqualTo(givenUp.seq() + 1);
        }
        assertThat(store.register(new SandboxId("gamma"), NAME, Source.REGISTRY, now))
                .isEqualTo(resting);
        store.listening(List.of(new Listener("one", Optional.of(store.position()), T1.plusSeconds(300))));
        assertThat(store.mirror(said(BETA, "uid-2", "one"), now.minusMillis(500)))
                .as("requests may be under way")
                .isEqualTo(new Mirroring.NameRefused(resting));
        assertThat(mirrored(store.mirror(said(BETA, "uid-2", "one"), now), Change.RENAMED)
                        .name())
                .contains(NAME);
        Instant later = now.plus(SandboxStore.SHORTEST_NAME_REST);
        assertThat(mirrored(store.mirror(said(ALPHA, "uid-1", "two"), later), Change.RENAMED)
                        .name())
                .contains(SandboxName.of("", "two"));

        assertThat(mirrored(store.mirror(said(ALPHA, "uid-1", ""), later), Change.RENAMED)
                        .name())
                .isEmpty();
        assertThat(mirrored(store.mirror(said(ALPHA, "uid-1", "two"), later), Change.RENAMED)
                        .name())
                .as("what it was called a moment ago")
                .contains(SandboxName.of("", "two"));
    }

    @Test
    void ofManyMirrorsOneMakesARecordAndOneEndsIt() throws Exception {
        MirroredSandbox said = said(ALPHA, "uid-1", "one");
        try (ExecutorService threads = Executors.newCachedThreadPool()) {
            List<Callable<Mirroring>> making = new ArrayList<>();
            List<Callable<Optional<SandboxRecord>>> ending = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                making.add(() -> store.mirror(said, T0));
                ending.add(() -> store.unmirror(ALPHA, said.resource(), T1));
            }
            int made = 0;
            for (Future<Mirroring> each : threads.invokeAll(making)) {
                made += ((Mirroring.Mirrored) each.get()).change() == Change.MADE ? 1 : 0;
            }
            assertThat(made).isEqualTo(1);
            int ended = 0;
            for (Future<Optional<SandboxRecord>> each : threads.invokeAll(ending)) {
                ended += each.get().isPresent() ? 1 : 0;
            }
            assertThat(ended).isEqualTo(1);
        }
    }

    @Test
    void listsInTheOrderOfIdsPageByPage() throws Exception {
        for (String id : List.of("b", "a", "B", "a.1", "a-1", "10", "9")) {
            register(new SandboxId(id), SandboxName.of("", id), T0);
        }
        store.delete(new SandboxId("a.1"), T1);

        assertThat(ids(store.list(Optional.empty(), 100, true)))
                .containsExactly("10", "9", "B", "a", "a-1", "a.1", "b");
        assertThat(ids(store.list(Optional.empty(), 100, false))).containsExactly("10", "9", "B", "a", "a-1", "b");
        assertThat(ids(store.list(Optional.empty(), 2, false))).containsExactly("10", "9");
        assertThat(ids(store.list(Optional.of(new SandboxId("9")), 2, false))).containsExactly("B", "a");
        assertThat(ids(store.list(Optional.of(new SandboxId("b")), 2, false))).isEmpty();
    }

    @Test
    void tokenFilesAreRememberedWithTheirLineage() throws Exception {
        register(ALPHA, NAME, T0);
        register(BETA, SandboxName.of("", "two"), T0);
        String first = open(ALPHA, Optional.of("/run/b"));
        String second = open(ALPHA, Optional.of("/run/a"));
        String third = open(ALPHA, Optional.of("/run/a"));
        open(ALPHA, Optional.empty());
        open(BETA, Optional.of("/run/a"));

        store.delete(ALPHA, T1);

        assertThat(store.tokenFiles(ALPHA))
                .containsExactly(
                        new TokenFile("/run/a", second),
                        new TokenFile("/run/a", third),
                        new TokenFile("/run/b", first));
    }

    /** The name of the lineage. */
    private String open(SandboxId id, Optional<String> tokenFile) throws StoreUnavailableException {
        Succession outcome = store.openLineage(id, tokenFile, RULES, drafts, T0);
        return ((Succession.Granted) outcome).token().lineage().id();
    }

    @Test
    void everythingIsThereAfterAReopening() throws Exception {
        SandboxRecord alpha = register(ALPHA, NAME, T0);
        register(BETA, SandboxName.of("", "two"), T0);
        SandboxRecord tombstone = store.delete(BETA, T1).orElseThrow();
        String lineage = open(ALPHA, Optional.of("/run/a"));
        Revocation revocation = revoke(new Subject.Token("j"), "r", T0);
        store.close();

        store = open();

        assertThat(store.find(ALPHA)).contains(alpha);
        assertThat(store.find(BETA)).contains(tombstone);
        assertThat(store.tokenFiles(ALPHA)).containsExactly(new TokenFile("/run/a", lineage));
        assertThat(store.revocation(revocation.subject())).contains(revocation);
    }

    @Test
    void aClosedStoreSaysSo() {
        store.close();

        assertThatThrownBy(() -> store.find(ALPHA)).isInstanceOf(StoreUnavailableException.class);
        assertThatThrownBy(() -> store.register(ALPHA, NAME, Source.REGISTRY, T0))
                .isInstanceOf(StoreUnavailableException.class);
        assertThatThrownBy(() -> store.probe(T0)).isInstanceOf(StoreUnavailableException.class);
    }

    @Test
    void ofManyWhoWantOneNameOneGetsIt() throws Exception {
        List<Registration> outcomes = together(IntStream.range(0, 32)
                .<Callable<Registration>>mapToObj(
                        i -> () -> store.register(new SandboxId("s" + i), NAME, Source.REGISTRY, T0))
                .toList());

        assertThat(outcomes)
                .filteredOn(Registration.Registered.class::isInstance)
                .hasSize(1);
        assertThat(outcomes)
                .filteredOn(Registration.NameTaken.class::isInstance)
                .hasSize(31);
        assertThat(store.list(Optional.empty(), 100, true)).hasSize(1);
    }

    // Stopped and going on again.

    @Test
    void aSandboxStopsAndGoesOnUntilItIsDeleted() throws Exception {
        SandboxRecord active = register(ALPHA, NAME, T0);

        assertThat(store.setStopped(ALPHA, false, T1)).as("it is so already").contains(active);
        SandboxRecord stopped = store.setStopped(ALPHA, true, T1).orElseThrow();
        assertThat(stopped.state()).isEqualTo(State.STOPPED);
        assertThat(store.find(ALPHA)).contains(stopped);
        assertThat(store.setStopped(ALPHA, true, T1)).as("it is so already").contains(stopped);
        assertThat(store.setStopped(ALPHA, false, T1).orElseThrow().state()).isEqualTo(State.ACTIVE);

        SandboxRecord tombstone = store.delete(ALPHA, T1).orElseThrow();
        assertThat(store.setStopped(ALPHA, false, T1)).contains(tombstone);
        assertThat(store.setStopped(ALPHA, true, T1)).contains(tombstone);
        assertThat(store.find(ALPHA)).contains(tombstone);
        assertThat(store.setStopped(BETA, true, T1)).isEmpty();
    }

    // Revocations.

    @Test
    void whatIsRevokedStaysAsItWasRevokedFirst() throws Exception {
        for (Subject subject : List.of(new Subject.Token("j"), new Subject.Lineage("l"), new Subject.Key("k"))) {
            Revocation first = revoke(subject, "lost", T0);

            assertThat(first)
                    .isEqualTo(new Revocation(subject, "lost", millis(T0), Optional.of(millis(T0.plusSeconds(9)))));
            assertThat(revoke(subject, "again", T1)).isEqualTo(first);
            assertThat(store.revocation(subject)).contains(first);
        }
        assertThat(store.revocation(new Subject.Token("l"))).as("another kind").isEmpty();
        assertThat(store.revocation(new Subject.Token("J"))).as("byte for byte").isEmpty();
    }

    @Test
    void aSandboxIsRevokedFurtherEachTimeAndNeverLess() throws Exception {
        Subject alpha = new Subject.Sandbox(ALPHA);
        assertThat(store.revoke(new Revocation(alpha, "never known", T0, Optional.empty())))
                .isEmpty();
        assertThat(store.revocation(alpha)).isEmpty();
        register(ALPHA, NAME, T0);

        assertThat(revoke(alpha, "first", T0).at()).isEqualTo(millis(T0));
        Revocation later = revoke(alpha, "second", T1);
        assertThat(later)
                .isEqualTo(new Revocation(alpha, "second", millis(T1), Optional.of(millis(T1.plusSeconds(9)))));
        assertThat(revoke(alpha, "a clock that is late", T0).at())
                .as("further than the last, if only by a second")
                .isEqualTo(T1.truncatedTo(ChronoUnit.SECONDS).plusSeconds(1));
        assertThat(store.find(ALPHA).orElseThrow().state()).as("it lives").isEqualTo(State.ACTIVE);
    }

    @Test
    void aRevocationMayBeForEver() throws Exception {
        Revocation taint = new Revocation(new Subject.Key("k"), "leaked", millis(T0), Optional.empty());

        assertThat(store.revoke(taint)).contains(taint);
        assertThat(store.revocation(taint.subject())).contains(taint);
    }

    @Test
    void revocationsAreListedByKindAndNamePageByPage() throws Exception {
        register(ALPHA, NAME, T0);
        List<Subject> subjects = List.of(
                new Subject.Key("z"),
                new Subject.Lineage("B"),
                new Subject.Lineage("a"),
                new Subject.Sandbox(ALPHA),
                new Subject.Token("a"));
        for (Subject subject : subjects.reversed()) {
            revoke(subject, "r", T0);
        }

        assertThat(subjects(store.revocations(Optional.empty(), 100))).isEqualTo(subjects);
        assertThat(subjects(store.revocations(Optional.empty(), 2))).isEqualTo(subjects.subList(0, 2));
        assertThat(subjects(store.revocations(Optional.of(subjects.get(1)), 2))).isEqualTo(subjects.subList(2, 4));
        assertThat(subjects(store.revocations(Optional.of(subjects.get(4)), 2))).isEmpty();
        assertThat(subjects(store.revocations(Optional.empty(), 1_000))).isEqualTo(subjects);
    }

    // The event log.

    @Test
    void everyChangeIsAnEventAndNothingElseIs() throws Exception {
        FeedPosition start = store.position();
        assertThat(start.seq()).isZero();

        register(ALPHA, NAME, T0);
        register(ALPHA, NAME, T1);
        open(ALPHA, Optional.of("/a"));
        store.probe(T0);
        store.setStopped(ALPHA, true, T1);
        store.setStopped(ALPHA, true, T1);
        Revocation token = revoke(new Subject.Token("j"), "r", T0);
        revoke(new Subject.Token("j"), "again", T1);
        revoke(new Subject.Sandbox(ALPHA), "r", T0);
        Revocation sandbox = revoke(new Subject.Sandbox(ALPHA), "again", T1);
        SandboxRecord tombstone = store.delete(ALPHA, T1).orElseThrow();
        store.delete(ALPHA, T1);
        store.register(BETA, NAME, Source.REGISTRY, T1);

        FeedDelta delta = store.events(start, 100).orElseThrow();
        assertThat(delta.events())
                .as("things as they are by now")
                .containsExactly(
                        new FeedEvent.SandboxChanged(1, tombstone),
                        new FeedEvent.SandboxChanged(2, tombstone),
                        new FeedEvent.Revoked(3, token),
                        new FeedEvent.Revoked(4, sandbox),
                        new FeedEvent.Revoked(5, sandbox),
                        new FeedEvent.SandboxChanged(6, tombstone));
        assertThat(tombstone.version()).isEqualTo(6);
        assertThat(delta.complete()).isTrue();
        assertThat(delta.upTo()).isEqualTo(store.position()).isEqualTo(new FeedPosition(start.storeId(), 6));
        assertThat(store.position()).isEqualTo(delta.upTo());
    }

    @Test
    void theLogIsReadPieceByPiece() throws Exception {
        FeedPosition start = store.position();
        for (int i = 0; i < 5; i++) {
            revoke(new Subject.Token("t" + i), "r", T0);
        }
        List<String> seen = new ArrayList<>();
        List<Boolean> complete = new ArrayList<>();
        FeedPosition place = start;
        do {
            FeedDelta piece = store.events(place, 2).orElseThrow();
            piece.events()
                    .forEach(event -> seen.add(
                            ((FeedEvent.Revoked) event).revocation().subject().name()));
            complete.add(piece.complete());
            place = piece.upTo();
        } while (!complete.getLast());

        assertThat(seen).containsExactly("t0", "t1", "t2", "t3", "t4");
        assertThat(complete).containsExactly(false, false, true);
        assertThat(store.events(place, 2)).contains(new FeedDelta(List.of(), place, true));
        assertThat(store.events(new FeedPosition(start.storeId(), 3), 2)
                        .orElseThrow()
                        .complete())
                .as("just enough")
                .isTrue();
    }

    @Test
    void anotherDatabasesPlaceOrOneThatIsYetToComeIsNone() throws Exception {
        revoke(new Subject.Token("t"), "r", T0);
        String id = store.position().storeId();

        assertThat(store.events(new FeedPosition("another", 0), 10)).isEmpty();
        assertThat(store.events(new FeedPosition(id, 2), 10)).isEmpty();
        assertThat(store.events(new FeedPosition(id, -1), 10)).isEmpty();
        assertThat(store.events(new FeedPosition(id, 1), 10)).isPresent();
        store.close();
        store = open();
        assertThat(store.position()).as("the same database").isEqualTo(new FeedPosition(id, 1));
    }

    @Test
    void whoeverWaitsForEventsIsWokenByThisProcessAndByAnother() throws Exception {
        Semaphore woken = new Semaphore(0);
        try (AutoCloseable _ = store.onEvent(woken::release)) {
            revoke(new Subject.Token("mine"), "r", T0);
            assertThat(woken.tryAcquire(20, TimeUnit.SECONDS)).isTrue();

            try (SandboxStore other = open()) {
                long before = store.position().seq();
                woken.drainPermits();
                var _ = other.revoke(new Revocation(new Subject.Token("theirs"), "r", T0, Optional.empty()));
                assertThat(woken.tryAcquire(20, TimeUnit.SECONDS)).isTrue();
                assertThat(store.position().seq()).isEqualTo(before + 1);
            }
        }
    }

    @Test
    void whoFollowsTheLogWhileManyWriteSeesEveryEventOnceAndInOrder() throws Exception {
        int writers = 8;
        int each = 12;
        try (SandboxStore other = open();
                ExecutorService threads = Executors.newFixedThreadPool(writers)) {
            FeedPosition place = store.position();
            List<Future<?>> running = new ArrayList<>();
            for (int w = 0; w < writers; w++) {
                String name = "w" + w + "-";
                SandboxStore through = w % 2 == 0 ? store : other;
                running.add(threads.submit(() -> {
                    for (int i = 0; i < each; i++) {
                        var _ = through.revoke(new Revocation(new Subject.Token(name + i), "r", T0, Optional.empty()));
                    }
                    return 0;
                }));
            }
            List<FeedEvent> seen = new ArrayList<>();
            while (seen.size() < writers * each) {
                FeedDelta delta = store.events(place, 7).orElseThrow();
                seen.addAll(delta.events());
                place = delta.upTo();
            }
            for (Future<?> writer : running) {
                writer.get();
            }
            assertThat(seen)
                    .extracting(FeedEvent::seq)
                    .containsExactlyElementsOf(LongStream.rangeClosed(1, (long) writers * each)
                            .boxed()
                            .toList());
            assertThat(seen)
                    .extracting(event ->
                            ((FeedEvent.Revoked) event).revocation().subject().name())
                    .doesNotHaveDuplicates();
        }
    }

    private Revocation revoke(Subject subject, String reason, Instant at) throws StoreUnavailableException {
        return store.revoke(new Revocation(subject, reason, at, Optional.of(at.plusSeconds(9))))
                .orElseThrow();
    }

    private static List<Subject> subjects(List<Revocation> revocations) {
        return revocations.stream().map(Revocation::subject).toList();
    }

    private static Instant millis(Instant at) {
        return Instant.ofEpochMilli(at.toEpochMilli());
    }

    private SandboxRecord register(SandboxId id, SandboxName name, Instant at) throws StoreUnavailableException {
        Registration outcome = store.register(id, name, Source.REGISTRY, at);
        assertThat(outcome).isInstanceOf(Registration.Registered.class);
        return ((Registration.Registered) outcome).record();
    }

    private static List<String> ids(List<SandboxRecord> records) {
        return records.stream().map(record -> record.id().value()).toList();
    }

    private static <T> List<T> together(List<Callable<T>> calls) throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(16)) {
            List<T> results = new ArrayList<>();
            for (Future<T> result : threads.invokeAll(calls)) {
                results.add(result.get());
            }
            return results;
        }
    }
}
