package io.sallyport.kubernetes;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import io.sallyport.kubernetes.SandboxResource.Stated;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A cluster that says yes to whatever it is asked, counts the questions, and can be made to fail or to wait. */
final class FakeCluster implements Cluster {
    static final String SUBJECT = "system:serviceaccount:sandboxes:openshell-sandbox";

    final AtomicInteger reviews = new AtomicInteger();
    final AtomicInteger fetches = new AtomicInteger();
    final AtomicInteger underWay = new AtomicInteger();
    final AtomicInteger mostUnderWay = new AtomicInteger();
    volatile boolean knows = true;
    volatile boolean away;
    volatile boolean keysAway;
    volatile @Nullable CountDownLatch gate;
    volatile ECKey key = key("key-1");

    static ECKey key(String name) {
        try {
            return new ECKeyGenerator(Curve.P_256).keyID(name).generate();
        } catch (JOSEException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A token as this cluster would make it. */
    String token(Instant expires, String id) {
        return token(key, SUBJECT, "openshell-gateway", expires, id);
    }

    static String token(ECKey key, String subject, String audience, @Nullable Instant expires, String id) {
        try {
            SignedJWT token = new SignedJWT(
                    new JWSHeader.Builder(JWSAlgorithm.ES256)
                            .keyID(key.getKeyID())
                            .build(),
                    new JWTClaimsSet.Builder()
                            .issuer("https://kubernetes.default.svc")
                            .subject(subject)
                            .audience(List.of("another", audience))
                            .jwtID(id)
                            .expirationTime(expires == null ? null : Date.from(expires))
                            .build());
            token.sign(new ECDSASigner(key));
            return token.serialize();
        } catch (JOSEException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public Review review(String token, String audience) throws ClusterUnavailableException {
        reviews.incrementAndGet();
        mostUnderWay.accumulateAndGet(underWay.incrementAndGet(), Math::max);
        try {
            CountDownLatch waitFor = gate;
            if (waitFor != null) {
                waitFor.await();
            }
        } catch (InterruptedException e) {
            throw new ClusterUnavailableException("interrupted");
        } finally {
            underWay.decrementAndGet();
        }
        if (away) {
            throw new ClusterUnavailableException("away");
        }
        return new Review(
                knows,
                knows ? List.of(audience) : List.of(),
                SUBJECT,
                Map.of(
                        "authentication.kubernetes.io/pod-name", List.of("pod"),
                        "authentication.kubernetes.io/pod-uid", List.of("uid")),
                knows ? "" : "invalid bearer token " + token);
    }

    @Override
    public Optional<Pod> pod(String namespace, String name) {
        return Optional.of(new Pod(
                "uid", false, "box", List.of(new Owner("agents.x-k8s.io/v1beta1", "Sandbox", "box", "u", true))));
    }

    @Override
    public Optional<SandboxResource> sandbox(ResourceName name) {
        Stated nothing = new Stated("", "", true);
        return Optional.of(new SandboxResource(name, "u", false, "box", nothing, nothing));
    }

    @Override
    public String publishedKeys() throws ClusterUnavailableException {
        fetches.incrementAndGet();
        if (keysAway) {
            throw new ClusterUnavailableException("keys are away");
        }
        return new JWKSet(key.toPublicJWK()).toString();
    }
}
