package io.sallyport.e2e.gateway;

import io.sallyport.e2e.gateway.Sighting.Header;
import java.util.List;

/**
 * How the gateway is to treat one stream, where a caller asks for it in the header {@value #HEADER}: words with commas
 * between them.
 *
 * @param early {@code early}: the answer's headers go out at once, before any message has come
 * @param shut {@code shut}: nothing is read until the control port's {@code /open} is asked for
 * @param endAfter {@code end-after=N}: the stream is answered with OK after so many messages, whatever is still to come;
 *     0: it is not
 * @param silent {@code silent}: the end of the request is not answered
 */
record Manners(boolean early, boolean shut, int endAfter, boolean silent) {
    static final String HEADER = "x-test-gateway";

    private static final String END_AFTER = "end-after=";

    /** Reads them; a word that is none of ours is passed over. */
    static Manners of(List<Header> headers) {
        List<String> words = headers.stream()
                .filter(header -> header.name().equals(HEADER))
                .flatMap(header -> List.of(header.value().split(",", -1)).stream())
                .map(String::strip)
                .toList();
        int endAfter = words.stream()
                .filter(word -> word.matches(END_AFTER + "\\d{1,6}"))
                .mapToInt(word -> Integer.parseInt(word.substring(END_AFTER.length())))
                .findFirst()
                .orElse(0);
        return new Manners(words.contains("early"), words.contains("shut"), endAfter, words.contains("silent"));
    }
}
