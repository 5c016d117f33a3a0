package io.sallyport.e2e.stack;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;

/**
 * Who the children of a stack are, so that the next start can end those that a SIGKILL of their parent left behind.
 *
 * @param state the folder of the stack, as its children's commands name it
 */
record ProcessFile(Path state) {
    static ProcessFile in(Path state) {
        return new ProcessFile(state);
    }

    private Path file() {
        return state.resolve("processes");
    }

    void write(Collection<Child> children) {
        try {
            Files.write(
                    file(),
                    children.stream().map(child -> Long.toString(child.pid())).toList());
        } catch (IOException e) {
            throw new StackException("cannot write " + file(), e);
        }
    }

    void delete() throws IOException {
        Files.deleteIfExists(file());
    }

    /** Ends what an earlier run of this folder left running, and waits for it. */
    void stopLeftovers() {
        if (!Files.isRegularFile(file())) {
            return;
        }
        List<ProcessHandle> left;
        try {
            // Whatever stands there: of a text that is no number nothing is ended.
            left = Files.readString(file(), StandardCharsets.ISO_8859_1)
                    .lines()
                    .filter(line -> line.matches("\\d{1,9}"))
                    .flatMap(line -> ProcessHandle.of(Long.parseLong(line)).stream())
                    .filter(this::isOurs)
                    .toList();
        } catch (IOException e) {
            throw new StackException("cannot read " + file(), e);
        }
        left.forEach(ProcessHandle::destroyForcibly);
        left.forEach(handle -> handle.onExit().join());
    }

    /** A process id may belong to somebody else by now; ours name this state folder in their command. */
    private boolean isOurs(ProcessHandle handle) {
        return handle.info()
                .commandLine()
                .filter(command -> command.contains(state + "/"))
                .isPresent();
    }
}
