package io.sallyport.kubernetes;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.OwnerReferenceBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.ServiceAccountBuilder;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.MixedOperation;
import io.fabric8.kubernetes.client.dsl.Resource;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Namespaces, accounts, Sandboxes, pods and tokens on an API server, as a controller and a kubelet would make them. */
public final class TestSandboxes {
    public static final String ACCOUNT = "openshell-sandbox";
    public static final String AUDIENCE = "openshell-gateway";

    /** Where our programs run, and what the chart is installed as; with the cluster's suffix. */
    private static final String SYSTEM = "sallyport";

    private static final AtomicInteger NUMBERS = new AtomicInteger();

    private final KubernetesClient admin;
    private final String namespace;
    private final String system;

    private TestSandboxes(KubernetesClient admin, String namespace, String system) {
        this.admin = admin;
        this.namespace = namespace;
        this.system = system;
    }

    /** In a new namespace, with the account of sandboxes, and with what ext-authz and the issuer may do. */
    public static TestSandboxes prepare(TestCluster server) throws IOException {
        return prepare(server, "sandboxes-" + NUMBERS.incrementAndGet());
    }

    /** In a namespace of this name, and of the cluster's suffix. */
    public static TestSandboxes prepare(TestCluster server, String namespace) throws IOException {
        KubernetesClient admin = server.admin();
        server.defineSandboxes();
        TestSandboxes sandboxes = new TestSandboxes(admin, namespace + server.suffix(), SYSTEM + server.suffix());
        createNamespace(admin, sandboxes.namespace);
        createNamespace(admin, sandboxes.system);
        sandboxes.account(ACCOUNT);
        return sandboxes;
    }

    public String namespace() {
        return namespace;
    }

    /** The namespace of our programs; their accounts' names begin with it. */
    public String system() {
        return system;
    }

    /** How ext-authz is set up for them. */
    KubernetesSettings settings(Path kubeconfig) {
        return settings(cluster(kubeconfig));
    }

    KubernetesSettings settings(ClusterSettings cluster) {
        return new KubernetesSettings(cluster, AUDIENCE, Set.of(ACCOUNT), true, Duration.ofSeconds(30), 16, 512);
    }

    /** How they are found, by somebody patient enough for a loaded machine. */
    ClusterSettings cluster(Path kubeconfig) {
        return cluster(new ClusterAccess.Kubeconfig(kubeconfig), Duration.ofSeconds(30));
    }

    ClusterSettings cluster(ClusterAccess access, Duration timeout) {
        return new ClusterSettings(access, Namespaces.exactly(namespace), timeout);
    }

