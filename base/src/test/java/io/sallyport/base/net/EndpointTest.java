package io.sallyport.base.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EndpointTest {
    @ParameterizedTest
    @CsvSource({
        "127.0.0.1:8080,           127.0.0.1,       8080",
        "localhost:0,              localhost,       0",
        "gateway.example.com:443,  gateway.example.com, 443",
        "my_host:65535,            my_host,         65535",
        "[::1]:80,                 ::1,             80",
        "[fe80::1%eth0]:80,        fe80::1%eth0,    80",
    })
    void tcp(String text, String host, int port) {
        assertThat(Endpoint.parse(text)).isEqualTo(new Endpoint.Tcp(host, port)).hasToString(text);
    }

    @Test
    void unix() {
        assertThat(Endpoint.parse("unix:/run/x.sock"))
                .isEqualTo(new Endpoint.Unix(Path.of("/run/x.sock")))
                .hasToString("unix:/run/x.sock");
        String longest = "/" + "x".repeat(106);
        assertThat(Endpoint.parse("unix:" + longest)).isEqualTo(new Endpoint.Unix(Path.of(longest)));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "``                 | expected unix:/path or host:port",
                "localhost          | expected unix:/path or host:port",
                ":80                | expected unix:/path or host:port",
                "localhost:         | the port is not a number",
                "localhost:http     | the port is not a number",
                "localhost:+80      | the port is not a number",
                "localhost:-1       | the port is not a number",
                "localhost:\u0661    | the port is not a number",
                "localhost:65536    | a port is 0 to 65535",
                "localhost:99999999 | the port is not a number",
                "::1:80             | stands in brackets",
                "http://localhost:80 | stands in brackets",
                "//localhost:80     | neither a name nor an address",
                "a b:80             | neither a name nor an address",
                "user@host:80       | neither a name nor an address",
                "[localhost:80      | neither a name nor an address",
                "[]:80              | the host is empty",
                "unix:run/x.sock    | absolute path",
                "unix:              | absolute path",
            })
    void refusedWithWhatWouldBeRight(String text, String message) {
        assertThatThrownBy(() -> Endpoint.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @Test
    void aSocketsPathIsCountedInBytes() {
        assertThatThrownBy(() -> Endpoint.parse("unix:/" + "x".repeat(107))).hasMessageContaining("107 bytes");
        assertThatThrownBy(() -> Endpoint.parse("unix:/" + "\u00fc".repeat(54))).hasMessageContaining("107 bytes");
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "127.255.255.255", "127.1.2.3", "localhost", "::1"})
    void loopback(String host) {
        assertThat(new Endpoint.Tcp(host, 1).isLoopback()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "0.0.0.0",
                "::",
                "10.0.0.1",
                "128.0.0.1",
                "127.0.0.1.evil.example",
                "127.evil.example",
                "127.0.0.256",
                "127.999.0.1",
                "127.0.0",
                "localhost.evil.example",
                "::2",
            })
    void notLoopback(String host) {
        assertThat(new Endpoint.Tcp(host, 1).isLoopback()).isFalse();
    }
}
