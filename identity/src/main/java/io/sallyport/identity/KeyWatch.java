package io.sallyport.identity;

import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;

/**
 * Follows a key directory: its users always have one whole set of keys, the newest that was ever whole.
 *
 * <p>It reads all files at every turn and compares what they hold, because a mounted Secret is exchanged behind a link, and
 * times and events of files say little there. Exactly what was compared is what is then used. While a set lies there that
 * cannot be used, the last good one stays in use, every turn warns, and {@link #trouble} says why, until the files are whole
 * again or are those in use.
 */
public final class KeyWatch implements PublicKeySource, AutoCloseable {
    /** How often to look, when nothing else is asked for. */
    public static final Duration DEFAULT_INTERVAL = Duration.ofSeconds(10);

    /** Strangers can cause {@link #lookAgain} by naming keys that do not exist: no more often than this. */
    private static final Duration BETWEEN_EXTRA_LOOKS = Duration.ofSeconds(1);

    private static final Logger log = System.getLogger(KeyWatch.class.getName());

    private final Path directory;
    private final KeyDirectory.Use use;
    private final LongSupplier nanoTime;
    private final Lock reading = new ReentrantLock();
    private final ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("key-watch").factory());

    private volatile Snapshot snapshot;
    private volatile String trouble = "";
    private boolean lookedExtra;
    private long lastExtraLook;

    /** Keys, and the digest of the files they come from. */
    private record Snapshot(KeySet keys, String digest) {}

    private KeyWatch(Path directory, KeyDirectory.Use use, LongSupplier nanoTime) throws IOException {
        this.directory = directory;
        this.use = Objects.requireNonNull(use, "use is null");
        this.nanoTime = Objects.requireNonNull(nanoTime, "nanoTime is null");
        this.snapshot = read();
        this.trouble = missingSigner(snapshot);
    }

    /**
     * Reads a directory for the first time. Nothing is followed until {@link #start}.
     *
     * @param nanoTime as {@link System#nanoTime}
     * @throws IOException with the file and the remedy: there is no last good set yet
     */
    public static KeyWatch open(Path directory, KeyDirectory.Use use, LongSupplier nanoTime) throws IOException {
        return new KeyWatch(directory, use, nanoTime);
    }

    /** Looks at this interval from now on, until it is closed. */
    public void start(Duration interval) {
        start(interval, () -> {});
    }

    /**
     * Looks at this interval from now on, until it is closed.
     *
     * @param afterEachTurn is called at the end of each turn, on the thread that looks; never throws
     */
    public void start(Duration interval, Runnable afterEachTurn) {
        long nanos = interval.toNanos();
        var _ = scheduler.scheduleWithFixedDelay(
                () -> {
                    look();
                    afterEachTurn.run();
                },
                nanos,
                nanos,
                TimeUnit.NANOSECONDS);
    }

    /** The keys in use. The same object until they change. */
    public KeySet keys() {
        return snapshot.keys();
    }

    @Override
    public PublicKeys publicKeys() {
        return snapshot.keys().publicKeys();
    }

    /**
     * The private keys in use. The same object until they change.
     *
     * @throws IllegalStateException when the directory is read for verification only
     */
    public SigningKeys signingKeys() {
        return snapshot.keys()
                .signingKeys()
                .orElseThrow(() -> new IllegalStateException(directory + " was opened to verify, not to sign"));
    }

    /** Why what lies in the directory is not (all) in use, with the file and the remedy; empty when all is well. */
    public Optional<String> trouble() {
        String now = trouble;
        return now.isEmpty() ? Optional.empty() : Optional.of(now);
    }

    /**
     * Looks at once, unless it was asked to within the last second. Whoever comes while somebody looks waits for that.
     * Does not warn: that is done at every turn.
     */
    @Override
    public void lookAgain() {
        reading.lock();
        try {
            long now = nanoTime.getAsLong();
            if (!lookedExtra || now - lastExtraLook >= BETWEEN_EXTRA_LOOKS.toNanos()) {
                lookedExtra = true;
                lastExtraLook = now;
                update();
            }
        } finally {
            reading.unlock();
        }
    }

    /** One turn: for who has turns of his own. Never throws. */
    public void look() {
        reading.lock();
        try {
            update();
            if (!trouble.isEmpty()) {
                log.log(Level.WARNING, "keys: {0}", trouble);
            }
        } finally {
            reading.unlock();
        }
    }

    @Override
    public void close() {
        scheduler.shutdownNow();
    }

    private void update() {
        Snapshot before = snapshot;
        try {
            Snapshot now = read();
            if (!now.digest().equals(before.digest())) {
                snapshot = now;
                log.log(Level.INFO, "keys: {0}: {1}", directory, describe(now.keys()));
            } else if (!trouble.isEmpty() && missingSigner(before).isEmpty()) {
                log.log(Level.INFO, "keys: {0}: whole again", directory);
            }
            trouble = missingSigner(now);
        } catch (IOException | RuntimeException e) {
            // Also what nobody thought of: it must not end the watch.
            trouble = (e instanceof IOException ? e.getMessage() : directory + ": " + e)
                    + "; until then the last good keys stay in use: " + describe(before.keys());
        }
    }

    /** Reads twice if need be: without a mount's one link, files can be exchanged while they are read. */
    private Snapshot read() throws IOException {
        try {
            return readOnce();
        } catch (IOException e) {
            return readOnce();
        }
    }

    private Snapshot readOnce() throws IOException {
        KeyFiles files = KeyFiles.read(directory);
        return new Snapshot(KeyDirectory.judge(files, use), files.digest());
    }

    private String missingSigner(Snapshot now) {
        return now.keys().signingKeys().map(SigningKeys::canSign).orElse(true)
                ? ""
                : directory + ": the active key is tainted, so nothing is signed; activate another one: keys rotate "
                        + directory + " activate";
    }

    private static String describe(KeySet keys) {
        return keys.signingKeys()
                        .map(signing -> "signs with "
                                + (signing.canSign() ? signing.active().keyId() : "nothing") + ", ")
                        .orElse("")
                + "accepts " + keys.publicKeys().keyIds();
    }
}
