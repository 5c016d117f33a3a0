package io.sallyport.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PrincipalHeaderTest {
    @Test
    void everyKindOfPrincipal() {
        SandboxId alpha = new SandboxId("alpha");
        SandboxClaims token = new SandboxClaims(
                alpha, Optional.empty(), Optional.empty(), Instant.EPOCH, Instant.EPOCH.plusSeconds(1), "k");

        assertThat(PrincipalHeader.format(new Principal.Sandbox(alpha, token)))
                .isEqualTo("sandbox;id=\"alpha\";source=\"gateway-jwt\"");
        assertThat(PrincipalHeader.format(
                        new Principal.ServiceAccount("ns", "sa", "pod-1", "uid", Optional.empty(), alpha)))
                .isEqualTo("service-account;namespace=\"ns\";name=\"sa\";pod=\"pod-1\";sandbox=\"alpha\""
                        + ";source=\"kubernetes\"");
        assertThat(PrincipalHeader.format(new Principal.User("dev", "developer")))
                .isEqualTo("user;subject=\"dev\";source=\"developer\"");
        assertThat(PrincipalHeader.format(new Principal.Anonymous())).isEqualTo("anonymous");
    }

    /** A subject cannot break out of its quotes, nor out of the header's line. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "a\"b               | \"a\\\"b\"",
                "a\\b               | \"a\\\\b\"",
                "a\";source=\"x     | \"a\\\";source=\\\"x\"",
                "a\\\";source=\"x   | \"a\\\\\\\";source=\\\"x\"",
                "100%               | \"100%\"",
                "``                 | \"\"",
                "J\u00fcrgen        | %\"J%c3%bcrgen\"",
                "\u00fc 100% \"a\"  | %\"%c3%bc 100%25 %22a%22\"",
                "\u00fc\\           | %\"%c3%bc\\\"",
            })
    void textIsEscaped(String subject, String expected) {
        assertThat(PrincipalHeader.format(new Principal.User(subject, "s")))
                .isEqualTo("user;subject=" + expected + ";source=\"s\"");
    }

    @Test
    void controlCharactersBecomeHex() {
        assertThat(PrincipalHeader.format(new Principal.User("a\r\nx: y\u007f", "s")))
                .isEqualTo("user;subject=%\"a%0d%0ax: y%7f\";source=\"s\"");
    }

    @Test
    void halfACharacterIsNoText() {
        assertThatThrownBy(() -> PrincipalHeader.format(new Principal.User("\ud800", "s")))
                .isInstanceOf(IllegalArgumentException.class);
    }
}
