package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.api.registry.v1.Revocation;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.lang.management.ManagementFactory;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RevocationsTest {
    private static final Instant NOW = TestTime.START;
    private static final int MANY = 100_000;

    private final Revocations revocations = new Revocations();

    @ParameterizedTest
    @CsvSource({
        "token, jti-1, true", "token, jti-2, false", "token, lin-1, false", "lineage, lin-1, true",
        "lineage, lin-2, false", "lineage, jti-1, false", "key, key-1, true", "key, key-2, false",
        "sandbox, alpha-id, true", "sandbox, ALPHA-ID, false", "sandbox, beta-id, false",
    })
    void eachKindTakesBackItsOwn(String kind, String name, boolean expected) throws Exception {
        assertThat(revocations.find(token())).isNull();
        revocations.add(Revoked.of(kind, name, NOW));
        assertThat(revocations.find(token()) != null).isEqualTo(expected);
    }

    @Test
    void aTokenWithoutIdOrLineageCanBeTakenBackByTheRest() throws Exception {
        SandboxClaims bare = new SandboxClaims(
                new SandboxId("alpha-id"), Optional.empty(), Optional.empty(), NOW, NOW.plusSeconds(60), "key-1");
        revocations.add(Revoked.of("token", "jti-1", NOW));
        assertThat(revocations.find(bare)).isNull();
        revocations.add(Revoked.of("sandbox", "alpha-id", NOW));
        assertThat(revocations.find(bare)).isNotNull();
    }

    @ParameterizedTest
    @CsvSource({"token, jti-1", "lineage, lin-1", "key, key-1", "sandbox, alpha-id"})
    void isKeptUntilItsEndAndTheLongerEndCounts(String kind, String name) throws Exception {
        revocations.add(Revoked.of(kind, name, NOW, NOW.plusSeconds(10)));
        revocations.add(Revoked.of(kind, name, NOW, NOW.plusSeconds(5)));
        revocations.expire(NOW.plusSeconds(10));
        assertThat(revocations.find(token())).isNotNull();
        revocations.expire(NOW.plusSeconds(11));
        assertThat(revocations.find(token())).isNull();
        assertThat(revocations.size()).isZero();
        revocations.add(Revoked.of(kind, name, NOW).toBuilder().clearUntil().build());
        revocations.expire(Instant.ofEpochSecond(1L << 40));
        assertThat(revocations.find(token())).as("without an end, for ever").isNotNull();
    }

    @Test
    void whatIsNotUnderstoodIsNotPassedOver() {
        Revocation nothing = Revocation.getDefaultInstance();
        Revocation unnamed = Revocation.newBuilder()
                .setSubject(RevocationSubject.newBuilder().setTokenId(""))
                .build();
        Revocation sinceWhen = Revoked.of("sandbox", "alpha-id", NOW).toBuilder()
                .clearRevoked()
                .build();
        for (Revocation revocation : new Revocation[] {nothing, unnamed, sinceWhen}) {
            assertThatThrownBy(() -> revocations.add(revocation)).isInstanceOf(FeedBrokenException.class);
        }
    }

    /** The figure: a hundred thousand in 32 MiB, and nothing allocated by asking. */
    @Test
    void aHundredThousandFitAndAskingAllocatesNothing() throws Exception {
        long before = used();
        for (int i = 0; i < MANY; i++) {
            revocations.add(Revoked.of("token", "0123456789abcdef0123456789-" + i, NOW));
        }
        assertThat(used() - before).isLessThan(32L * 1024 * 1024);
        assertThat(revocations.size()).isEqualTo(MANY);

        SandboxClaims token = token();
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        for (int i = 0; i < 20_000; i++) {
            assertThat(revocations.find(token)).isNull();
        }
        long allocated = threads.getCurrentThreadAllocatedBytes();
        int found = 0;
        for (int i = 0; i < 100_000; i++) {
            if (revocations.find(token) != null) {
                found++;
            }
        }
        assertThat(threads.getCurrentThreadAllocatedBytes() - allocated).isLessThan(100_000);
        assertThat(found).isZero();
    }

    private static long used() {
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    private static SandboxClaims token() {
        return new SandboxClaims(
                new SandboxId("alpha-id"),
                Optional.of("jti-1"),
                Optional.of(new Lineage("lin-1", 3)),
                NOW,
                NOW.plusSeconds(3600),
                "key-1");
    }
}
