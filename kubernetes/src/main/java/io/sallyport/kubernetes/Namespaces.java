package io.sallyport.kubernetes;

import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** The namespaces whose pods may be sandboxes. */
public sealed interface Namespaces {
    /** Whether a pod of this namespace may be a sandbox. */
    boolean accepts(String namespace);

    /**
     * These, and no other.
     *
     * @param names at least one
     */
    record Named(Set<String> names) implements Namespaces {
        public Named {
            names = Set.copyOf(names);
            if (names.isEmpty()) {
                throw new IllegalArgumentException("expected at least one namespace");
            }
            names.forEach(Namespaces::requireLabel);
        }

        @Override
        public boolean accepts(String namespace) {
            return names.contains(namespace);
        }
    }

    /**
     * All that begin so and go on without the hyphens that end the prefix.
     *
     * <p>Of {@code a-}, {@code a-team} is one, and {@code a-b-team} is not: it belongs to whoever has the prefix {@code
     * a-b-}. Of {@code a--}, {@code a--b-team} is one. So no two prefixes with the same number of hyphens at their end
     * share a namespace.
     *
     * @param prefix ends with one hyphen or several
     */
    record Prefix(String prefix) implements Namespaces {
        private static final Pattern FORM = Pattern.compile("[a-z0-9]([a-z0-9-]*[a-z0-9])?-+");

        public Prefix {
            if (!FORM.matcher(prefix).matches() || prefix.length() > 62) {
                throw new IllegalArgumentException(
                        "expected a prefix that ends with a hyphen, such as \"gateway-\": without one it would also take"
                                + " the namespaces of everybody whose name goes on");
            }
        }

        @Override
        public boolean accepts(String namespace) {
            if (!namespace.startsWith(prefix)) {
                return false;
            }
            String rest = namespace.substring(prefix.length());
            return !rest.isEmpty() && !rest.startsWith("-") && !rest.contains(end());
        }

        private String end() {
            int hyphens = 0;
            while (prefix.charAt(prefix.length() - 1 - hyphens) == '-') {
                hyphens++;
            }
            return "-".repeat(hyphens);
        }
    }

    /** One namespace. */
    static Namespaces exactly(String name) {
        return new Named(Set.of(name));
    }

    /** Several namespaces. */
    static Namespaces anyOf(List<String> names) {
        return new Named(Set.copyOf(names));
    }

    private static void requireLabel(String name) {
        if (!name.matches("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")) {
            throw new IllegalArgumentException("\"" + name + "\" is no namespace's name");
        }
    }
}
