package io.sallyport.e2e.stack;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/**
 * Where a stack keeps what.
 *
 * @param state the folder for everything that lasts
 * @param sockets below it, or a private temporary folder where its path would be too long for a Unix socket
 */
record Layout(Path state, Path sockets) {
    /** Linux {@code sun_path}, less the longest name we put into the folder. */
    private static final int LONGEST_FOLDER = 107 - "/ext-authz.sock".length();

    /** Makes the folders, for their owner only. */
    static Layout prepare(Path state) {
        try {
            Path sockets = state.resolve("sockets");
            if (sockets.toString().getBytes(StandardCharsets.UTF_8).length > LONGEST_FOLDER) {
                sockets = Files.createTempDirectory("sallyport-");
            }
            Layout layout = new Layout(state, sockets);
            for (Path folder : new Path[] {
                state, sockets, layout.settings(), layout.logs(), layout.audit(), layout.keys(), layout.store()
            }) {
                if (!Files.isDirectory(folder)) {
                    Files.createDirectories(folder.getParent());
                    Files.createDirectory(
                            folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
                }
            }
            return layout;
        } catch (IOException e) {
            throw new StackException("cannot make the folders below " + state + ": " + e, e);
        }
    }

    boolean socketsAreTemporary() {
        return !sockets.startsWith(state);
    }

    Path settings() {
        return state.resolve("settings");
    }

    Path logs() {
        return state.resolve("logs");
    }

    Path log(Part part) {
        return logs().resolve(part.spelling() + ".log");
    }

    Path audit() {
        return state.resolve("audit");
    }

    Path keys() {
        return state.resolve("keys");
    }

    Path tokenKeys() {
        return keys().resolve("jwt");
    }

    Path assertionKeys() {
        return keys().resolve("assertion");
    }

    /** The public half of the token key alone, flat, as a gateway of today mounts it. */
    Path gatewayKey() {
        return keys().resolve("gateway");
    }

    Path store() {
        return state.resolve("store");
    }

    Path socket(String name) {
        return sockets.resolve(name + ".sock");
    }
}
