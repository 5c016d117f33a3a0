package io.sallyport.base.settings;

import java.util.ArrayList;
import java.util.List;

/** Collects mistakes so that a reader of settings can report all of them at once. Not thread-safe. */
public final class Problems {
    private final List<String> found = new ArrayList<>();

    /** Notes one mistake: where it is, and what would be right. */
    public void add(String where, String message) {
        found.add(where + ": " + message);
    }

    /** Notes the mistakes that another collection holds. */
    public void addAll(Problems others) {
        found.addAll(others.found);
    }

    public boolean isEmpty() {
        return found.isEmpty();
    }

    public List<String> list() {
        return List.copyOf(found);
    }

    /** Ends the reading: throws when there is a mistake, naming every one. */
    public void throwIfAny() throws InvalidSettingsException {
        if (!found.isEmpty()) {
            throw new InvalidSettingsException(found);
        }
    }
}
