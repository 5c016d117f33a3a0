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
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Namespaces, accounts, Sandboxes, pods and tokens on an API server, as a controller and a kubelet would make them. */
public final class TestSandboxes {
    public static final String ACCOUNT = "openshell-sandbox";
    public static final String AUDIENCE = "openshell-gateway";
    public static final String SYSTEM = "sallyport";

    private static final AtomicInteger NUMBERS = new AtomicInteger();

    private final KubernetesClient admin;
    private final String namespace;

    private TestSandboxes(KubernetesClient admin, String namespace) {
        this.admin = admin;
        this.namespace = namespace;
    }

    /** In a new namespace, with the account of sandboxes, and with what ext-authz and the issuer may do. */
    public static TestSandboxes prepare(ApiServer server) throws IOException {
        return prepare(server, "sandboxes-" + NUMBERS.incrementAndGet());
    }

    /** In a namespace of this name. */
    public static TestSandboxes prepare(ApiServer server, String namespace) throws IOException {
        KubernetesClient admin = server.admin();
        defineSandboxes(admin);
        TestSandboxes sandboxes = new TestSandboxes(admin, namespace);
        createNamespace(admin, namespace);
        createNamespace(admin, SYSTEM);
        sandboxes.account(ACCOUNT);
        return sandboxes;
    }

    public String namespace() {
        return namespace;
    }

    /** How ext-authz is set up for them, patient enough for a loaded machine. */
    KubernetesSettings settings(Path kubeconfig) {
        return new KubernetesSettings(
                Optional.of(kubeconfig),
                AUDIENCE,
                Namespaces.exactly(namespace),
                Set.of(ACCOUNT),
                true,
                Duration.ofSeconds(30),
                16,
                512);
    }

    /** The objects of a template of the chart, with this namespace for the sandboxes'. */
    public List<HasMetadata> manifest(String template) throws IOException {
        String text = Chart.OBJECTS.stream()
                .filter(object -> object.contains("# Source: sallyport/templates/" + template + "\n"))
                .map(object -> object.replace(Chart.SANDBOXES, namespace))
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
    public Path grant(ApiServer server, String program) throws IOException {
        return grant(server, program, server.port());
    }

    /** Like {@link #grant(ApiServer, String)}, with a kubeconfig for another port of this machine. */
    public Path grant(ApiServer server, String program, int port) throws IOException {
        for (HasMetadata object : manifest(program + ".yaml")) {
            apply(object);
        }
        return server.kubeconfig(
                token(SYSTEM, "sallyport-" + program, null, "https://kubernetes.default.svc", Duration.ofHours(2)),
                port);
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

    /** A token of an account; bound to a pod, when there is one. */
    public String token(String inNamespace, String account, @Nullable Pod pod, String audience, Duration lifetime) {
        String bound = pod == null
                ? ""
                : ",\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"%s\",\"uid\":\"%s\"}"
                        .formatted(
                                pod.getMetadata().getName(), pod.getMetadata().getUid());
        String answer = admin.raw(
                "/api/v1/namespaces/" + inNamespace + "/serviceaccounts/" + account + "/token",
                "POST",
                "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\",\"spec\":{\"audiences\":[\"%s\"],\"expirationSeconds\":%d%s}}"
                        .formatted(audience, lifetime.toSeconds(), bound));
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
