package io.sallyport.identity;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The files of a key directory as they were at one moment, read and not yet judged.
 *
 * @param directory what was asked for
 * @param layout how keys are laid out in it
 * @param isMountedSecret whether it is the mount of a Kubernetes Secret (its files are behind the link {@code ..data})
 * @param keys what there is of each key, in the order of their names
 * @param active the file that names the key that signs
 */
record KeyFiles(Path directory, Layout layout, boolean isMountedSecret, List<Entry> keys, Content active) {
    static final String SIGNING = "signing.pem";
    static final String PUBLIC = "public.pem";
    static final String KID = "kid";
    static final String ACTIVE = "active";
    static final String PREPARED = "prepared";
    static final String TAINTED = "tainted";

    private static final String MOUNTED = "..data";
    private static final Pattern NAMED = Pattern.compile("(.+)\\.(?:signing|public)\\.pem");
    private static final int MAX_FILE_BYTES = 16 * 1024;

    /** How a directory holds its keys. */
    enum Layout {
        /** One key, its files in the directory itself: the gateway's. */
        FLAT,
        /** A folder for each key: ours. */
        FOLDERS,
        /** Files named {@code <kid>.signing.pem}, {@code <kid>.public.pem}: ours, where there can be no folders. */
        NAMES
    }

    /**
     * One file.
     *
     * @param text what it holds; null when it is not there or cannot be read
     * @param problem why it cannot be read, and the remedy; empty when it can
     * @param isThere whether there is such a file at all
     * @param mode its permissions, for a private key
     */
    record Content(Path path, @Nullable String text, String problem, boolean isThere, String mode) {
        /** The text, or what is wrong with the file. */
        String read() throws IOException {
            if (text == null) {
                throw new IOException(path + ": " + problem);
            }
            return text;
        }

        boolean isReadable() {
            return text != null;
        }

        @Override
        public String toString() {
            return "Content[" + path + "]";
        }
    }

    /**
     * What there is of one key.
     *
     * @param name the folder's name, or the beginning of the files' names; empty in the flat layout
     * @param kid absent where the files' names say it
     */
    record Entry(String name, Content signing, Content open, Optional<Content> kid, Content prepared, Content tainted) {
        /** The folder's name, or what its file says. */
        String keyId() throws IOException {
            if (kid.isEmpty()) {
                return name;
            }
            String keyId = kid.get().read().strip();
            if (!KeyDirectory.isKeyId(keyId)) {
                throw new IOException(kid.get().path()
                        + ": does not hold a kid (1 to 128 of [A-Za-z0-9._-], not beginning with a dot)");
            }
            if (!name.isEmpty() && !name.equals(keyId)) {
                throw new IOException(kid.get().path() + ": says " + keyId + ", its folder is named " + name
                        + "; rename the folder to the kid");
            }
            return keyId;
        }
    }

