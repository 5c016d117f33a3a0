package io.sallyport.kubernetes;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.http.HttpRequest;
import io.fabric8.kubernetes.client.http.HttpResponse;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A cluster, asked over HTTP.
 *
 * <p>A question is put once, and its answer is what the server says of itself: an object, or a {@code Status} that there is
 * none of this name. Whatever else comes, another 404 too, is no answer. Over HTTP/1.1, where a question that got no
 * answer in time takes its connection with it, so that the next one is not put to a dead one.
 */
final class ApiServerCluster implements Cluster, AutoCloseable {
    private static final int MAX_ANSWER = 4 * 1024 * 1024;
    private static final Duration LIST_TIMEOUT = Duration.ofSeconds(30);

    /** After the first failure; twice as long after each further one, up to 32 times. */
    private static final int WATCH_AGAIN_AFTER_MILLIS = 250;

    private final KubernetesClient client;
    private final String url;
    private final Duration timeout;

    /** The version of Sandboxes that is asked for first: the one that there was last. */
    private volatile String version = SandboxResources.VERSIONS.getFirst();

    private ApiServerCluster(KubernetesClient client, Duration timeout) {
        this.client = client;
        String master = client.getConfiguration().getMasterUrl();
        this.url = master.endsWith("/") ? master.substring(0, master.length() - 1) : master;
        this.timeout = timeout;
    }

    static ApiServerCluster connect(ClusterSettings settings) {
        return new ApiServerCluster(
                new KubernetesClientBuilder().withConfig(config(settings)).build(), settings.timeout());
    }

    private static Config config(ClusterSettings settings) {
        return new ConfigBuilder(settings.access().config(settings.timeout()))
                // A question has its own. This is for lists.
                .withRequestTimeout((int) LIST_TIMEOUT.toMillis())
                .withWatchReconnectInterval(WATCH_AGAIN_AFTER_MILLIS)
                // A WebSocket of the JDK's that is cut while the client closes it, ends without telling anybody.
                .withOnlyHttpWatches(true)
                .build();
    }

    /** For lists and watches. */
    KubernetesClient client() {
        return client;
    }

    @Override
    public Review review(String token, String audience) throws ClusterUnavailableException {
        GenericKubernetesResource question = new GenericKubernetesResource();
        question.setApiVersion("authentication.k8s.io/v1");
        question.setKind("TokenReview");
        question.setAdditionalProperty("spec", Map.of("token", token, "audiences", List.of(audience)));
        HttpResponse<String> answer = send(
                "ask for a TokenReview",
                "/apis/authentication.k8s.io/v1/tokenreviews",
                client.getKubernetesSerialization().asJson(question));
        GenericKubernetesResource review = read(answer);
        if (!(review.get("status") instanceof Map)) {
            throw new ClusterUnavailableException("a TokenReview came back without a status");
        }
        return new Review(
                Boolean.TRUE.equals(review.get("status", "authenticated")),
                texts(review.get("status", "audiences")),
                text(review.get("status", "user", "username")),
                extra(review.get("status", "user", "extra")),
                text(review.get("status", "error")));
    }

    private static Map<String, List<String>> extra(@Nullable Object value) {
        Map<String, List<String>> extra = new HashMap<>();
        if (value instanceof Map<?, ?> members) {
            members.forEach((name, values) -> extra.put(String.valueOf(name), texts(values)));
        }
        return extra;
    }

    private static List<String> texts(@Nullable Object value) {
        return value instanceof List<?> list
                ? list.stream().map(String::valueOf).toList()
                : List.of();
    }

