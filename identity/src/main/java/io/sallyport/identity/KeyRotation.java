package io.sallyport.identity;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.KeyPair;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Takes the keys of a directory from one phase to the next, each step when its time has come.
 *
 * <pre>
 * prepare ──► PREPARED ──activate──► ACTIVE ──(another is activated)──► RETIRING ──retire──► RETIRED ──remove──► gone
 *             accepted,              signs                              accepted; signs       accepted
 *             published                                                 only again
 * </pre>
 *
 * <p>Each step changes what readers see by one rename or one deletion, so that they see the keys as they were or as they
 * are to be, whenever the power goes; what a step left behind has a name that begins with a dot, which no reader looks at,
 * and the next step clears it away. Two steps at once exclude each other by a lock.
 *
 * <p>Times stand in the files themselves (when a key was prepared, until when others signed), in no file system's
 * attributes, so that a copy of the directory is as good as the directory.
 */
public final class KeyRotation {
    /** Where a key stands. */
    public enum Phase {
        /** Published and accepted; signs nothing yet. */
        PREPARED,
        /** Signs. */
        ACTIVE,
        /** Signs nothing new; accepted, and signs again what was lost on the way. */
        RETIRING,
        /** Accepted; its private half is gone. */
        RETIRED,
        /** Accepted, though it never signed here: the public half of somebody else's key. */
        FOREIGN,
        /** Not accepted, signs nothing. */
        TAINTED
    }

    /**
     * How long each phase lasts at least.
     *
     * @param prepared until everybody who verifies has seen the public half
     * @param retiring after others sign: until nothing is signed again
     * @param accepted after others sign: until nothing it signed is accepted or can be refreshed
     */
    public record Windows(Duration prepared, Duration retiring, Duration accepted) {
        /**
         * The keys of sandbox tokens.
         *
         * @param poll how often replicas look at the directory
         * @param jwksMaxAge how long others keep the published keys
         * @param retryGrace how long a refresh that was just answered is answered again alike
         * @param maxLifetime the longest life of a token
         * @param renewalWindow how long after its end a token can be refreshed
         * @param leeway how far clocks may disagree
         */
        public static Windows ofTokens(
                Duration poll,
                Duration jwksMaxAge,
                Duration retryGrace,
                Duration maxLifetime,
                Duration renewalWindow,
                Duration leeway) {
            // A replica that looks last signs with the old key for one poll longer.
            return new Windows(
                    poll.plus(jwksMaxAge),
                    poll.plus(retryGrace),
                    poll.plus(maxLifetime).plus(renewalWindow).plus(leeway).plus(leeway));
        }

        /** The keys of assertions, which live for seconds and are never signed again. */
        public static Windows ofAssertions(Duration poll, Duration leeway) {
            return new Windows(
                    poll,
                    poll,
                    poll.plus(AssertionMinter.MAX_LIFETIME).plus(leeway).plus(leeway));
        }
    }

    /**
     * A key, and where it stands.
     *
     * @param since since when it is prepared, or until when it signed; empty when the files do not say
     * @param due when the next step may be taken; empty when there is none, or nobody can know
     */
    public record Standing(String keyId, Phase phase, Optional<Instant> since, Optional<Instant> due) {}

    private static final String LOCK = ".lock";
    private static final String NEW = ".new-";
    private static final String NEW_ACTIVE = ".active.new";
    private static final String NEW_TAINTED = ".tainted.new";
    private static final String REMOVED = ".removed-";

    private final Path directory;
    private final Windows windows;
    private final InstantSource clock;
    private final KeyDisk disk;
    private final Consumer<String> warnings;

    /** @param warnings is told what was done before its time */
    public KeyRotation(Path directory, Windows windows, InstantSource clock, Consumer<String> warnings) {
        this(directory, windows, clock, warnings, new KeyDisk());
    }

    KeyRotation(Path directory, Windows windows, InstantSource clock, Consumer<String> warnings, KeyDisk disk) {
        this.directory = directory;
        this.windows = windows;
        this.clock = clock;
        this.warnings = warnings;
        this.disk = disk;
    }

    /** Where every key stands, in the order of their names. */
    public List<Standing> status() throws IOException {
        return standings(KeyFiles.read(directory));
    }

    /**
     * Makes a new key, which is accepted and published from now on, and does not sign.
     *
     * @return its {@code kid}
     * @throws IOException when one is prepared already, or the directory is not whole
     */
    public String prepare() throws IOException {
        return locked(this::prepareLocked);
    }