    /**
     * Reads the files. A link to a directory, and the one behind which a mounted Secret is exchanged as a whole, is
     * followed once, so that all that is read is of one version.
     *
     * @throws IOException when it is no directory, cannot be listed, holds no key, or holds keys in two layouts
     */
    static KeyFiles read(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            throw new IOException(directory + ": is not a directory; make keys with: " + remedy(directory));
        }
        Path root = Files.isSymbolicLink(directory) ? directory.toRealPath() : directory;
        boolean mounted = Files.isSymbolicLink(root.resolve(MOUNTED));
        if (mounted) {
            root = root.resolve(MOUNTED).toRealPath();
        }
        List<Path> visible = list(root);
        List<Path> folders = visible.stream().filter(Files::isDirectory).toList();
        List<String> named = visible.stream()
                .map(path -> NAMED.matcher(path.getFileName().toString()))
                .filter(Matcher::matches)
                .map(matcher -> matcher.group(1))
                .filter(KeyDirectory::isKeyId)
                .distinct()
                .sorted()
                .toList();
        boolean flat = visible.stream()
                .anyMatch(path -> List.of(SIGNING, PUBLIC, KID)
                        .contains(path.getFileName().toString()));
        if (flat && !folders.isEmpty()) {
            throw new IOException(directory + ": holds a flat key and also the folder "
                    + folders.getFirst().getFileName() + "; keep one layout");
        }
        if (!named.isEmpty() && (flat || !folders.isEmpty())) {
            throw new IOException(directory + ": holds files of key " + named.getFirst() + " and also "
                    + (flat ? "a flat key" : "the folder " + folders.getFirst().getFileName()) + "; keep one layout");
        }
        List<Entry> keys = new ArrayList<>();
        Layout layout;
        if (flat) {
            layout = Layout.FLAT;
            keys.add(entry(root, "", "", true));
        } else if (!named.isEmpty()) {
            layout = Layout.NAMES;
            for (String name : named) {
                keys.add(entry(root, name, name + ".", false));
            }
        } else if (!folders.isEmpty()) {
            layout = Layout.FOLDERS;
            for (Path folder : folders) {
                keys.add(entry(folder, folder.getFileName().toString(), "", true));
            }
        } else {
            throw new IOException(directory + ": holds no keys; remove it and make some with: " + remedy(directory));
        }
        return new KeyFiles(directory, layout, mounted, List.copyOf(keys), content(root.resolve(ACTIVE), false));
    }

    /** A digest of all of it: the same files, the same digest. */
    String digest() {
        try {
            MessageDigest sha = MessageDigest.getInstance("SHA-256");
            Stream.concat(
                            Stream.of(active),
                            keys.stream()
                                    .flatMap(key -> Stream.concat(
                                            Stream.of(key.signing(), key.open(), key.prepared(), key.tainted()),
                                            key.kid().stream())))
                    .forEach(file -> {
                        // Between the lengths, so that nothing can move from one file to the next unnoticed.
                        String head = file.path().getFileName() + "\0" + file.isThere() + "\0" + file.mode() + "\0"
                                + (file.text() == null ? -1 : file.text().length()) + "\0";
                        sha.update(head.getBytes(StandardCharsets.UTF_8));
                        if (file.text() != null) {
                            sha.update(file.text().getBytes(StandardCharsets.ISO_8859_1));
                        }
                    });
            keys.forEach(key -> sha.update((key.name() + "\0").getBytes(StandardCharsets.UTF_8)));
            return HexFormat.of().formatHex(sha.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private static List<Path> list(Path root) throws IOException {
        try (Stream<Path> entries = Files.list(root)) {
            return entries.filter(entry -> !entry.getFileName().toString().startsWith("."))
                    .sorted()
                    .collect(Collectors.toList());
        } catch (AccessDeniedException e) {
            throw new IOException(root + ": cannot be listed by this user; give it to the user we run as", e);
        } catch (NoSuchFileException | NotDirectoryException e) {
            throw new IOException(root + ": vanished while it was read", e);
        }
    }

    private static Entry entry(Path folder, String name, String prefix, boolean withKid) throws IOException {
        return new Entry(
                name,
                content(folder.resolve(prefix + SIGNING), true),
                content(folder.resolve(prefix + PUBLIC), false),
                withKid ? Optional.of(content(folder.resolve(KID), false)) : Optional.empty(),
                content(folder.resolve(prefix + PREPARED), false),
                content(folder.resolve(prefix + TAINTED), false));
    }

    private static Content content(Path path, boolean withMode) throws IOException {
        String mode = "";
        try {
            if (withMode) {
                mode = PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
            }
            if (Files.size(path) > MAX_FILE_BYTES) {
                return new Content(path, null, "is too big for a key file", true, mode);
            }
            // ISO 8859-1 takes any byte, so that a damaged file is told by its content and not by a decoder's message.
            return new Content(path, Files.readString(path, StandardCharsets.ISO_8859_1), "", true, mode);
        } catch (NoSuchFileException | FileNotFoundException e) {
            return new Content(
                    path, null, "is missing; the key was not written whole, or its copy is not complete", false, mode);
        } catch (AccessDeniedException e) {
            return new Content(path, null, "cannot be read by this user; give it to the user we run as", true, mode);
        }
    }

    /** The command makes two directories of keys, {@code jwt} and {@code assertion}, in the folder that it is given. */
    private static String remedy(Path directory) {
        Path absolute = directory.toAbsolutePath().normalize();
        boolean oneOfTheTwo = absolute.endsWith("jwt") || absolute.endsWith("assertion");
        return "sallyport token-issuer keys generate "
                + (oneOfTheTwo ? absolute.getParent() : "DIR, and name DIR/jwt or DIR/assertion here");
    }
}