    @Override
    public Optional<Pod> pod(String namespace, String name) throws ClusterUnavailableException {
        HttpResponse<String> answer =
                send("get pods in " + namespace, "/api/v1/namespaces/" + namespace + "/pods/" + name, null);
        if (answer.code() == 404) {
            if (saysThereIsNo(answer, "pods", name)) {
                return Optional.empty();
            }
            throw new ClusterUnavailableException("the API server does not know what a pod is");
        }
        GenericKubernetesResource pod = read(answer);
        ObjectMeta meta = metadata(pod);
        boolean over = pod.get("status", "phase") instanceof String phase
                && (phase.equals("Succeeded") || phase.equals("Failed"));
        return Optional.of(new Pod(
                text(meta.getUid()),
                over || meta.getDeletionTimestamp() != null,
                text(
                        meta.getAnnotations() == null
                                ? null
                                : meta.getAnnotations().get(SandboxResources.POD_ANNOTATION)),
                meta.getOwnerReferences().stream()
                        .map(owner -> new Owner(
                                text(owner.getApiVersion()),
                                text(owner.getKind()),
                                text(owner.getName()),
                                text(owner.getUid()),
                                Boolean.TRUE.equals(owner.getController())))
                        .toList()));
    }

    @Override
    public Optional<SandboxResource> sandbox(ResourceName name) throws ClusterUnavailableException {
        for (String asked : inOrder(version)) {
            HttpResponse<String> answer = send(
                    "get sandboxes." + SandboxResources.GROUP + " in " + name.namespace(),
                    sandboxes(asked, Optional.of(name.namespace())) + "/" + name.name(),
                    null);
            if (answer.code() != 404) {
                version = asked;
                return Optional.of(SandboxResource.of(name, metadata(name, read(answer))));
            }
            if (saysThereIsNo(answer, SandboxResources.PLURAL, name.name())) {
                version = asked;
                return Optional.empty();
            }
            // The version is not served; perhaps the next one is.
        }
        throw notServed();
    }

    /** Of the very Sandbox that was asked for: whoever heard of another would take this one for gone. */
    private static @Nullable ObjectMeta metadata(ResourceName name, GenericKubernetesResource object)
            throws ClusterUnavailableException {
        ObjectMeta meta = object.getMetadata();
        if (!SandboxResources.KIND.equals(object.getKind())
                || !SandboxResources.isVersion(text(object.getApiVersion()))
                || meta == null
                || !name.namespace().equals(meta.getNamespace())
                || !name.name().equals(meta.getName())) {
            throw new ClusterUnavailableException(
                    "the API server was asked for the Sandbox " + name + ", and answered with something else");
        }
        return meta;
    }

    /**
     * The newest version that Sandboxes can be listed in.
     *
     * @param namespace empty for all of them
     */
    String servedVersion(Optional<String> namespace) throws ClusterUnavailableException {
        for (String asked : SandboxResources.VERSIONS) {
            HttpResponse<String> answer = send(
                    "list sandboxes." + SandboxResources.GROUP + " in " + namespace.orElse("all namespaces"),
                    sandboxes(asked, namespace) + "?limit=1",
                    null);
            if (answer.code() != 404) {
                return asked;
            }
        }
        throw notServed();
    }

    /**
     * Watches for a second: returns if the API server lets us.
     *
     * @param version of the definition
     * @param from the resource version to watch from
     * @return whether there is something to be watched: not where this version is not served any more
     */
    boolean tryToWatch(String version, Optional<String> namespace, String from) throws ClusterUnavailableException {
        HttpResponse<String> answer = send(
                "watch sandboxes." + SandboxResources.GROUP + " in " + namespace.orElse("all namespaces"),
                sandboxes(version, namespace) + "?watch=true&timeoutSeconds=1&resourceVersion=" + from,
                null,
                timeout.plusSeconds(1));
        return answer.code() != 404;
    }

    private static String sandboxes(String version, Optional<String> namespace) {
        return "/apis/" + SandboxResources.GROUP + "/" + version
                + namespace.map(each -> "/namespaces/" + each).orElse("") + "/" + SandboxResources.PLURAL;
    }

    private static ClusterUnavailableException notServed() {
        return new ClusterUnavailableException("the API server serves no " + SandboxResources.PLURAL + "."
                + SandboxResources.GROUP + " of version "
                + String.join(" or ", SandboxResources.VERSIONS)
                + "; install the resource's definition");
    }

