package io.sallyport.base.audit;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import io.sallyport.base.Reason;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class AuditLogTest {
    private static final Instant AT = Instant.parse("2026-01-02T03:04:05.678Z");

    @TempDir
    Path temp;

    private static AuditEvent event(String method) {
        return new AuditEvent(AT, Reason.CROSS_SANDBOX, "sandbox;id=\"alpha\"", method, "beta", "r-1", 1_234_567, "");
    }

    private List<String> lines() throws IOException {
        return Files.readAllLines(temp.resolve("audit.jsonl"));
    }

    /** Every line that is not empty is whole JSON on its own. */
    private static void assertJson(List<String> lines) throws IOException {
        for (String line : lines) {
            try (JsonReader json = new JsonReader(new StringReader(line))) {
                json.setStrictness(Strictness.STRICT);
                json.skipValue();
                assertThat(json.peek()).isEqualTo(JsonToken.END_DOCUMENT);
            }
        }
    }

    /** Stands in for a disk: may be slow, may refuse, may tear a line in two. */
    private final class Disk implements AuditLog.Sink {
        private final Semaphore mayWrite = new Semaphore(0);
        private final CountDownLatch reached = new CountDownLatch(1);
        private final AtomicInteger failures = new AtomicInteger();
        private final AtomicInteger refusals = new AtomicInteger();

        @Override
        public OutputStream open() throws IOException {
            if (refusals.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                throw new IOException("No space left on device");
            }
            return new FilterOutputStream(AuditLog.append(temp.resolve("audit.jsonl"))) {
                @Override
                public void write(byte @Nullable [] bytes, int from, int length) throws IOException {
                    reached.countDown();
                    mayWrite.acquireUninterruptibly();
                    if (failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                        out.write(bytes, from, length / 2);
                        throw new IOException("No space left on device");
                    }
                    out.write(bytes, from, length);
                }
            };
        }
    }

    @Test
    void oneLineAnEventWithEverythingThatIsKnown() throws Exception {
        try (AuditLog audit = AuditLog.start("ext-authz", temp.resolve("audit.jsonl"))) {
            audit.record(event("/s/m"));
            audit.record(new AuditEvent(
                    AT, Reason.TOKEN_REFRESHED, "sandbox;id=\"a\"", "/s/r", null, null, 999, "line\nbreak \"quoted\""));
        }

        assertThat(lines())
                .containsExactly(
                        "{\"at\":\"2026-01-02T03:04:05.678Z\",\"program\":\"ext-authz\",\"event\":\"refused\","
                                + "\"reason\":\"cross-sandbox\",\"status\":\"PERMISSION_DENIED\","
                                + "\"principal\":\"sandbox;id=\\\"alpha\\\"\",\"method\":\"/s/m\","
                                + "\"sandbox_asked\":\"beta\",\"request_id\":\"r-1\",\"latency_us\":1234}",
                        "{\"at\":\"2026-01-02T03:04:05.678Z\",\"program\":\"ext-authz\",\"event\":\"minted\","
                                + "\"reason\":\"token-refreshed\",\"status\":\"OK\","
                                + "\"principal\":\"sandbox;id=\\\"a\\\"\",\"method\":\"/s/r\",\"latency_us\":0,"
                                + "\"detail\":\"line\\nbreak \\\"quoted\\\"\"}");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(temp.resolve("audit.jsonl"))))
                .isEqualTo("rw-------");
    }

    @Test
    void aSecondStartAppends() throws Exception {
        for (int i = 0; i < 2; i++) {
            try (AuditLog audit = AuditLog.start("p", temp.resolve("audit.jsonl"))) {
                audit.record(event("/s/" + i));
            }
        }

        assertThat(lines()).hasSize(2);
        assertJson(lines());
    }

    @Test
    void aLineTornByACrashDoesNotSpoilTheNext() throws Exception {
        Files.writeString(temp.resolve("audit.jsonl"), "{\"at\":\"2026-01-0");

        try (AuditLog audit = AuditLog.start("p", temp.resolve("audit.jsonl"))) {
            audit.record(event("/s/m"));
        }

        assertThat(lines()).hasSize(2).first().isEqualTo("{\"at\":\"2026-01-0");
        assertJson(lines().subList(1, 2));
    }

    @Test
    void aLineTornByAFullDiskDoesNotSpoilTheNextAndTheLossIsReported() throws Exception {
        Disk disk = new Disk();
        disk.failures.set(1);
        try (AuditLog audit = new AuditLog("p", disk)) {
            audit.record(event("/s/torn"));
            audit.start();
            disk.mayWrite.release();
            awaitLost(audit, 1);
            audit.record(event("/s/next"));
            disk.mayWrite.release(10);
        }

        List<String> lines = lines();
        assertThat(lines).hasSize(2);
        assertThat(lines.get(1)).contains("/s/next").contains("\"lost_before\":1");
        assertJson(lines.subList(1, 2));
    }

    @Test
    void aDiskThatRefusesIsTriedAgainAndTheLossAddsUp() throws Exception {
        Disk disk = new Disk();
        disk.refusals.set(2);
        disk.mayWrite.release(10);
        try (AuditLog audit = new AuditLog("p", disk)) {
            audit.start();
            audit.record(event("/s/1"));
            awaitLost(audit, 1);
            audit.record(event("/s/2"));
            awaitLost(audit, 2);
            audit.record(event("/s/3"));
            audit.record(event("/s/4"));
        }

        List<String> lines = lines();
        assertThat(lines).hasSize(2);
        assertThat(lines.get(0)).contains("/s/3").contains("\"lost_before\":2");
        assertThat(lines.get(1)).contains("/s/4").doesNotContain("lost_before");
    }

    @Test
    void aSlowDiskHoldsNobodyUpAndAFullQueueDrops() throws Exception {
        Disk disk = new Disk();
        int overflow = 100;
        try (AuditLog audit = new AuditLog("p", disk)) {
            audit.start();
            audit.record(event("/s/first"));
            disk.reached.await(); // the writer is stuck now
            // If a full queue blocked, this would never end.
            for (int i = 0; i < 16_384 + overflow; i++) {
                audit.record(event("/s/" + i));
            }
            assertThat(audit.lost()).isEqualTo(overflow);
            disk.mayWrite.release(1000);
        }

        List<String> lines = lines();
        assertThat(lines).hasSize(16_385);
        assertJson(lines);
        assertThat(lines.stream().filter(line -> line.contains("lost_before")))
                .singleElement()
                .asString()
                .contains("\"lost_before\":" + overflow);
    }

    @Test
    void closingDoesNotWaitForADiskThatHangs() throws Exception {
        Disk disk = new Disk();
        AuditLog audit = new AuditLog("p", disk);
        audit.start();
        audit.record(event("/s/m"));
        disk.reached.await();

        audit.close(); // the class's time-out would say otherwise

        assertThat(Files.size(temp.resolve("audit.jsonl"))).isZero();
        disk.mayWrite.release(10);
    }

    /** Whatever a caller gets into a name or a path, a line stays one line and the file stays UTF-8. */
    @Test
    void oddTextBreaksNothing() throws Exception {
        try (AuditLog audit = AuditLog.start("p", temp.resolve("audit.jsonl"))) {
            audit.record(event("/s/\ud800"));
            audit.record(event("/s/\r\n{\"reason\":\"forged\"}\u2028\u0000"));
            audit.record(event("/s/after"));
        }

        assertThat(lines()).hasSize(3);
        assertJson(lines());
        assertThat(lines().get(0)).contains("/s/?");
    }

    /** The writer works on its own; what it has done is seen in the count. */
    private static void awaitLost(AuditLog audit, long expected) throws InterruptedException {
        while (audit.lost() != expected) {
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }
}