    /**
     * Makes a prepared key the one that signs; or, to go back, one that is still retiring.
     *
     * @param named its {@code kid}; empty for the one that is prepared
     * @param force whether to do so before its time
     * @return its {@code kid}
     * @throws IOException when there is none, or it is too early
     */
    public String activate(Optional<String> named, boolean force) throws IOException {
        return locked(files -> activateLocked(files, named, force));
    }

    /**
     * Deletes the private half of each key that need not sign again.
     *
     * @param named only this key
     * @return their {@code kid}s, at least one
     * @throws IOException when there is none, or it is too early for all of them
     */
    public List<String> retire(Optional<String> named, boolean force) throws IOException {
        return locked(files -> {
            List<Standing> chosen = due(files, named, force, Set.of(Phase.RETIRING), "retire");
            for (Standing key : chosen) {
                disk.delete(directory.resolve(key.keyId()).resolve(KeyFiles.SIGNING));
                disk.sync(directory.resolve(key.keyId()));
            }
            return chosen.stream().map(Standing::keyId).toList();
        });
    }

    /**
     * Takes each key out of the set of which nothing can be accepted or refreshed any more.
     *
     * @param named only this key; needed for a prepared one and for one of somebody else's
     * @return their {@code kid}s, at least one
     * @throws IOException when there is none, or it is too early for all of them
     */
    public List<String> remove(Optional<String> named, boolean force) throws IOException {
        return locked(files -> {
            Set<Phase> phases = named.isEmpty()
                    ? Set.of(Phase.RETIRED, Phase.RETIRING)
                    : Set.of(Phase.RETIRED, Phase.RETIRING, Phase.PREPARED, Phase.FOREIGN, Phase.TAINTED);
            List<Standing> chosen = due(files, named, force, phases, "remove");
            for (Standing key : chosen) {
                Path gone = directory.resolve(REMOVED + key.keyId());
                disk.move(directory.resolve(key.keyId()), gone);
                disk.sync(directory);
                disk.deleteTree(gone);
            }
            return chosen.stream().map(Standing::keyId).toList();
        });
    }

    /**
     * Ends the trust in a key at once: nothing it signed is accepted any more, and it signs nothing. If it is the active
     * one, the prepared one takes over before its time; if none is prepared, one is made.
     *
     * @param reason for people, kept beside the key
     * @return the {@code kid} of the key that signs from now on
     */
    public String taint(String keyId, String reason) throws IOException {
        if (reason.isBlank() || !reason.chars().allMatch(c -> c >= ' ' && c < 0x7f)) {
            throw new IOException("a reason is one line of printable ASCII");
        }
        return locked(files -> taintLocked(files, keyId, reason));
    }

