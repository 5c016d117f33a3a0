package io.sallyport.kubernetes;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** The files of a pod's ServiceAccount, as the kubelet lays them out and replaces them. */
public final class ProjectedVolume {
    private final Path directory;
    private final ApiServer server;
    private int version;

    public ProjectedVolume(Path directory, ApiServer server) {
        this.directory = directory;
        this.server = server;
    }

    public Path directory() {
        return directory;
    }

    /** Puts a new folder in the place of the old one, whole, by one rename of a symbolic link. */
    public void put(String token) throws IOException {
        Path folder = Files.createDirectory(directory.resolve("..version-" + ++version));
        Files.writeString(folder.resolve("token"), token);
        Files.copy(server.certificate(), folder.resolve("ca.crt"));
        Files.createSymbolicLink(directory.resolve("..data_tmp"), folder.getFileName());
        Files.move(directory.resolve("..data_tmp"), directory.resolve("..data"), StandardCopyOption.ATOMIC_MOVE);
        for (String file : new String[] {"token", "ca.crt"}) {
            if (!Files.exists(directory.resolve(file))) {
                Files.createSymbolicLink(directory.resolve(file), Path.of("..data", file));
            }
        }
    }

    /** As where it was never mounted. */
    public void takeAway() throws IOException {
        Files.delete(directory.resolve("..data"));
    }
}
