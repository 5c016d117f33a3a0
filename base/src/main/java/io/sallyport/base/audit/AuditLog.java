package io.sallyport.base.audit;

import io.grpc.Status;
import io.sallyport.base.Json;
import io.sallyport.base.Reason;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Appends one JSON line per event to a file, from a thread of its own.
 *
 * <p>The queue is bounded. When the disk is slow the oldest events wait, and when the queue is full or the disk refuses
 * a line, that line is counted as lost and the loss is said in the program's log: an audit that cannot be written never
 * turns a decision around and never holds one up. The next line that can be written carries the number lost before it.
 */
public final class AuditLog implements Audit, AutoCloseable {
    private static final Logger log = System.getLogger(AuditLog.class.getName());
    private static final int QUEUE = 16_384;
    private static final int BATCH = 512;
    private static final long COMPLAIN_EVERY_NANOS = TimeUnit.SECONDS.toNanos(30);

    /** Opens the sink anew for each attempt after a failure. */
    @FunctionalInterface
    interface Sink {
        OutputStream open() throws IOException;
    }

    private final String program;
    private final Sink sink;
    private final BlockingQueue<AuditEvent> queue = new ArrayBlockingQueue<>(QUEUE);
    private final AtomicLong lost = new AtomicLong();
    private final Thread writer;
    private volatile boolean closing;
    private @Nullable OutputStream out;
    private long complainedAt = System.nanoTime() - COMPLAIN_EVERY_NANOS;

    AuditLog(String program, Sink sink) {
        this.program = program;
        this.sink = sink;
        writer = Thread.ofPlatform().daemon().name("audit-log").unstarted(this::run);
    }

    /** Starts a log that appends to a file, which is created readable by its owner alone. */
    public static AuditLog start(String program, Path file) {
        AuditLog audit = new AuditLog(program, () -> append(file));
        audit.start();
        return audit;
    }

    /** Opens a file at the beginning of a line: a line that was torn (a full disk, a crash) never spoils the next one. */
    static OutputStream append(Path file) throws IOException {
        if (!Files.exists(file)) {
            Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        }
        boolean torn = endsInsideALine(file);
        OutputStream out = Files.newOutputStream(file, StandardOpenOption.APPEND);
        if (torn) {
            try {
                out.write('\n');
            } catch (IOException e) {
                out.close();
                throw e;
            }
        }
        return out;
    }

    private static boolean endsInsideALine(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            return false; // a pipe or a terminal: there is no looking back
        }
        try (SeekableByteChannel in = Files.newByteChannel(file, StandardOpenOption.READ)) {
            ByteBuffer last = ByteBuffer.allocate(1);
            return in.size() > 0 && in.position(in.size() - 1).read(last) == 1 && last.get(0) != '\n';
        }
    }

    void start() {
        writer.start();
    }

    @Override
    public void record(AuditEvent event) {
        if (!queue.offer(event)) {
            lost.incrementAndGet();
        }
    }

    /** Events lost so far and not yet reported by a written line. */
    public long lost() {
        return lost.get();
    }

    /** Writes what is queued, for at most two seconds, and stops. */
    @Override
    public void close() {
        closing = true;
        try {
            if (!writer.join(java.time.Duration.ofSeconds(2))) {
                writer.interrupt();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        List<AuditEvent> batch = new ArrayList<>(BATCH);
        try {
            while (!closing || !queue.isEmpty()) {
                AuditEvent first = queue.poll(100, TimeUnit.MILLISECONDS);
                if (first == null) {
                    continue;
                }
                batch.add(first);
                queue.drainTo(batch, BATCH - 1);
                write(batch);
                batch.clear();
            }
        } catch (InterruptedException e) {
            lost.addAndGet(queue.size());
        } finally {
            closeQuietly();
            if (lost.get() > 0) {
                log.log(Level.ERROR, "the audit log ends with {0} lines lost and not reported in it", lost.get());
            }
        }
    }

    private void write(List<AuditEvent> batch) {
        long lostBefore = lost.getAndSet(0);
        try {
            StringBuilder lines = new StringBuilder(batch.size() * 256);
            for (int i = 0; i < batch.size(); i++) {
                lines.append(line(batch.get(i), i == 0 ? lostBefore : 0)).append('\n');
            }
            if (out == null) {
                out = sink.open();
            }
            out.write(lines.toString().getBytes(StandardCharsets.UTF_8));
            out.flush();
        } catch (IOException | RuntimeException e) {
            lost.addAndGet(lostBefore + batch.size());
            closeQuietly();
            complain(e);
        }
    }

    private void complain(Exception e) {
        if (System.nanoTime() - complainedAt >= COMPLAIN_EVERY_NANOS) {
            complainedAt = System.nanoTime();
            log.log(
                    Level.ERROR,
                    "the audit log cannot be written ({0}); {1} lines lost so far. Decisions go on; free the disk or"
                            + " choose another audit.file",
                    e.toString(),
                    lost.get());
        }
    }

    private void closeQuietly() {
        OutputStream open = out;
        out = null;
        if (open != null) {
            try {
                open.close();
            } catch (IOException e) {
                log.log(Level.DEBUG, "closing the audit log", e);
            }
        }
    }

    private String line(AuditEvent event, long lostBefore) {
        boolean refused = event.reason().statusCode() != Status.Code.OK;
        return Json.object(json -> {
            json.name("at").value(event.at().toString());
            json.name("program").value(program);
            json.name("event").value(refused ? "refused" : whatWasDone(event.reason()));
            json.name("reason").value(event.reason().code());
            json.name("status").value(event.reason().statusCode().name());
            json.name("principal").value(event.principal());
            json.name("method").value(event.method());
            if (event.sandboxAsked() != null) {
                json.name("sandbox_asked").value(event.sandboxAsked());
            }
            if (event.requestId() != null) {
                json.name("request_id").value(event.requestId());
            }
            json.name("latency_us").value(event.latencyNanos() / 1000);
            if (!event.detail().isEmpty()) {
                json.name("detail").value(event.detail());
            }
            if (lostBefore > 0) {
                json.name("lost_before").value(lostBefore);
            }
        });
    }

    private static String whatWasDone(Reason reason) {
        return switch (reason) {
            case REVOKED -> "revoked";
            case SANDBOX_ADOPTED -> "adopted";
            case SANDBOX_MIRRORED -> "mirrored";
            case SANDBOX_RESOURCE_GONE -> "deleted";
            default -> "minted";
        };
    }
}