    /**
     * Writes a copy without folders ({@code <kid>.signing.pem}, {@code <kid>.public.pem}, {@code active}): the files of a
     * Kubernetes Secret, or for a user who may have the public halves only.
     *
     * @param target a new directory
     * @param publicOnly whether to leave out everything private
     * @throws IOException when the target is there already, or the directory is not whole
     */
    public void export(Path target, boolean publicOnly) throws IOException {
        KeyFiles files = KeyFiles.read(directory);
        var _ = KeyDirectory.judge(files, publicOnly ? KeyDirectory.Use.VERIFY : KeyDirectory.Use.SIGN_AND_PUBLISH);
        Path absolute = target.toAbsolutePath().normalize();
        Path parent = absolute.getParent();
        if (parent == null || Files.exists(absolute, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException(target + ": exists; a copy is written to a new place, so that it appears whole");
        }
        Path draft = parent.resolve("." + absolute.getFileName() + ".new");
        disk.deleteTree(draft);
        disk.createFolder(draft);
        for (KeyFiles.Entry entry : files.keys()) {
            String name = draft.resolve(entry.keyId()) + ".";
            copy(entry.open(), Path.of(name + KeyFiles.PUBLIC));
            copy(entry.tainted(), Path.of(name + KeyFiles.TAINTED));
            copy(entry.prepared(), Path.of(name + KeyFiles.PREPARED));
            if (!publicOnly && !entry.tainted().isThere()) {
                copy(entry.signing(), Path.of(name + KeyFiles.SIGNING));
            }
        }
        if (files.layout() == KeyFiles.Layout.FLAT) {
            disk.write(draft.resolve(KeyFiles.ACTIVE), files.keys().getFirst().keyId() + "\n");
        } else {
            copy(files.active(), draft.resolve(KeyFiles.ACTIVE));
        }
        disk.sync(draft);
        disk.move(draft, absolute);
        disk.sync(parent);
    }

    private void copy(KeyFiles.Content file, Path to) throws IOException {
        if (file.isThere()) {
            disk.write(to, file.read());
        }
    }

    private String prepareLocked(KeyFiles files) throws IOException {
        List<Standing> standings = standings(files);
        Optional<Standing> prepared =
                standings.stream().filter(key -> key.phase() == Phase.PREPARED).findAny();
        if (prepared.isPresent()) {
            throw new IOException(directory + ": key " + prepared.get().keyId()
                    + " is prepared already; activate it, or remove it: keys rotate " + directory + " remove "
                    + prepared.get().keyId());
        }
        KeyPair pair = KeyDirectory.newKeyPair();
        String keyId = KeyDirectory.generatedKeyId(pair.getPublic());
        if (standings.stream().anyMatch(key -> key.keyId().equals(keyId))) {
            throw new IOException(directory + ": there is a key " + keyId + "; nothing was changed, try again");
        }
        Path draft = directory.resolve(NEW + keyId);
        KeyDirectory.write(disk, draft, keyId, pair);
        disk.write(draft.resolve(KeyFiles.PREPARED), now() + "\n");
        disk.sync(draft);
        disk.move(draft, directory.resolve(keyId));
        disk.sync(directory);
        return keyId;
    }

    private String activateLocked(KeyFiles files, Optional<String> named, boolean force) throws IOException {
        List<Standing> standings = standings(files);
        List<Standing> candidates = standings.stream()
                .filter(key -> named.map(key.keyId()::equals).orElse(key.phase() == Phase.PREPARED))
                .toList();
        if (candidates.size() != 1) {
            throw new IOException(
                    candidates.isEmpty()
                            ? directory + ": "
                                    + named.map(id -> "there is no key " + id)
                                            .orElse("no key is prepared; first: keys rotate " + directory + " prepare")
                            : directory + ": several keys are prepared; name one of "
                                    + candidates.stream().map(Standing::keyId).toList());
        }
        Standing key = candidates.getFirst();
        switch (key.phase()) {
            case ACTIVE -> throw new IOException(directory + ": key " + key.keyId() + " is the active one already");
            case RETIRED, FOREIGN ->
                throw new IOException(directory + ": key " + key.keyId() + " has no private half here, so cannot sign");
            case TAINTED -> throw new IOException(directory + ": key " + key.keyId() + " is tainted and signs no more");
            case PREPARED -> waitFor(key, force, "activated", "not everybody may have seen it yet");
            case RETIRING -> {} // everybody knows it
        }
        if (!Files.exists(directory.resolve(key.keyId()).resolve(KeyFiles.SIGNING))) {
            throw new IOException(directory + ": key " + key.keyId() + " has no private half here, so cannot sign");
        }
        makeActive(files, key.keyId());
        return key.keyId();
    }

    private void makeActive(KeyFiles files, String keyId) throws IOException {
        ActiveFile before = ActiveFile.parse(files.active());
        Map<String, Instant> until = new HashMap<>();
        before.until().forEach((id, time) -> {
            if (Files.isDirectory(directory.resolve(id))) {
                until.put(id, time);
            }
        });
        until.put(before.keyId(), now());
        until.remove(keyId);
        Path draft = directory.resolve(NEW_ACTIVE);
        disk.write(draft, new ActiveFile(keyId, until).format());
        disk.move(draft, directory.resolve(KeyFiles.ACTIVE));
        disk.sync(directory);
    }

    private String taintLocked(KeyFiles files, String keyId, String reason) throws IOException {
        Standing key = find(files, keyId);
        KeyFiles now = files;
        if (key.phase() == Phase.ACTIVE) {
            Optional<Standing> prepared = standings(files).stream()
                    .filter(other -> other.phase() == Phase.PREPARED)
                    .findFirst();
            String successor = prepared.isPresent() ? prepared.get().keyId() : prepareLocked(files);
            warnings.accept("key " + successor + " signs from now on, in place of the tainted one"
                    + (prepared.isPresent() ? "" : "; it was made just now")
                    + ": who only knows the published keys refuses its tokens until he has read them again");
            makeActive(KeyFiles.read(directory), successor);
            now = KeyFiles.read(directory);
        }
        Path folder = directory.resolve(keyId);
        if (key.phase() != Phase.TAINTED) {
            Path draft = directory.resolve(NEW_TAINTED);
            disk.write(draft, now() + " " + reason + "\n");
            disk.move(draft, folder.resolve(KeyFiles.TAINTED));
            disk.sync(folder);
        }
        if (Files.exists(folder.resolve(KeyFiles.SIGNING))) {
            disk.delete(folder.resolve(KeyFiles.SIGNING));
            disk.sync(folder);
        }
        return ActiveFile.parse(now.active()).keyId();
    }

    /** The keys that a step is for, and of those the ones whose time has come. */
    private List<Standing> due(KeyFiles files, Optional<String> named, boolean force, Set<Phase> phases, String step)
            throws IOException {
        if (named.isPresent()) {
            Standing key = find(files, named.get());
            if (!phases.contains(key.phase())) {
                throw new IOException(directory + ": key " + key.keyId() + " is "
                        + key.phase().name().toLowerCase(Locale.ROOT) + "; nothing to " + step);
            }
        }
        List<Standing> candidates = standings(files).stream()
                .filter(key -> phases.contains(key.phase()))
                .filter(key -> named.isEmpty() || key.keyId().equals(named.get()))
                .map(key -> step.equals("remove") ? withEndOfAcceptance(key) : key)
                .toList();
        if (candidates.isEmpty()) {
            throw new IOException(directory + ": there is nothing to " + step + "; see: keys status " + directory);
        }
        List<Standing> chosen = new ArrayList<>();
        IOException tooEarly = null;
        for (Standing key : candidates) {
            try {
                waitFor(
                        key,
                        force,
                        step + "d",
                        step.equals("retire")
                                ? "a refresh may still have to be answered again with it"
                                : "tokens it signed may still be accepted or refreshed");
                chosen.add(key);
            } catch (IOException e) {
                tooEarly = e;
            }
        }
        if (chosen.isEmpty() && tooEarly != null) {
            throw tooEarly;
        }
        return chosen;
    }

    private Standing withEndOfAcceptance(Standing key) {
        return switch (key.phase()) {
            // Signed nothing, or nothing that is accepted: it may go.
            case TAINTED -> new Standing(key.keyId(), key.phase(), key.since(), Optional.of(Instant.MIN));
            case PREPARED ->
                new Standing(key.keyId(), key.phase(), key.since(), key.since().map(_ -> Instant.MIN));
            default ->
                new Standing(
                        key.keyId(),
                        key.phase(),
                        key.since(),
                        key.since().map(windows.accepted()::addTo).map(Instant::from));
        };
    }

    private void waitFor(Standing key, boolean force, String done, String why) throws IOException {
        Optional<Instant> due = key.due();
        Instant now = clock.instant();
        if (due.isPresent() && !now.isBefore(due.get())) {
            return;
        }
        String early = "key " + key.keyId() + " can be " + done
                + due.map(time -> " in " + print(Duration.between(now, time)) + ", at "
                                + time.truncatedTo(ChronoUnit.SECONDS) + ": " + why)
                        .orElse(" at a time that its files do not tell");
        if (!force) {
            throw new IOException(directory + ": too early: " + early + "; wait, or use --force");
        }
        warnings.accept("before its time: " + early + "; done because of --force");
    }

    private Standing find(KeyFiles files, String keyId) throws IOException {
        return standings(files).stream()
                .filter(key -> key.keyId().equals(keyId))
                .findAny()
                .orElseThrow(() -> new IOException(directory + ": there is no key " + keyId));
    }

    private List<Standing> standings(KeyFiles files) throws IOException {
        // What is not whole is not touched.
        var _ = KeyDirectory.judge(files, KeyDirectory.Use.VERIFY);
        if (files.layout() == KeyFiles.Layout.FLAT) {
            String keyId = files.keys().getFirst().keyId();
            return List.of(new Standing(keyId, Phase.ACTIVE, Optional.empty(), Optional.empty()));
        }
        Optional<ActiveFile> active =
                files.active().isThere() ? Optional.of(ActiveFile.parse(files.active())) : Optional.empty();
        List<Standing> standings = new ArrayList<>();
        for (KeyFiles.Entry entry : files.keys()) {
            standings.add(standing(entry, active));
        }
        return standings;
    }

    private Standing standing(KeyFiles.Entry entry, Optional<ActiveFile> active) throws IOException {
        String keyId = entry.keyId();
        Optional<Instant> until = active.map(file -> file.until().get(keyId));
        if (entry.tainted().isThere()) {
            return new Standing(keyId, Phase.TAINTED, until, Optional.empty());
        }
        if (active.isPresent() && active.get().keyId().equals(keyId)) {
            return new Standing(keyId, Phase.ACTIVE, Optional.empty(), Optional.empty());
        }
        if (until.isPresent()) {
            boolean signsAgain = entry.signing().isThere();
            return new Standing(
                    keyId,
                    signsAgain ? Phase.RETIRING : Phase.RETIRED,
                    until,
                    until.map(time -> time.plus(signsAgain ? windows.retiring() : windows.accepted())));
        }
        if (entry.signing().isThere() || entry.prepared().isThere()) {
            Optional<Instant> since = prepared(entry);
            return new Standing(keyId, Phase.PREPARED, since, since.map(time -> time.plus(windows.prepared())));
        }
        return new Standing(keyId, Phase.FOREIGN, Optional.empty(), Optional.empty());
    }

    private static Optional<Instant> prepared(KeyFiles.Entry entry) throws IOException {
        if (!entry.prepared().isThere()) {
            return Optional.empty();
        }
        try {
            return Optional.of(Instant.parse(entry.prepared().read().strip()));
        } catch (DateTimeException e) {
            throw new IOException(
                    entry.prepared().path()
                            + ": is not a time, such as 2026-01-02T03:04:05Z; write when the key was put there, or remove the file");
        }
    }

    private Instant now() {
        return clock.instant().truncatedTo(ChronoUnit.MILLIS);
    }

    /** A duration for people: its two largest units. */
    static String print(Duration duration) {
        // Rounded up: who waits as long as he was told must not be told to wait again.
        Duration d = duration.plusNanos(999_999_999).truncatedTo(ChronoUnit.SECONDS);
        if (d.toDays() > 0) {
            return d.toDays() + "d " + d.toHoursPart() + "h";
        }
        if (d.toHours() > 0) {
            return d.toHours() + "h " + d.toMinutesPart() + "m";
        }
        return d.toMinutes() > 0 ? d.toMinutes() + "m " + d.toSecondsPart() + "s" : d.toSeconds() + "s";
    }

    @FunctionalInterface
    private interface Step<T> {
        T take(KeyFiles files) throws IOException;
    }

    private <T> T locked(Step<T> step) throws IOException {
        KeyFiles files = KeyFiles.read(directory);
        if (files.isMountedSecret()) {
            throw new IOException(
                    directory
                            + ": is a mounted Secret; rotate the directory it was made from, export that and replace the Secret");
        }
        switch (files.layout()) {
            case FOLDERS -> {}
            case NAMES ->
                throw new IOException(
                        directory + ": is an exported copy; rotate the directory it came from and export that again");
            case FLAT ->
                throw new IOException(directory + ": holds one key without a folder, and cannot be rotated in place;"
                        + " copy it to a new directory as <kid>/{signing.pem,public.pem,kid} with a file active that"
                        + " holds the kid, and put that in its place");
        }
        try (FileChannel channel = openLock();
                FileLock lock = channel.tryLock()) {
            if (lock == null) {
                throw busy();
            }
            clearAway();
            return step.take(KeyFiles.read(directory));
        } catch (OverlappingFileLockException e) {
            throw busy();
        }
    }

    private FileChannel openLock() throws IOException {
        try {
            return FileChannel.open(directory.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        } catch (FileSystemException e) {
            throw new IOException(
                    directory
                            + ": cannot be changed by this user; run the command as the directory's owner, or as root",
                    e);
        }
    }

    private IOException busy() {
        return new IOException(directory + ": another command works on it; try again when that is done");
    }

    /** What a step left that did not come to its end: nobody else works here now. */
    private void clearAway() throws IOException {
        List<Path> left;
        try (Stream<Path> entries = Files.list(directory)) {
            left = entries.filter(entry -> {
                        String name = entry.getFileName().toString();
                        return name.startsWith(NEW)
                                || name.startsWith(REMOVED)
                                || name.equals(NEW_ACTIVE)
                                || name.equals(NEW_TAINTED);
                    })
                    .toList();
        }
        for (Path path : left) {
            disk.deleteTree(path);
        }
    }
}
