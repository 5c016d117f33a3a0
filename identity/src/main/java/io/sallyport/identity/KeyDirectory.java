package io.sallyport.identity;

import io.sallyport.identity.Ed25519Keys.BadKeyException;
import io.sallyport.identity.Ed25519Keys.PrivateHalf;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.PublicKey;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * A directory of Ed25519 keys in PEM.
 *
 * <p>Three layouts are read:
 *
 * <table>
 * <caption>Layouts</caption>
 * <tr><td>ours</td><td>{@code <kid>/{signing.pem,public.pem,kid}} for each key, and a file {@code active} that names the
 * one that signs</td></tr>
 * <tr><td>ours, without folders</td><td>{@code <kid>.signing.pem}, {@code <kid>.public.pem} for each key, and {@code
 * active}: as a Kubernetes Secret is mounted</td></tr>
 * <tr><td>the gateway's</td><td>one key, flat: {@code {signing.pem,public.pem,kid}}</td></tr>
 * </table>
 *
 * <p>The content of the file {@code kid}, trimmed, is a key's name; in our layout its folder bears the same name. Entries
 * that begin with a dot are not keys. Whoever only verifies needs {@code public.pem} and {@code kid}; whoever signs needs
 * {@code signing.pem} and {@code kid}, and {@code active} in our layouts. Where both halves are there, they must belong
 * together.
 *
 * <p>Every key is accepted, whichever phase it is in; {@code active} alone says which one signs; the others keep their
 * private half for as long as they may have to sign something again ({@link SigningKeys}). A key beside which lies a file
 * {@code tainted} counts as not there. So whoever reads needs no clock, and replicas that see the same files do the same.
 * When a key goes from one phase to the next is the business of {@link KeyRotation}.
 */
public final class KeyDirectory {
    /** What a reader does with the keys. */
    public enum Use {
        /** Verifies: every public half is needed, no private one. */
        VERIFY,
        /** Signs: {@code active} is needed, and private halves; public ones may be absent. */
        SIGN,
        /** Signs, and publishes what it signs with. */
        SIGN_AND_PUBLISH
    }

    private static final Set<PosixFilePermission> OTHERS = Set.of(
            PosixFilePermission.GROUP_READ,
            PosixFilePermission.GROUP_WRITE,
            PosixFilePermission.GROUP_EXECUTE,
            PosixFilePermission.OTHERS_READ,
            PosixFilePermission.OTHERS_WRITE,
            PosixFilePermission.OTHERS_EXECUTE);

    private KeyDirectory() {}

    /** Whether a text can be a key's name: 1 to 128 of {@code [A-Za-z0-9._-]}, not beginning with a dot. */
    static boolean isKeyId(String text) {
        return SandboxId.isValid(text) && text.charAt(0) != '.';
    }

    /**
     * Reads every public key.
     *
     * @throws IOException with the file and the remedy, when the set is not whole
     */
    public static PublicKeys readPublic(Path directory) throws IOException {
        return read(directory, Use.VERIFY).publicKeys();
    }

    /**
     * Reads the active private key.
     *
     * @throws IOException with the file and the remedy, when it is missing, unreadable by us, readable by others, or
     *     tainted
     */
    public static SigningKey readSigning(Path directory) throws IOException {
        SigningKeys keys = read(directory, Use.SIGN).signingKeys().orElseThrow();
        if (!keys.canSign()) {
            throw new IOException(directory.resolve(KeyFiles.ACTIVE)
                    + ": names a key that is tainted; activate another one: keys rotate " + directory + " activate");
        }
        return keys.active();
    }

    /**
     * Reads the keys as they are now.
     *
     * @throws IOException with the file and the remedy, when the set is not whole
     */
    public static KeySet read(Path directory, Use use) throws IOException {
        return judge(KeyFiles.read(directory), use);
    }

