package io.sallyport.e2e.gateway;

import com.google.protobuf.ByteString;
import io.sallyport.e2e.gateway.Sighting.End;
import io.sallyport.e2e.gateway.Sighting.Header;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/** The record as JSON: {@code {"count":N,"seen":[{"number":…,"headers":[["name","value"],…],"data":"base64",…}]}}. */
public final class GatewayRecord {
    private static final JsonFactory JSON = new JsonFactory();

    private GatewayRecord() {}

    /**
     * Part of the record.
     *
     * @param count how many streams ever arrived
     * @param seen those that were asked for
     */
    record Page(long count, List<Sighting> seen) {}

    static byte[] write(Page page) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(ObjectWriteContext.empty(), bytes)) {
            json.writeStartObject();
            json.writeNumberProperty("count", page.count());
            json.writeArrayPropertyStart("seen");
            for (Sighting sighting : page.seen()) {
                json.writeStartObject();
                json.writeNumberProperty("number", sighting.number());
                writeHeaders(json, "headers", sighting.headers());
                json.writeStringProperty(
                        "data",
                        Base64.getEncoder().encodeToString(sighting.data().toByteArray()));
                json.writeNumberProperty("data_length", sighting.dataLength());
                writeHeaders(json, "trailers", sighting.trailers());
                json.writeStringProperty("end", sighting.end().name());
                json.writeStringProperty("answer", sighting.answer());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        }
        return bytes.toByteArray();
    }

    /** How many streams ever arrived, from a page of the record. */
    public static long count(byte[] page) {
        return read(page).count();
    }

    /** The streams on a page of the record. */
    public static List<Sighting> sightings(byte[] page) {
        return read(page).seen();
    }

    static Page read(byte[] bytes) {
        long count = 0;
        List<Sighting> seen = new ArrayList<>();
        try (JsonParser json = JSON.createParser(ObjectReadContext.empty(), bytes)) {
            expect(json, JsonToken.START_OBJECT);
            while (json.nextToken() == JsonToken.PROPERTY_NAME) {
                String name = json.currentName();
                json.nextToken();
                switch (name) {
                    case "count" -> count = json.getLongValue();
                    case "seen" -> {
                        while (json.nextToken() == JsonToken.START_OBJECT) {
                            seen.add(readSighting(json));
                        }
                    }
                    default -> json.skipChildren();
                }
            }
        }
        return new Page(count, seen);
    }

    private static Sighting readSighting(JsonParser json) {
        long number = 0;
        List<Header> headers = List.of();
        ByteString data = ByteString.EMPTY;
        long dataLength = 0;
        List<Header> trailers = List.of();
        End end = End.OPEN;
        String answer = "";
        while (json.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = json.currentName();
            json.nextToken();
            switch (name) {
                case "number" -> number = json.getLongValue();
                case "headers" -> headers = readHeaders(json);
                case "data" -> data = ByteString.copyFrom(Base64.getDecoder().decode(json.getString()));
                case "data_length" -> dataLength = json.getLongValue();
                case "trailers" -> trailers = readHeaders(json);
                case "end" -> end = End.valueOf(json.getString());
                case "answer" -> answer = json.getString();
                default -> json.skipChildren();
            }
        }
        return new Sighting(number, headers, data, dataLength, trailers, end, answer);
    }

    private static void writeHeaders(JsonGenerator json, String name, List<Header> headers) {
        json.writeArrayPropertyStart(name);
        for (Header header : headers) {
            json.writeStartArray();
            json.writeString(header.name());
            json.writeString(header.value());
            json.writeEndArray();
        }
        json.writeEndArray();
    }

    private static List<Header> readHeaders(JsonParser json) {
        List<Header> headers = new ArrayList<>();
        while (json.nextToken() == JsonToken.START_ARRAY) {
            json.nextToken();
            String name = json.getString();
            json.nextToken();
            headers.add(new Header(name, json.getString()));
            expect(json, JsonToken.END_ARRAY);
        }
        return headers;
    }

    private static void expect(JsonParser json, JsonToken token) {
        if (json.nextToken() != token) {
            throw new IllegalArgumentException(
                    "expected " + token + " in the gateway's record, found " + json.currentToken());
        }
    }
}
