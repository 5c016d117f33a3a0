package io.sallyport.e2e.run;

import io.sallyport.e2e.stack.StackException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;

/** One run at a time in a state folder. The system lets go of the lock when the process ends, however it ends. */
final class StateLock implements AutoCloseable {
    private final FileChannel channel;

    private StateLock(FileChannel channel) {
        this.channel = channel;
    }

    static StateLock take(Path state) {
        try {
            if (!Files.isDirectory(state)) {
                Files.createDirectories(
                        state, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            }
            FileChannel channel =
                    FileChannel.open(state.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            FileLock lock;
            try {
                lock = channel.tryLock();
            } catch (OverlappingFileLockException e) {
                lock = null;
            }
            if (lock == null) {
                channel.close();
                throw new StackException("another ./run is using " + state
                        + "; stop it first (Ctrl-C there), or use another folder with --state DIR");
            }
            return new StateLock(channel);
        } catch (IOException e) {
            throw new StackException(
                    "the state folder " + state + " cannot be used (" + e + "); choose another with --state DIR", e);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
