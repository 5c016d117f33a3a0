package io.sallyport.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.nimbusds.jose.JWSVerifier;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CompactJwsTest {
    private static final Map<String, JWSVerifier> KEYS = Ed25519Jws.verifiers(TestKeys.SET_A, TestKeys.signatures());

    private static CompactJws signed(String header) throws RejectedException {
        return CompactJws.parse(TestKeys.forge(header, "{}", TestKeys.A));
    }

    @Test
    void whatTheKeySignedIsVerified() throws RejectedException {
        assertThat(signed("{\"alg\":\"EdDSA\",\"kid\":\"key-a\"}").verifiedPayload(KEYS))
                .isEmpty();
    }

    /** Even by somebody who forgot to check the header. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                ",\"alg\":\"none\"",
                ",\"alg\":\"\"",
                ",\"alg\":\"HS256\"",
                ",\"alg\":\"Ed25519\"",
                ",\"alg\":1",
                ",\"alg\":\"EdDSA\",\"crit\":[\"exp\"]",
                ",\"alg\":\"EdDSA\",\"crit\":[\"b64\"],\"b64\":false"
            })
    void anotherHeaderVerifiesNothing(String more) throws RejectedException {
        CompactJws token = signed("{\"kid\":\"key-a\"" + more + "}");
        assertThatThrownBy(() -> token.verifiedPayload(KEYS))
                .isInstanceOfSatisfying(
                        RejectedException.class, e -> assertThat(e.reason()).isEqualTo(Reason.TOKEN_SIGNATURE));
    }
}
