package io.sallyport.identity;

import java.io.IOException;
import java.nio.file.Path;

/**
 * A directory of Ed25519 keys in PEM.
 *
 * <p>Two layouts are read. Ours: {@code <kid>/{signing.pem,public.pem,kid}} for each key and a file {@code active} that
 * names the one that signs. The gateway's: one key, flat, {@code {signing.pem,public.pem,kid}}.
 */
public final class KeyDirectory {
    private KeyDirectory() {}

    /**
     * Reads every public key.
     *
     * @throws IOException with the file and the remedy, when the set is not whole
     */
    public static PublicKeys readPublic(Path directory) throws IOException {
        throw new UnsupportedOperationException("KeyDirectory.readPublic");
    }

    /**
     * Reads the active private key.
     *
     * @throws IOException with the file and the remedy, when it is missing, unreadable by us, or readable by others
     */
    public static SigningKey readSigning(Path directory) throws IOException {
        throw new UnsupportedOperationException("KeyDirectory.readSigning");
    }

    /**
     * Makes a key pair in a new directory (our layout) and makes it the active one.
     *
     * @return its {@code kid}
     * @throws IOException when the directory already holds keys: they are never overwritten
     */
    public static String generate(Path directory) throws IOException {
        throw new UnsupportedOperationException("KeyDirectory.generate");
    }
}
