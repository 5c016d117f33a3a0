package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NamespacesTest {
    /** Two prefixes of one cluster never take the same namespace. */
    @ParameterizedTest
    @CsvSource({
        "a-, a-team, true",
        "a-, a-, false",
        "a-, a, false",
        "a-, ab-team, false",
        "a-, a-b-team, false",
        "a-b-, a-b-team, true",
        "a-b-, a-team, false",
        "a--, a--team, true",
        "a--, a--b-team, true",
        "a--, a--b--team, false",
        "a--b--, a--b--team, true",
        "a-, a--team, false",
        "a--, a---team, false",
        "a--, a-team, false",
    })
    void aPrefixTakesOnlyItsOwn(String prefix, String namespace, boolean accepted) {
        assertThat(new Namespaces.Prefix(prefix).accepts(namespace)).isEqualTo(accepted);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "-", "a", "A-", "a_-", "-a-"})
    void aPrefixThatWouldTakeOthersIsRefused(String prefix) {
        assertThatThrownBy(() -> new Namespaces.Prefix(prefix)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aListTakesWhatItNames() {
        Namespaces list = Namespaces.anyOf(List.of("one", "two"));
        assertThat(List.of("one", "two")).allMatch(list::accepts);
        assertThat(List.of("three", "on", "one-", "ONE", "")).noneMatch(list::accepts);
    }

    @Test
    void aListOfNothingIsRefused() {
        assertThatThrownBy(() -> Namespaces.anyOf(List.of())).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Namespaces.exactly("a b")).isInstanceOf(IllegalArgumentException.class);
    }
}
