package io.sallyport.e2e.gateway;

import io.grpc.Status;
import io.grpc.StatusException;
import io.sallyport.e2e.gateway.Sighting.Header;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.InstantSource;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

/**
 * Checks the bearer as gateways do that know nothing of Sallyport: one Ed25519 key, one {@code kid}, issuer and
 * audience, expiry with a minute of leeway, {@code exp: 0} for ever.
 *
 * <p>Written against the JDK alone, on purpose: a token that Sallyport mints must be good in the eyes of somebody else's
 * code.
 */
final class BearerCheck implements CallerCheck {
    private static final JsonFactory JSON = new JsonFactory();
    private static final long LEEWAY_SECONDS = 60;

    private final String issuer;
    private final String keyId;
    private final PublicKey key;
    private final InstantSource clock;

    BearerCheck(String gatewayId, String keyId, PublicKey key, InstantSource clock) {
        this.issuer = "openshell-gateway:" + gatewayId;
        this.keyId = keyId;
        this.key = key;
        this.clock = clock;
    }

    /** Reads the flat key layout of today's gateways: {@code public.pem} and {@code kid} in one directory. */
    static BearerCheck load(String gatewayId, Path directory, InstantSource clock) throws IOException {
        String pem = Files.readString(directory.resolve("public.pem"), StandardCharsets.US_ASCII);
        String keyId = Files.readString(directory.resolve("kid"), StandardCharsets.UTF_8)
                .strip();
        byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
        try {
            PublicKey key = KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der));
            return new BearerCheck(gatewayId, keyId, key, clock);
        } catch (GeneralSecurityException e) {
            throw new IOException(directory.resolve("public.pem") + " is not an Ed25519 public key", e);
        }
    }

    @Override
    public void check(List<Header> headers) throws StatusException {
        String credential = CallerCheck.one(headers, "authorization");
        if (!credential.regionMatches(true, 0, "Bearer ", 0, 7)) {
            throw refused("not a bearer");
        }
        String[] parts = credential.substring(7).strip().split("\\.", -1);
        if (parts.length != 3) {
            throw refused("not a JWT");
        }
        try {
            Map<String, String> header = members(parts[0]);
            if (!"EdDSA".equals(header.get("alg")) || !keyId.equals(header.get("kid"))) {
                throw refused("another algorithm or key");
            }
            Signature signature = Signature.getInstance("Ed25519");
            signature.initVerify(key);
            signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
            if (!signature.verify(Base64.getUrlDecoder().decode(parts[2]))) {
                throw refused("the signature does not fit");
            }
            Map<String, String> claims = members(parts[1]);
            if (!issuer.equals(claims.get("iss")) || !issuer.equals(claims.get("aud"))) {
                throw refused("for another gateway");
            }
            long expires = Long.parseLong(claims.getOrDefault("exp", ""));
            if (expires != 0 && expires + LEEWAY_SECONDS < clock.instant().getEpochSecond()) {
                throw refused("expired");
            }
            if (claims.getOrDefault("sandbox_id", "").isEmpty()) {
                throw refused("no sandbox_id");
            }
        } catch (GeneralSecurityException | IllegalArgumentException | JacksonException e) {
            throw refused("cannot be read (" + e.getClass().getSimpleName() + ")");
        }
    }

    /** The plain members of a JSON object as text; the last of two equal names wins, as in most decoders. */
    private static Map<String, String> members(String part) {
        Map<String, String> members = new HashMap<>();
        try (JsonParser json = JSON.createParser(
                ObjectReadContext.empty(), Base64.getUrlDecoder().decode(part))) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw new IllegalArgumentException("not an object");
            }
            while (json.nextToken() == JsonToken.PROPERTY_NAME) {
                String name = json.currentName();
                if (json.nextToken().isScalarValue()) {
                    members.put(name, json.getString());
                } else {
                    json.skipChildren();
                }
            }
        }
        return members;
    }

    private static StatusException refused(String why) {
        return Status.UNAUTHENTICATED
                .withDescription("the gateway refuses the token: " + why)
                .asException();
    }
}
