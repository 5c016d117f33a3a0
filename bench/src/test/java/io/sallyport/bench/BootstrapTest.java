package io.sallyport.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.base.net.Endpoint;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class BootstrapTest {
    private static final String GENERATED = """
            static_resources:
              listeners:
              - http_filters:
                - {name: envoy.filters.http.ext_authz}
                - {name: envoy.filters.http.ext_proc, typed_config: {stat_prefix: guard}}
                - {name: envoy.filters.http.router}
                routes:
                - typed_per_filter_config:
                    envoy.filters.http.ext_authz: {a: b}
                    envoy.filters.http.ext_proc: {disabled: true}
              clusters:
              - {name: ext-authz, endpoint: {pipe: {path: /one}}}
              - {name: stream-guard, endpoint: {pipe: {path: /one}}}
            """;
    private static final Endpoint.Unix OTHER = new Endpoint.Unix(Path.of("/other"));

    @Test
    void nothingOfTheGuardIsLeftAndEverythingElseIs() {
        assertThat(Bootstrap.parse(GENERATED).withoutGuard().text())
                .doesNotContain("ext_proc")
                .contains("name: envoy.filters.http.ext_authz", "name: envoy.filters.http.router", "a: b");
    }

    @Test
    void onlyTheGuardIsElsewhere() {
        assertThat(Bootstrap.parse(GENERATED).withGuardAt(OTHER).text())
                .containsOnlyOnce("path: /other")
                .containsOnlyOnce("path: /one")
                .isEqualTo(Bootstrap.parse(GENERATED.replace(
                                "stream-guard, endpoint: {pipe: {path: /one",
                                "stream-guard, endpoint: {pipe: {path: /other"))
                        .text());
    }

    /** Otherwise the same would be compared with the same. */
    @Test
    void aConfigurationWithoutAGuardCannotBeChanged() {
        Bootstrap none = Bootstrap.parse("{listeners: [], clusters: [{name: ext-authz, pipe: {path: /one}}]}");
        assertThatThrownBy(none::withoutGuard).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> none.withGuardAt(OTHER)).isInstanceOf(IllegalStateException.class);
    }
}
