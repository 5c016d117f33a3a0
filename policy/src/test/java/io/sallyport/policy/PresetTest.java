package io.sallyport.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.RejectedException;
import io.sallyport.policy.MethodRule.Access;
import io.sallyport.policy.MethodRule.Destination;
import io.sallyport.policy.MethodRule.Streaming;
import java.nio.ByteBuffer;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PresetTest {
    private static final String SERVICE = "/openshell.v1.OpenShell/";

    @ParameterizedTest
    @ValueSource(strings = {"openshell-0.0", "openshell-0.1"})
    void theShippedDescriptorsHaveNoHoles(String preset) {
        AccessPolicy policy = Policies.preset(preset);
        assertThat(policy.rules()).hasSizeGreaterThan(10);
        assertThat(policy.digest()).matches("[0-9a-f]{64}");
        assertThat(Policies.method(policy, SERVICE + "RefreshSandboxToken").destination())
                .isEqualTo(Destination.ISSUER);
        assertThat(Policies.method(policy, SERVICE + "IssueSandboxToken").access())
                .isEqualTo(Access.SERVICE_ACCOUNT);
        assertThat(Policies.method(policy, SERVICE + "ConnectSupervisor").streaming())
                .isEqualTo(Streaming.BIDI);
        assertThat(Policies.method(policy, SERVICE + "GetCurrentUser").access()).isEqualTo(Access.USER);
        assertThat(Policies.method(policy, SERVICE + "Health").access()).isEqualTo(Access.UNAUTHENTICATED);
        assertThat(policy.find("/nobody.knows/It")).isNull();
    }

    @Test
    void theSameBytesMeanAnIdInOneGenerationAndANameInTheOther() throws RejectedException {
        ByteBuffer body = ByteBuffer.wrap(new byte[] {0, 0, 0, 0, 3, 10, 1, 'a'});
        assertThat(MessageScanner.scanUnary(
                        Policies.method(Policies.preset("openshell-0.0"), SERVICE + "GetSandboxConfig")
                                .messages(),
                        body))
                .isEqualTo(new References("a", "", "", List.of()));
        assertThat(MessageScanner.scanUnary(
                        Policies.method(Policies.preset("openshell-0.1"), SERVICE + "GetSandboxConfig")
                                .messages(),
                        body))
                .isEqualTo(new References("", "a", "", List.of()));
    }

    @Test
    void peersAreClosed() {
        assertThat(Policies.method(Policies.preset("openshell-0.1"), SERVICE + "PeerNotifyConfigUpdate")
                        .access())
                .isEqualTo(Access.CLOSED);
    }
}