    /** What the files mean, if they are whole. */
    static KeySet judge(KeyFiles files, Use use) throws IOException {
        boolean verifies = use != Use.SIGN;
        boolean signs = use != Use.VERIFY;
        Map<String, PublicKey> open = new TreeMap<>();
        Map<String, SigningKey> signing = new HashMap<>();
        Map<String, Path> places = new HashMap<>();
        Set<String> tainted = new HashSet<>();
        String only = "";
        for (KeyFiles.Entry entry : files.keys()) {
            String keyId = entry.keyId();
            only = keyId;
            Optional<PublicKey> half =
                    openHalf(entry, verifies && !entry.tainted().isThere());
            if (half.isPresent()) {
                String raw = HexFormat.of().formatHex(Ed25519Keys.rawPublic(half.get()));
                Path other = places.put(raw, entry.open().path());
                if (other != null) {
                    throw new IOException(entry.open().path() + ": is the same key as " + other
                            + " under another kid; a key has one name: remove one of the two");
                }
            }
            if (entry.tainted().isThere()) {
                tainted.add(keyId);
                continue;
            }
            half.ifPresent(key -> open.put(keyId, key));
            // Whoever verifies may be another user, who cannot read this one: then there is nothing to compare with.
            boolean hasPrivate =
                    signs ? entry.signing().isThere() : entry.signing().isReadable();
            if (hasPrivate) {
                PrivateHalf secret = privateHalf(entry.signing(), files.isMountedSecret());
                if (half.isPresent()) {
                    checkHalves(entry, secret, half.get());
                }
                signing.put(keyId, new SigningKey(keyId, secret.key()));
            } else if (half.isEmpty()) {
                entry.signing().read(); // neither half: says that it is missing
            }
        }
        if (!signs) {
            return new KeySet(new PublicKeys(open), Optional.empty());
        }
        String active = files.layout() == KeyFiles.Layout.FLAT ? only : active(files);
        if (tainted.contains(active)) {
            return new KeySet(new PublicKeys(open), Optional.of(new SigningKeys(Optional.empty(), signing.values())));
        }
        SigningKey key = signing.get(active);
        if (key == null) {
            // Also for a flat key: a set that signs has its private half.
            for (KeyFiles.Entry entry : files.keys()) {
                if (entry.keyId().equals(active)) {
                    entry.signing().read();
                }
            }
            throw new IOException(files.active().path() + ": names key " + active + ", which cannot sign");
        }
        return new KeySet(new PublicKeys(open), Optional.of(new SigningKeys(Optional.of(key), signing.values())));
    }

    private static String active(KeyFiles files) throws IOException {
        String keyId = ActiveFile.parse(files.active()).keyId();
        for (KeyFiles.Entry entry : files.keys()) {
            if (entry.keyId().equals(keyId)) {
                return keyId;
            }
        }
        throw new IOException(
                files.active().path() + ": names key " + keyId + ", and there is no key of that name beside it");
    }

    private static Optional<PublicKey> openHalf(KeyFiles.Entry entry, boolean required) throws IOException {
        if (!required && !entry.open().isThere()) {
            return Optional.empty();
        }
        return Optional.of(publicKey(entry.open()));
    }

    /**
     * Makes a key pair in a new directory (our layout) and makes it the active one.
     *
     * <p>Everything is written and synced under another name first, so that the directory appears whole or not at all.
     *
     * @return its {@code kid}: the first 16 bytes of the SHA-256 over the public key's SPKI form, in hex
     * @throws IOException when the directory already holds anything: keys are never overwritten
     */
    public static String generate(Path directory) throws IOException {
        Path target = directory.toAbsolutePath().normalize();
        Path parent = target.getParent();
        if (parent == null) {
            throw new IOException(target + ": cannot be a key directory; choose a folder below it");
        }
        refuseIfInUse(target);
        Files.createDirectories(parent);
        KeyDisk disk = new KeyDisk();
        KeyPair pair = newKeyPair();
        String keyId = generatedKeyId(pair.getPublic());
        Path draft = Files.createTempDirectory(parent, "." + target.getFileName() + ".new-", KeyDisk.mode("rwx------"));
        try {
            write(disk, draft.resolve(keyId), keyId, pair);
            disk.write(draft.resolve(KeyFiles.ACTIVE), new ActiveFile(keyId, Map.of()).format());
            disk.sync(draft);
            try {
                // rename(2) replaces an empty directory and refuses one that is not: no check of ours could be as sure.
                disk.move(draft, target);
            } catch (FileSystemException e) {
                refuseIfInUse(target);
                throw new IOException(
                        target + ": the new keys could not be put in place (" + e.getReason()
                                + "); is it a mount point? Choose a folder inside it",
                        e);
            }
            disk.sync(parent);
            return keyId;
        } finally {
            disk.deleteTree(draft);
        }
    }

