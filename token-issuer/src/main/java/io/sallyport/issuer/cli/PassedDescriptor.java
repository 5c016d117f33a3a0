package io.sallyport.issuer.cli;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A pipe or socket that whoever started us passed on, by the number of its file descriptor.
 *
 * <p>write(2) is called on the descriptor itself. Opening {@code /proc/self/fd/N} would be another open of the same thing:
 * it waits for ever on a pipe whose reader has gone, and fails on a socket.
 */
final class PassedDescriptor {
    private static final int FIRST = 3;

    private final int number;

    private PassedDescriptor(int number) {
        this.number = number;
    }

    /**
     * Checks that there is a pipe or a socket behind the number. To be called before anything of ours is opened: an open
     * descriptor of our own, a library perhaps, could have the number too.
     */
    static PassedDescriptor check(int number) throws CommandFailedException {
        if (number < FIRST) {
            throw new CommandFailedException("--token-fd " + number
                    + " is one of the standard streams, which get logged and shown; pass a pipe as 3 or above");
        }
        String kind;
        try {
            kind = Files.readSymbolicLink(Path.of("/proc/self/fd/" + number)).toString();
        } catch (IOException e) {
            throw new CommandFailedException(
                    "--token-fd " + number + " is not open; pass a pipe, such as " + number + "> >(reader)");
        }
        if (kind.startsWith("pipe:") || kind.startsWith("socket:") || isFifo(number)) {
            return new PassedDescriptor(number);
        }
        throw new CommandFailedException("--token-fd " + number
                + " is neither a pipe nor a socket (a terminal, or a file?); for a file use --token-file");
    }

    /** Writes everything, or throws. */
    @SuppressWarnings("restricted") // The JDK has no other way to write to a descriptor by its number.
    void write(byte[] secret) throws CommandFailedException {
        StructLayout state = Linker.Option.captureStateLayout();
        VarHandle errno = state.varHandle(MemoryLayout.PathElement.groupElement("errno"));
        Linker linker = Linker.nativeLinker();
        MethodHandle write = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("write"),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG),
                Linker.Option.captureCallState("errno"));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment captured = arena.allocate(state);
            MemorySegment bytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, secret);
            long done = 0;
            while (done < secret.length) {
                long written = (long) write.invokeExact(captured, number, bytes.asSlice(done), secret.length - done);
                if (written < 0) {
                    throw new CommandFailedException("--token-fd " + number + " could not be written (errno "
                            + (int) errno.get(captured, 0L) + "); does its reader still read?");
                }
                done += written;
            }
            bytes.fill((byte) 0);
        } catch (CommandFailedException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("write(2) cannot be called", e);
        }
    }

    private static boolean isFifo(int number) {
        try {
            int mode = (Integer) Files.getAttribute(Path.of("/proc/self/fd/" + number), "unix:mode");
            return (mode & 0170000) == 0010000;
        } catch (IOException e) {
            return false;
        }
    }
}
