package io.sallyport.base;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status.Code;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ReasonTest {
    /** What a caller may be told about a bad credential, apart from "invalid credential". */
    private static final Set<Reason> SAID_PLAINLY =
            EnumSet.of(Reason.NO_CREDENTIAL, Reason.TOKEN_EXPIRED, Reason.ASSERTION);

    @Test
    void codesAreUniqueAndStable() {
        assertThat(Arrays.stream(Reason.values()).map(Reason::code))
                .doesNotHaveDuplicates()
                .allMatch(code -> code.matches("[a-z0-9]+(-[a-z0-9]+)*"));
        assertThat(Reason.TOKEN_KEY_UNKNOWN.code()).isEqualTo("token-key-unknown");
    }

    @ParameterizedTest
    @EnumSource
    void theStatusIsCodeAndText(Reason reason) {
        assertThat(reason.status().getCode()).isEqualTo(reason.statusCode());
        assertThat(reason.status().getDescription()).isEqualTo(reason.text());
        assertThat(reason.text().isEmpty()).isEqualTo(reason.statusCode() == Code.OK);
        // grpc-message travels in a header.
        assertThat(reason.text()).matches("[ -~]*");
    }

    /** Whoever tries tokens learns nothing of which check they failed. */
    @ParameterizedTest
    @EnumSource
    void badCredentialsAnswerAlike(Reason reason) {
        if (reason.statusCode() == Code.UNAUTHENTICATED && !SAID_PLAINLY.contains(reason)) {
            assertThat(reason.text()).isEqualTo(Reason.TOKEN_SIGNATURE.text());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "TOKEN_SIGNATURE, TOKEN_KEY_UNKNOWN",
        "TOKEN_SIGNATURE, SANDBOX_UNKNOWN",
        "TOKEN_SIGNATURE, SANDBOX_DELETED",
        "TOKEN_SIGNATURE, CREDENTIAL_UNKNOWN",
        "MESSAGE_VARINT, MESSAGE_UTF8",
        "ISSUER_UNAVAILABLE, POLICY_MISMATCH",
        "ISSUER_UNAVAILABLE, INTERNAL",
    })
    void pairsThatACallerCannotTellApart(Reason one, Reason other) {
        assertThat(one.statusCode()).isEqualTo(other.statusCode());
        assertThat(one.text()).isEqualTo(other.text());
    }

    @ParameterizedTest
    @CsvSource({
        "NO_CREDENTIAL, UNAUTHENTICATED, missing authorization header",
        "SANDBOX_ON_USER_METHOD, PERMISSION_DENIED, sandbox principals may not call this method",
        "USER_ON_SANDBOX_METHOD, PERMISSION_DENIED, this method requires a sandbox principal",
        "CROSS_SANDBOX, PERMISSION_DENIED, cross-sandbox access denied: principal does not own this sandbox",
        "NAME_NOT_OWNED, PERMISSION_DENIED, sandbox not found or not owned by caller",
    })
    void textsThatSupervisorsKnow(Reason reason, Code code, String text) {
        assertThat(reason.statusCode()).isEqualTo(code);
        assertThat(reason.text()).isEqualTo(text);
    }

    @Test
    void aRejectionSaysItsReasonAndKeepsItsDetailApart() {
        RejectedException rejected = new RejectedException(Reason.TOKEN_EXPIRED, "exp has passed");

        assertThat(rejected).hasMessage("token-expired: exp has passed").hasNoCause();
        assertThat(rejected.detail()).isEqualTo("exp has passed");
        assertThat(rejected.getStackTrace()).isEmpty();
    }
}