    /** Writes a pair into a folder of its own, and syncs all but the folder's own name. */
    static void write(KeyDisk disk, Path folder, String keyId, KeyPair pair) throws IOException {
        disk.createFolder(folder);
        disk.write(folder.resolve(KeyFiles.SIGNING), Ed25519Keys.writePrivate(pair.getPrivate()));
        disk.write(folder.resolve(KeyFiles.PUBLIC), Ed25519Keys.writePublic(pair.getPublic()));
        disk.write(folder.resolve(KeyFiles.KID), keyId + "\n");
        disk.sync(folder);
    }

    /** The name of a generated key. */
    static String generatedKeyId(PublicKey key) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(key.getEncoded());
            return HexFormat.of().formatHex(digest, 0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    static PublicKey publicKey(KeyFiles.Content file) throws IOException {
        try {
            return Ed25519Keys.readPublic(file.read());
        } catch (BadKeyException e) {
            throw new IOException(file.path() + ": " + e.getMessage() + "; put an Ed25519 key in SPKI PEM there");
        }
    }

    private static PrivateHalf privateHalf(KeyFiles.Content file, boolean isMountedSecret) throws IOException {
        if (!file.mode().isEmpty()) {
            Set<PosixFilePermission> granted = PosixFilePermissions.fromString(file.mode());
            if (isMountedSecret) {
                // The kubelet gives the files to root and, to let the pod read them, to the pod's own group (fsGroup).
                granted.remove(PosixFilePermission.GROUP_READ);
            }
            if (OTHERS.stream().anyMatch(granted::contains)) {
                throw new IOException(file.path() + ": a private key may be readable by its owner alone, its mode is "
                        + file.mode() + "; run: chmod 600 " + file.path());
            }
        }
        try {
            return Ed25519Keys.readPrivate(file.read());
        } catch (BadKeyException e) {
            throw new IOException(file.path() + ": " + e.getMessage() + "; put an Ed25519 key in PKCS#8 PEM there");
        }
    }

    private static void checkHalves(KeyFiles.Entry entry, PrivateHalf half, PublicKey key) throws IOException {
        byte[] raw = Ed25519Keys.rawPublic(key);
        byte[] probe = entry.open().path().toString().getBytes(StandardCharsets.UTF_8);
        Ed25519 jdk = Ed25519.portable();
        boolean carriedFits =
                half.rawPublic().map(carried -> Arrays.equals(carried, raw)).orElse(true);
        if (!carriedFits || !jdk.verify(key, probe, jdk.sign(half.key(), probe))) {
            throw new IOException(entry.open().path() + ": is not the public half of "
                    + entry.signing().path().getFileName()
                    + " beside it; copy the pair again from where it was made");
        }
    }

    private static void refuseIfInUse(Path target) throws IOException {
        if (!Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        if (!Files.isDirectory(target, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException(target + ": exists and is not a directory; choose another place");
        }
        try (Stream<Path> entries = Files.list(target)) {
            if (entries.findAny().isPresent()) {
                throw new IOException(
                        target + ": is not empty, and keys are never overwritten; choose another place or remove it");
            }
        }
    }

    static KeyPair newKeyPair() {
        try {
            return KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has Ed25519", e);
        }
    }
}