    private static List<String> inOrder(String first) {
        return SandboxResources.VERSIONS.stream()
                .sorted(Comparator.comparing((String version) -> !version.equals(first)))
                .toList();
    }

    @Override
    public String publishedKeys() throws ClusterUnavailableException {
        return send("read the published keys", "/openid/v1/jwks", null).body();
    }

    /**
     * Puts a question.
     *
     * @param what for messages: what the role must allow
     * @return an answer of code 200, 201 or 404
     */
    private HttpResponse<String> send(String what, String path, @Nullable String body)
            throws ClusterUnavailableException {
        return send(what, path, body, timeout);
    }

    private HttpResponse<String> send(String what, String path, @Nullable String body, Duration timeout)
            throws ClusterUnavailableException {
        HttpRequest.Builder request = client.getHttpClient()
                .newHttpRequestBuilder()
                .uri(url + path)
                .header("Accept", "application/json, application/jwk-set+json")
                .timeout(timeout.toMillis(), TimeUnit.MILLISECONDS);
        if (body != null) {
            request.post("application/json", body);
        }
        CompletableFuture<HttpResponse<String>> answering;
        try {
            answering = client.getHttpClient().sendAsync(request.build(), String.class);
        } catch (RuntimeException e) {
            // Not the server's doing: our own token could not be read.
            throw new ClusterUnavailableException("could not " + what + ": " + e.getMessage(), e);
        }
        HttpResponse<String> answer;
        try {
            answer = answering.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            answering.cancel(true);
            throw new ClusterUnavailableException("could not " + what + ": no answer within " + timeout);
        } catch (ExecutionException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new ClusterUnavailableException("could not " + what + ": " + cause, cause);
        } catch (InterruptedException e) {
            answering.cancel(true);
            Thread.currentThread().interrupt();
            throw new ClusterUnavailableException("could not " + what + ": interrupted");
        }
        return switch (answer.code()) {
            case 200, 201, 404 -> {
                if (answer.body() == null || answer.body().length() > MAX_ANSWER) {
                    throw new ClusterUnavailableException("could not " + what + ": the answer is too long or missing");
                }
                yield answer;
            }
            case 401 ->
                throw new ClusterUnavailableException(
                        "could not " + what + ": the API server does not know us (401); is our token still good?");
            case 403 ->
                throw new ClusterUnavailableException(
                        "could not " + what + ": the API server does not let us (403); grant our ServiceAccount that");
            default -> throw new ClusterUnavailableException("could not " + what + ": HTTP " + answer.code());
        };
    }

    /** Whether a 404 is about the object, and not about its kind or the way there. */
    private boolean saysThereIsNo(HttpResponse<String> answer, String plural, String name) {
        try {
            Status status = client.getKubernetesSerialization().unmarshal(answer.body(), Status.class);
            return status != null
                    && "NotFound".equals(status.getReason())
                    && status.getDetails() != null
                    && plural.equals(status.getDetails().getKind())
                    && name.equals(status.getDetails().getName());
        } catch (RuntimeException e) {
            return false; // a page of text
        }
    }

    private GenericKubernetesResource read(HttpResponse<String> answer) throws ClusterUnavailableException {
        if (answer.code() != 404) {
            try {
                GenericKubernetesResource object =
                        client.getKubernetesSerialization().unmarshal(answer.body(), GenericKubernetesResource.class);
                if (object != null) {
                    return object;
                }
            } catch (RuntimeException e) {
                // Said below. Not the exception: it could quote a token.
            }
        }
        throw new ClusterUnavailableException("what the API server answered is not what was asked for");
    }

    private static ObjectMeta metadata(GenericKubernetesResource object) throws ClusterUnavailableException {
        if (object.getMetadata() == null || object.getMetadata().getUid() == null) {
            throw new ClusterUnavailableException("the API server's answer is an object without a uid");
        }
        return object.getMetadata();
    }

    private static String text(@Nullable Object value) {
        return value instanceof String text ? text : "";
    }

    @Override
    public void close() {
        client.close();
    }
}