    /** The objects of a template of the chart, with this namespace for the sandboxes'. */
    public List<HasMetadata> manifest(String template) throws IOException {
        String text = Chart.OBJECTS.stream()
                .filter(object -> object.contains("# Source: sallyport/templates/" + template + "\n"))
                .map(object -> object.replace(Chart.SANDBOXES, namespace).replace(SYSTEM, system))
                .collect(Collectors.joining("---"));
        return admin.load(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)))
                .items();
    }

    /** The chart with everything in it; rendered once for all tests. */
    private static final class Chart {
        static final String SANDBOXES = "in-place-of-the-sandboxes-namespace";
        static final List<String> OBJECTS = objects();

        private static List<String> objects() {
            try {
                return Helm.find().template(SYSTEM, SYSTEM, """
                        sandboxes: {namespaces: [%s], serviceAccount: {name: %s}, audience: %s}
                        issuer: {records: kubernetes}
                        example: {enabled: true, image: sandbox-image, endpoint: 'https://gateway.sallyport.svc:8080'}
                        """.formatted(SANDBOXES, ACCOUNT, AUDIENCE));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException(e);
            }
        }
    }

    /**
     * Makes the account and the roles of a program, and a kubeconfig of that account.
     *
     * @param program {@code ext-authz} or {@code token-issuer}
     */
    public Path grant(TestCluster server, String program) throws IOException {
        return grant(server, program, server.url());
    }

    /** Like {@link #grant(TestCluster, String)}, with a kubeconfig for another port of this machine. */
    public Path grant(ApiServer server, String program, int port) throws IOException {
        return grant(server, program, "https://127.0.0.1:" + port);
    }

    /** Like {@link #grant(TestCluster, String)}, with a kubeconfig for another address. */
    public Path grant(TestCluster server, String program, String url) throws IOException {
        return server.kubeconfig(grantedToken(program), url);
    }

    /** Makes the account and the roles of a program; the account's token for the API server. */
    public String grantedToken(String program) throws IOException {
        for (HasMetadata object : manifest(program + ".yaml")) {
            apply(object);
        }
        return token(system, system + "-" + program, null, "", Duration.ofHours(2));
    }

    /** Makes an object, or puts its roles' rules in the place of those there. */
    public void apply(HasMetadata object) {
        admin.resource(object).createOr(existing -> existing.update());
    }

    public void account(String name) {
        admin.resource(new ServiceAccountBuilder()
                        .withNewMetadata()
                        .withName(name)
                        .withNamespace(namespace)
                        .endMetadata()
                        .build())
                .createOr(existing -> existing.update());
    }

    /** All Sandboxes of this namespace. */
    public MixedOperation<GenericKubernetesResource, ?, Resource<GenericKubernetesResource>> resources(String version) {
        return resources(admin, version);
    }

    static MixedOperation<GenericKubernetesResource, ?, Resource<GenericKubernetesResource>> resources(
            KubernetesClient admin, String version) {
        return admin.genericKubernetesResources(new ResourceDefinitionContext.Builder()
                .withGroup("agents.x-k8s.io")
                .withVersion(version)
                .withKind("Sandbox")
                .withPlural("sandboxes")
                .withNamespaced(true)
                .build());
    }

    /** Makes a Sandbox of this name and id. */
    public GenericKubernetesResource sandbox(String name, String id) {
        return sandbox(name, Map.of("openshell.ai/sandbox-id", id));
    }

    /** Makes a Sandbox with these labels. */
    public GenericKubernetesResource sandbox(String name, Map<String, String> labels) {
        return resources("v1beta1")
                .inNamespace(namespace)
                .resource(unsaved(name, labels))
                .create();
    }

    /** A Sandbox that is on no server yet. */
    public GenericKubernetesResource unsaved(String name, Map<String, String> labels) {
        GenericKubernetesResource sandbox = new GenericKubernetesResource();
        sandbox.setApiVersion("agents.x-k8s.io/v1beta1");
        sandbox.setKind("Sandbox");
        sandbox.setMetadata(new io.fabric8.kubernetes.api.model.ObjectMetaBuilder()
                .withName(name)
                .withNamespace(namespace)
                .withLabels(labels)
                .build());
        return sandbox;
    }

    /** Gives a Sandbox another label; an empty one takes it away. */
    public void relabel(String name, String label, String value) {
        relabel("v1beta1", name, label, value);
    }

    void relabel(String version, String name, String label, String value) {
        resources(version)
                .inNamespace(namespace)
                .withName(name)
                .patch(
                        PatchContext.of(PatchType.JSON_MERGE),
                        "{\"metadata\":{\"labels\":{\"%s\":%s}}}"
                                .formatted(label, value.isEmpty() ? "null" : "\"" + value + "\""));
    }

    public void deleteSandbox(String name) {
        resources("v1beta1").inNamespace(namespace).withName(name).delete();
    }

    /** How a pod says that a Sandbox owns it. */
    public static OwnerReference owner(GenericKubernetesResource sandbox, boolean controls) {
        return new OwnerReferenceBuilder()
                .withApiVersion(sandbox.getApiVersion())
                .withKind(sandbox.getKind())
                .withName(sandbox.getMetadata().getName())
                .withUid(sandbox.getMetadata().getUid())
                .withController(controls)
                .build();
    }

    /** Makes a pod that is right: of this name, of the sandbox of this id, owned by a Sandbox of the pod's name. */
    public Pod pod(String name, String id) {
        return pod(name, ACCOUNT, Map.of("openshell.io/sandbox-id", id), List.of(owner(sandbox(name, id), true)));
    }

    public Pod pod(String name, String account, Map<String, String> annotations, List<OwnerReference> owners) {
        return admin.resource(new PodBuilder()
                        .withNewMetadata()
                        .withName(name)
                        .withNamespace(namespace)
                        .withAnnotations(annotations)
                        .withOwnerReferences(new ArrayList<>(owners))
                        .endMetadata()
                        .withNewSpec()
                        // Where there is a scheduler, it lets it lie.
                        .withSchedulerName("nobody")
                        .withServiceAccountName(account)
                        .withAutomountServiceAccountToken(false)
                        .addNewContainer()
                        .withName("agent")
                        .withImage("nothing")
                        .endContainer()
                        .endSpec()
                        .build())
                .create();
    }

    public void deletePod(String name) {
        admin.pods().inNamespace(namespace).withName(name).withGracePeriod(0).delete();
    }

    /** What the kubelet would put into a pod's volume. */
    public String token(Pod pod) {
        return token(namespace, pod.getSpec().getServiceAccountName(), pod, AUDIENCE, Duration.ofHours(1));
    }

    /**
     * A token of an account.
     *
     * @param object a pod, a Secret or a node that it is bound to, if any
     * @param audience empty for the API server itself
     */
    public String token(
            String inNamespace, String account, @Nullable HasMetadata object, String audience, Duration lifetime) {
        String bound = object == null
                ? ""
                : ",\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"%s\",\"name\":\"%s\",\"uid\":\"%s\"}"
                        .formatted(
                                object.getKind(),
                                object.getMetadata().getName(),
                                object.getMetadata().getUid());
        String answer = admin.raw(
                "/api/v1/namespaces/" + inNamespace + "/serviceaccounts/" + account + "/token",
                "POST",
                "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\",\"spec\":{\"audiences\":[%s],\"expirationSeconds\":%d%s}}"
                        .formatted(audience.isEmpty() ? "" : "\"" + audience + "\"", lifetime.toSeconds(), bound));
        GenericKubernetesResource request =
                admin.getKubernetesSerialization().unmarshal(answer, GenericKubernetesResource.class);
        return (String) java.util.Objects.requireNonNull(request.get("status", "token"));
    }

    private static void createNamespace(KubernetesClient admin, String name) {
        admin.resource(new NamespaceBuilder()
                        .withNewMetadata()
                        .withName(name)
                        .endMetadata()
                        .build())
                .createOr(existing -> existing.update());
    }

    /** Installs the definition of Sandboxes, served in both versions. */
    public static void defineSandboxes(KubernetesClient admin) {
        defineSandboxes(admin, true, true);
    }

    /** Installs the definition, served in these versions. */
    public static void defineSandboxes(KubernetesClient admin, boolean v1beta1, boolean v1alpha1) {
        String version = """
                {"name": "%s", "served": %s, "storage": %s, "schema": {"openAPIV3Schema":
                  {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}""";
        String definition = """
                {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                 "metadata": {"name": "sandboxes.agents.x-k8s.io",
                   "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"}},
                 "spec": {"group": "agents.x-k8s.io", "scope": "Namespaced",
                   "names": {"kind": "Sandbox", "listKind": "SandboxList", "plural": "sandboxes", "singular": "sandbox"},
                   "versions": [%s, %s]}}
                """.formatted(
                        version.formatted("v1beta1", v1beta1, true), version.formatted("v1alpha1", v1alpha1, false));
        CustomResourceDefinition wanted =
                admin.getKubernetesSerialization().unmarshal(definition, CustomResourceDefinition.class);
        admin.resource(wanted).createOr(existing -> existing.update());
        awaitServed(admin, "v1beta1", v1beta1);
        awaitServed(admin, "v1alpha1", v1alpha1);
    }

    private static void awaitServed(KubernetesClient admin, String version, boolean served) {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (isServed(admin, version) != served) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException("the API server does not follow the definition of Sandboxes");
            }
            try {
                Thread.sleep(50);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException(e);
            }
        }
    }

    private static boolean isServed(KubernetesClient admin, String version) {
        try {
            String list = admin.raw("/apis/agents.x-k8s.io/" + version + "/namespaces/default/sandboxes");
            return list != null && list.contains("SandboxList");
        } catch (KubernetesClientException e) {
            return false;
        }
    }
}
