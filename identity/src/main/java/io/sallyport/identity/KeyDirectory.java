package io.sallyport.identity;

import io.sallyport.identity.Ed25519Keys.BadKeyException;
import io.sallyport.identity.Ed25519Keys.PrivateHalf;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.PublicKey;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A directory of Ed25519 keys in PEM.
 *
 * <p>Two layouts are read:
 *
 * <table>
 * <caption>Layouts</caption>
 * <tr><td>ours</td><td>{@code <kid>/{signing.pem,public.pem,kid}} for each key, and a file {@code active} that names the
 * one that signs</td></tr>
 * <tr><td>the gateway's</td><td>one key, flat: {@code {signing.pem,public.pem,kid}}</td></tr>
 * </table>
 *
 * <p>The content of the file {@code kid}, trimmed, is a key's name; in our layout its folder bears the same name. Entries
 * that begin with a dot are not keys (a mounted Kubernetes Secret has such). Whoever only verifies needs {@code
 * public.pem} and {@code kid}; whoever signs needs {@code signing.pem} and {@code kid}, and {@code active} in our layout.
 * Where both halves are there, they must belong together.
 */
public final class KeyDirectory {
    private static final String SIGNING = "signing.pem";
    private static final String PUBLIC = "public.pem";
    private static final String KID = "kid";
    private static final String ACTIVE = "active";
    private static final int MAX_FILE_BYTES = 16 * 1024;

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
        Map<String, PublicKey> keys = new HashMap<>();
        for (Path folder : keyFolders(directory)) {
            String keyId = keyId(folder, directory);
            PublicKey key = publicKey(folder.resolve(PUBLIC));
            if (Files.isReadable(folder.resolve(SIGNING))) {
                checkHalves(folder, privateHalf(folder.resolve(SIGNING)), key);
            }
            if (keys.put(keyId, key) != null) {
                throw new IOException(folder.resolve(KID) + ": another key has the same kid " + keyId
                        + "; every key needs a name of its own");
            }
        }
        return new PublicKeys(keys);
    }

    /**
     * Reads the active private key.
     *
     * @throws IOException with the file and the remedy, when it is missing, unreadable by us, or readable by others
     */
    public static SigningKey readSigning(Path directory) throws IOException {
        List<Path> folders = keyFolders(directory);
        Path folder = folders.equals(List.of(directory)) ? directory : activeFolder(directory);
        String keyId = keyId(folder, directory);
        PrivateHalf half = privateHalf(folder.resolve(SIGNING));
        if (Files.exists(folder.resolve(PUBLIC))) {
            checkHalves(folder, half, publicKey(folder.resolve(PUBLIC)));
        }
        return new SigningKey(keyId, half.key());
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
        KeyPair pair = newKeyPair();
        String keyId = generatedKeyId(pair.getPublic());
        Path draft = Files.createTempDirectory(parent, "." + target.getFileName() + ".new-", mode("rwx------"));
        try {
            Path folder = Files.createDirectory(draft.resolve(keyId), mode("rwx------"));
            write(folder.resolve(SIGNING), Ed25519Keys.writePrivate(pair.getPrivate()));
            write(folder.resolve(PUBLIC), Ed25519Keys.writePublic(pair.getPublic()));
            write(folder.resolve(KID), keyId + "\n");
            sync(folder);
            write(draft.resolve(ACTIVE), keyId + "\n");
            sync(draft);
            try {
                // rename(2) replaces an empty directory and refuses one that is not: no check of ours could be as sure.
                Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE);
            } catch (FileSystemException e) {
                refuseIfInUse(target);
                throw new IOException(
                        target + ": the new keys could not be put in place (" + e.getReason()
                                + "); is it a mount point? Choose a folder inside it",
                        e);
            }
            sync(parent);
            return keyId;
        } finally {
            deleteTree(draft);
        }
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

    /** One folder for each key; the directory itself when it is flat. */
    private static List<Path> keyFolders(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            throw new IOException(directory + ": is not a directory; make keys there with: " + remedy(directory));
        }
        boolean flat = Stream.of(SIGNING, PUBLIC, KID).anyMatch(name -> Files.exists(directory.resolve(name)));
        List<Path> folders;
        try (Stream<Path> entries = Files.list(directory)) {
            folders = entries.filter(entry -> !entry.getFileName().toString().startsWith("."))
                    .filter(Files::isDirectory)
                    .sorted()
                    .toList();
        } catch (AccessDeniedException e) {
            throw new IOException(directory + ": cannot be listed by this user; give it to the user we run as", e);
        }
        if (flat && !folders.isEmpty()) {
            throw new IOException(directory + ": holds a flat key and also the folder "
                    + folders.getFirst().getFileName() + "; keep one layout");
        }
        if (flat) {
            return List.of(directory);
        }
        if (folders.isEmpty()) {
            throw new IOException(directory + ": holds no keys; make some with: " + remedy(directory));
        }
        return folders;
    }

    private static Path activeFolder(Path directory) throws IOException {
        Path file = directory.resolve(ACTIVE);
        if (!Files.exists(file)) {
            throw new IOException(file + ": is missing; write the kid of the key that signs into it");
        }
        String keyId = read(file).strip();
        if (!isKeyId(keyId)) {
            throw new IOException(file + ": does not hold a kid (1 to 128 of [A-Za-z0-9._-])");
        }
        Path folder = directory.resolve(keyId);
        if (!Files.isDirectory(folder)) {
            throw new IOException(file + ": names key " + keyId + ", and there is no folder of that name beside it");
        }
        return folder;
    }

    private static String keyId(Path folder, Path directory) throws IOException {
        Path file = folder.resolve(KID);
        String keyId = read(file).strip();
        if (!isKeyId(keyId)) {
            throw new IOException(
                    file + ": does not hold a kid (1 to 128 of [A-Za-z0-9._-], not beginning with a dot)");
        }
        if (!folder.equals(directory) && !folder.getFileName().toString().equals(keyId)) {
            throw new IOException(file + ": says " + keyId + ", its folder is named " + folder.getFileName()
                    + "; rename the folder to the kid");
        }
        return keyId;
    }

    private static PublicKey publicKey(Path file) throws IOException {
        try {
            return Ed25519Keys.readPublic(read(file));
        } catch (BadKeyException e) {
            throw new IOException(file + ": " + e.getMessage() + "; put an Ed25519 key in SPKI PEM there");
        }
    }

    private static PrivateHalf privateHalf(Path file) throws IOException {
        if (Files.exists(file)) {
            Set<PosixFilePermission> granted = Files.getPosixFilePermissions(file);
            if (OTHERS.stream().anyMatch(granted::contains)) {
                throw new IOException(file + ": a private key may be readable by its owner alone, its mode is "
                        + PosixFilePermissions.toString(granted) + "; run: chmod 600 " + file);
            }
        }
        try {
            return Ed25519Keys.readPrivate(read(file));
        } catch (BadKeyException e) {
            throw new IOException(file + ": " + e.getMessage() + "; put an Ed25519 key in PKCS#8 PEM there");
        }
    }

    private static void checkHalves(Path folder, PrivateHalf half, PublicKey key) throws IOException {
        byte[] raw = Ed25519Keys.rawPublic(key);
        byte[] probe = folder.toString().getBytes(StandardCharsets.UTF_8);
        Ed25519 jdk = Ed25519.portable();
        boolean carriedFits =
                half.rawPublic().map(carried -> Arrays.equals(carried, raw)).orElse(true);
        if (!carriedFits || !jdk.verify(key, probe, jdk.sign(half.key(), probe))) {
            throw new IOException(folder.resolve(PUBLIC) + ": is not the public half of " + SIGNING
                    + " beside it; copy the pair again from where it was made");
        }
    }

    private static String read(Path file) throws IOException {
        try {
            if (Files.size(file) > MAX_FILE_BYTES) {
                throw new IOException(file + ": is too big for a key file");
            }
            // ISO 8859-1 takes any byte, so that a damaged file is told by its content and not by a decoder's message.
            return Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (NoSuchFileException | FileNotFoundException e) {
            throw new IOException(file + ": is missing; the key was not written whole, or its copy is not complete", e);
        } catch (AccessDeniedException e) {
            throw new IOException(file + ": cannot be read by this user; give it to the user we run as", e);
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

    private static KeyPair newKeyPair() {
        try {
            return KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has Ed25519", e);
        }
    }

    private static void write(Path file, String text) throws IOException {
        try (FileChannel out = FileChannel.open(
                file, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), mode("rw-------"))) {
            ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII));
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
            out.force(true);
        }
    }

    private static void sync(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static void deleteTree(Path root) throws IOException {
        if (!Files.exists(root, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try (Stream<Path> tree = Files.walk(root)) {
            for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    private static FileAttribute<?> mode(String permissions) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
    }

    private static String remedy(Path directory) {
        return "sallyport token-issuer keys generate " + directory;
    }
}
