package io.sallyport.e2e.stack;

import io.sallyport.e2e.gateway.GatewayRecord;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.gateway.Sighting;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;

/** What the reference gateway saw, asked over its control port. Thread-safe. */
public final class GatewayView {
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final String address;

    GatewayView(String address) {
        this.address = address;
    }

    /** How many HTTP/2 streams have ever reached the gateway; what comes later has a higher number. */
    public long count() {
        return GatewayRecord.count(get("/seen?since=" + Long.MAX_VALUE));
    }

    /** What arrived after a number. */
    public List<Sighting> since(long number) {
        return GatewayRecord.sightings(get("/seen?since=" + number));
    }

    /** What arrived with the header {@code x-test-tag: TAG}. */
    public List<Sighting> tagged(String tag) {
        return GatewayRecord.sightings(get("/seen?tag=" + URLEncoder.encode(tag, StandardCharsets.UTF_8)));
    }

    /** Reads all streams that asked not to be read. */
    public void open() {
        get("/open");
    }

    /** Makes a sandbox known to the gateway. */
    public void know(KnownSandbox sandbox) {
        get("/sandboxes?add=" + URLEncoder.encode(sandbox.spelling(), StandardCharsets.UTF_8));
    }

    private byte[] get(String path) {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + address + path))
                .timeout(Duration.ofSeconds(10))
                .build();
        try {
            HttpResponse<byte[]> response = sendTwice(request);
            if (response.statusCode() != 200) {
                throw new StackException("the gateway's control port answers " + response.statusCode() + " to " + path);
            }
            return response.body();
        } catch (IOException e) {
            throw new StackException("the gateway's control port " + address + " does not answer", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StackException("interrupted while asking the gateway", e);
        }
    }

    /** The server may close a connection that was idle in the moment in which it is used again. */
    private HttpResponse<byte[]> sendTwice(HttpRequest request) throws IOException, InterruptedException {
        try {
            return http.send(request, HttpResponse.BodyHandlers.ofByteArray());
        } catch (IOException e) {
            return http.send(request, HttpResponse.BodyHandlers.ofByteArray());
        }
    }
}
