package io.sallyport.base;

import com.google.gson.stream.JsonWriter;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;

/** Writes one JSON object on one line, its members in the order they are given. */
public final class Json {
    private Json() {}

    /** Writes the members of an object that has been begun. */
    @FunctionalInterface
    public interface Members {
        void write(JsonWriter json) throws IOException;
    }

    /** An object with these members. */
    public static String object(Members members) {
        StringWriter text = new StringWriter();
        try (JsonWriter json = new JsonWriter(text)) {
            json.beginObject();
            members.write(json);
            json.endObject();
        } catch (IOException e) {
            throw new UncheckedIOException("text in memory", e);
        }
        return text.toString();
    }
}
