package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.DiscardUnknownFieldsParser;
import com.google.protobuf.Struct;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption.HeaderAppendAction;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.grpc.Status;
import io.sallyport.base.Reason;
import io.sallyport.extauthz.Decision.Traveller;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.Principal;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.policy.AccessPolicy;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AnswersTest {
    private static final AccessPolicy POLICY = TestIdentity.policy("openshell-0.0");
    private static final Instant EXPIRES = Instant.parse("2026-11-24T13:00:00Z");

    private final Answers answers = new Answers(false, "digest", Optional.of(new Principal.User("dora", "developer")));

    @ParameterizedTest
    @EnumSource(Reason.class)
    void everyReasonIsARefusalThatSaysItself(Reason reason) throws IOException {
        if (reason.statusCode() == Status.Code.OK) {
            assertThatThrownBy(() -> answers.deny(reason)).isInstanceOf(IllegalArgumentException.class);
            return;
        }
        CheckResponse response = parse(answers.deny(reason));
        // Code 0 would be OK, whatever else the answer says.
        assertThat(response.getStatus().getCode()).isEqualTo(reason.statusCode().value());
        assertThat(response.hasDeniedResponse()).isTrue();
        assertThat(response.hasOkResponse()).isFalse();
        int http = response.getDeniedResponse().getStatus().getCodeValue();
        assertThat(http)
                .isEqualTo(
                        switch (reason.statusCode()) {
                            case UNAUTHENTICATED -> 401;
                            case PERMISSION_DENIED -> 403;
                            case INVALID_ARGUMENT -> 400;
                            case RESOURCE_EXHAUSTED -> 429;
                            case UNIMPLEMENTED -> 501;
                            case DEADLINE_EXCEEDED -> 504;
                            default -> 503;
                        });
        assertThat(response.getDeniedResponse().getBody()).isEqualTo(reason.text());
        Map<String, String> headers = headers(response.getDeniedResponse().getHeadersList());
        assertThat(headers)
                .containsEntry(
                        "grpc-status", Integer.toString(reason.statusCode().value()))
                .containsEntry("grpc-message", reason.text());
        assertThat(headers.containsKey("retry-after")).isEqualTo(reason.statusCode() == Status.Code.UNAVAILABLE);
    }

    @Test
    void aSandboxTravelsUnderItsOwnName() throws IOException {
        CheckResponse response = parse(answers.allow(method(Requests.CONFIG), sandbox()));
        assertThat(response.getStatus().getCode()).isZero();
        assertThat(response.hasOkResponse()).isTrue();
        assertThat(headers(response.getOkResponse().getHeadersList()))
                .containsExactly(Map.entry("x-sandbox-principal", "sandbox;id=\"alpha-id\";source=\"gateway-jwt\""));
        assertThat(response.getOkResponse().getHeadersToRemoveList()).containsExactly("x-sandbox-principal-jwt");
        assertThat(response.getDynamicMetadata().getFieldsMap())
                .containsOnlyKeys("principal", "sandbox_id", "method", "token_expires");
        assertThat(response.getDynamicMetadata().getFieldsOrThrow("sandbox_id").getStringValue())
                .isEqualTo("alpha-id");
        assertThat(response.getDynamicMetadata().getFieldsOrThrow("method").getStringValue())
                .isEqualTo(Requests.CONFIG);
        assertThat(response.getDynamicMetadata()
                        .getFieldsOrThrow("token_expires")
                        .getNumberValue())
                .isEqualTo((double) EXPIRES.getEpochSecond());
    }

    @Test
    void eachTokenHasItsOwnEndAndEachSandboxItsOwnName() throws IOException {
        for (String name : new String[] {"alpha-id", "beta-id", "alpha-id"}) {
            for (long second : new long[] {1, 1_764_000_000L, 253_402_300_799L}) {
                Principal.Sandbox principal = principal(name, Instant.ofEpochSecond(second));
                Struct metadata = parse(answers.allow(method(Requests.CONFIG), new Traveller.OfSandbox(principal)))
                        .getDynamicMetadata();
                assertThat(metadata.getFieldsOrThrow("token_expires").getNumberValue())
                        .isEqualTo((double) second);
                assertThat(metadata.getFieldsOrThrow("sandbox_id").getStringValue())
                        .isEqualTo(name);
            }
            assertThat(parse(answers.allow(
                                    method(Requests.CONFIG), new Traveller.OfSandbox(principal(name, Instant.MAX))))
                            .getDynamicMetadata()
                            .getFieldsMap())
                    .as("a token without end")
                    .containsOnlyKeys("principal", "sandbox_id", "method");
        }
    }

    /** What the stream guard needs to follow the token's life, and only where there is a stream. */
    @Test
    void aStreamIsAnnounced() throws IOException {
        Struct metadata = parse(answers.allow(method(Requests.LOGS), sandbox())).getDynamicMetadata();
        assertThat(metadata.getFieldsMap())
                .containsOnlyKeys(
                        "principal",
                        "sandbox_id",
                        "method",
                        "token_expires",
                        "policy",
                        "token_id",
                        "lineage",
                        "generation",
                        "issued_at",
                        "key_id");
        assertThat(metadata.getFieldsOrThrow("policy").getStringValue()).isEqualTo("digest");
    }

    @Test
    void theIssuerGetsAnAssertion() throws IOException {
        CheckResponse response = parse(answers.allow(method(Requests.REFRESH), principal(), "a.b.c"));
        assertThat(headers(response.getOkResponse().getHeadersList()))
                .containsOnlyKeys("x-sandbox-principal", "x-sandbox-principal-jwt")
                .containsEntry("x-sandbox-principal-jwt", "a.b.c");
        assertThat(response.getOkResponse().getHeadersToRemoveList()).isEmpty();
    }

    @Test
    void credentialsAreStrippedWhereAsked() throws IOException {
        Answers stripping = new Answers(true, "digest", Optional.empty());
        OpenMethod method = new OpenMethod(rule(Requests.CONFIG), stripping.about(rule(Requests.CONFIG)));
        assertThat(parse(stripping.allow(method, sandbox())).getOkResponse().getHeadersToRemoveList())
                .containsExactlyInAnyOrder("authorization", "x-sandbox-principal-jwt");
        assertThat(parse(stripping.allow(method, new Traveller.Unnamed()))
                        .getOkResponse()
                        .getHeadersToRemoveList())
                .as("the gateway checks what is not ours")
                .doesNotContain("authorization");
    }

    @Test
    void whoIsNoPrincipalOfOursTravelsWithoutAName() throws IOException {
        CheckResponse response = parse(answers.allow(method(Requests.USER), new Traveller.Unnamed()));
        assertThat(response.getOkResponse().getHeadersList()).isEmpty();
        assertThat(response.getOkResponse().getHeadersToRemoveList())
                .containsExactlyInAnyOrder("x-sandbox-principal", "x-sandbox-principal-jwt");
        assertThat(response.getDynamicMetadata().getFieldsMap()).containsOnlyKeys("method");
    }

    @Test
    void nobodyTakesNoCredentialAlong() throws IOException {
        CheckResponse response = parse(answers.allow(method(Requests.HEALTH), new Traveller.Anonymous()));
        assertThat(headers(response.getOkResponse().getHeadersList()))
                .containsExactly(Map.entry("x-sandbox-principal", "anonymous"));
        assertThat(response.getOkResponse().getHeadersToRemoveList())
                .containsExactlyInAnyOrder("authorization", "x-sandbox-principal-jwt");
    }

    @Test
    void theDeveloperIsNamed() throws IOException {
        CheckResponse response = parse(answers.allow(method(Requests.USER), new Traveller.Developer()));
        assertThat(headers(response.getOkResponse().getHeadersList()))
                .containsExactly(Map.entry("x-sandbox-principal", "user;subject=\"dora\";source=\"developer\""));
        Answers without = new Answers(false, "digest", Optional.empty());
        assertThatThrownBy(() -> without.allow(method(Requests.USER), new Traveller.Developer()))
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void readsTheSameByteByByte() throws IOException {
        Answer answer = answers.allow(method(Requests.CONFIG), sandbox());
        ByteArrayOutputStream written = new ByteArrayOutputStream();
        answer.writeTo(written);
        try (InputStream stream = answer.stream()) {
            assertThat(stream.available()).isEqualTo(answer.length()).isEqualTo(written.size());
            ByteArrayOutputStream read = new ByteArrayOutputStream();
            for (int b = stream.read(); b >= 0; b = stream.read()) {
                read.write(b);
            }
            assertThat(stream.available()).isZero();
            assertThat(read.toByteArray()).isEqualTo(written.toByteArray());
        }
    }

    @Test
    void messagesArePercentEncoded() {
        assertThat(Answers.percentEncode("50% of ü\n~ ")).isEqualTo("50%25 of %C3%BC%0A~ ");
    }

    private OpenMethod method(String path) {
        return new OpenMethod(rule(path), answers.about(rule(path)));
    }

    private static io.sallyport.policy.MethodRule rule(String path) {
        return Objects.requireNonNull(POLICY.find(path), path);
    }

    private static Traveller sandbox() {
        return new Traveller.OfSandbox(principal());
    }

    private static Principal.Sandbox principal() {
        return principal("alpha-id", EXPIRES);
    }

    private static Principal.Sandbox principal(String name, Instant expires) {
        SandboxId id = new SandboxId(name);
        return new Principal.Sandbox(
                id,
                new SandboxClaims(
                        id,
                        Optional.of("jti"),
                        Optional.of(new Lineage("lin", 0)),
                        EXPIRES.minusSeconds(3600),
                        expires,
                        "kid"));
    }

    private static CheckResponse parse(Answer answer) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        answer.writeTo(bytes);
        CheckResponse response = CheckResponse.parseFrom(bytes.toByteArray());
        assertThat(DiscardUnknownFieldsParser.wrap(CheckResponse.parser()).parseFrom(bytes.toByteArray()))
                .as("nothing under a number that Envoy does not know")
                .isEqualTo(response);
        return response;
    }

    /** Name and value; each must be set over whatever came before it. */
    private static Map<String, String> headers(Iterable<HeaderValueOption> options) {
        Map<String, String> headers = new HashMap<>();
        for (HeaderValueOption option : options) {
            assertThat(option.getAppendAction()).isEqualTo(HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD);
            assertThat(headers.put(
                            option.getHeader().getKey(), option.getHeader().getValue()))
                    .isNull();
        }
        return headers;
    }
}
