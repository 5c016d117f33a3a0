package io.sallyport.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.ServiceAccount;
import io.fabric8.kubernetes.api.model.ServiceAccountBuilder;
import io.fabric8.kubernetes.api.model.ServiceAccountTokenProjection;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.rbac.ClusterRole;
import io.fabric8.kubernetes.api.model.rbac.ClusterRoleBinding;
import io.fabric8.kubernetes.api.model.rbac.PolicyRule;
import io.fabric8.kubernetes.api.model.rbac.Role;
import io.fabric8.kubernetes.api.model.rbac.RoleBinding;
import io.fabric8.kubernetes.api.model.rbac.RoleRef;
import io.fabric8.kubernetes.api.model.rbac.Subject;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.dsl.FieldValidateable;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The chart, rendered by the real helm and held against a real API server. */
@SharedApiServer
class ChartTest {
    private static final Set<String> EXT_AUTHZ = Set.of("get pods", "get agents.x-k8s.io/sandboxes");
    private static final Set<String> ISSUER = Set.of(
            "get agents.x-k8s.io/sandboxes", "list agents.x-k8s.io/sandboxes", "watch agents.x-k8s.io/sandboxes");
    private static final Set<String> EVERYBODY = Set.of(
            "create authentication.k8s.io/selfsubjectreviews",
            "create authorization.k8s.io/selfsubjectaccessreviews",
            "create authorization.k8s.io/selfsubjectrulesreviews");
    private static final String REVIEWS = "create authentication.k8s.io/tokenreviews";

    private static final KubernetesSerialization YAML = new KubernetesSerialization();

    private static Helm helm;

    private final ApiServer server;
    private final KubernetesClient admin;

    ChartTest(ApiServer server) {
        this.server = server;
        admin = server.admin();
    }

    @BeforeAll
    static void find() throws Exception {
        helm = Helm.find();
    }

    /** What people may want of the chart. */
    @SuppressWarnings("ImmutableEnumChecker") // the lists are List.of
    enum Values {
        ONE_NAMESPACE("sandboxes: {namespaces: [chart-one]}", List.of("chart-one")),
        SEVERAL("""
                sandboxes: {namespaces: [chart-one, chart-two]}
                example: {enabled: true, image: registry.example/agent, endpoint: 'https://envoy:8080'}
                """, List.of("chart-one", "chart-two")),
        PREFIX("sandboxes: {namespacePrefix: chart-, namespaces: [chart-one]}", List.of("chart-one")),
        PREFIX_OF_NONE_YET("sandboxes: {namespacePrefix: chart-}", List.of()),
        EVERYTHING("""
                extAuthz: {serviceAccount: {name: gateway}}
                sandboxes: {namespaces: [chart-two, chart], serviceAccount: {name: box}, audience: "us: <& \\" them"}
                issuer: {records: kubernetes}
                example: {enabled: true, image: "a:1", endpoint: 'http://envoy:8080', sandboxId: "1e5"}
                """, List.of("chart-two", "chart")),
        ACCOUNTS_OF_OTHERS("""
                extAuthz: {serviceAccount: {create: false, name: gateway}}
                issuer: {records: kubernetes, serviceAccount: {create: false, name: gateway}}
                sandboxes: {namespaces: [chart-one], serviceAccount: {create: false, name: default}}
                example: {enabled: true, image: a, endpoint: 'https://envoy:8080'}
                """, List.of("chart-one")),
        /** Names that YAML reads as something else, where one lets it. */
        NUMBERS("""
                sandboxes: {namespaces: ["1e5", "null", "true", "0x1"], serviceAccount: {name: "1"}, audience: "2"}
                extAuthz: {serviceAccount: {name: "3"}}
                issuer: {records: kubernetes, serviceAccount: {name: "4"}}
                example: {enabled: true, image: "5", endpoint: 'https://6', sandboxId: "7"}
                """, List.of("1e5", "null", "true", "0x1"));

        private final String yaml;
        private final List<String> namespaces;

        Values(String yaml, List<String> namespaces) {
            this.yaml = yaml;
            this.namespaces = namespaces;
        }

        String release() {
            return this == NUMBERS ? "123" : "sallyport";
        }

        String namespace() {
            return this == NUMBERS ? "456" : "chart";
        }

        String extAuthz() {
            return switch (this) {
                case EVERYTHING, ACCOUNTS_OF_OTHERS -> "gateway";
                case NUMBERS -> "3";
                default -> "sallyport-ext-authz";
            };
        }

        String issuer() {
            return switch (this) {
                case EVERYTHING -> "sallyport-token-issuer";
                case ACCOUNTS_OF_OTHERS -> "gateway";
                case NUMBERS -> "4";
                default -> "";
            };
        }

        String sandbox() {
            return switch (this) {
                case EVERYTHING -> "box";
                case ACCOUNTS_OF_OTHERS -> "default";
                case NUMBERS -> "1";
                default -> "sallyport-sandbox";
            };
        }

        String audience() {
            return switch (this) {
                case EVERYTHING -> "us: <& \" them";
                case NUMBERS -> "2";
                default -> "openshell-gateway";
            };
        }

        boolean hasExample() {
            return yaml.contains("enabled: true");
        }
    }

    private static List<GenericKubernetesResource> render(Values values) throws Exception {
        return helm.template(values.release(), values.namespace(), values.yaml).stream()
                .map(document -> YAML.unmarshal(document, GenericKubernetesResource.class))
                .toList();
    }

    private static <T> List<T> of(Class<T> kind, List<GenericKubernetesResource> objects) {
        return objects.stream()
                .filter(object -> object.getKind().equals(kind.getSimpleName()))
                .map(object -> YAML.convertValue(object, kind))
                .toList();
    }

    @ParameterizedTest
    @EnumSource
    void lintHasNothingToSay(Values values) throws Exception {
        assertThat(helm.run(values.yaml, "lint", "--strict", Helm.chart()).success())
                .contains("1 chart(s) linted, 0 chart(s) failed")
                .doesNotContain("[WARNING]", "[ERROR]");
    }

    /** Every field is one that the API server knows, and the namespaces take the restricted profile and nothing else. */
    @ParameterizedTest
    @EnumSource
    void theApiServerTakesEveryObject(Values values) throws Exception {
        Stream.concat(Stream.of(values.namespace()), values.namespaces.stream()).forEach(this::restrict);
        List<GenericKubernetesResource> objects = render(values);
        assertThat(objects).hasSizeGreaterThan(1);
        for (GenericKubernetesResource object : objects) {
            assertThat(offer(object)).isNotNull();
        }
    }

    private void restrict(String namespace) {
        admin.resource(new NamespaceBuilder()
                        .withNewMetadata()
                        .withName(namespace)
                        .addToLabels("pod-security.kubernetes.io/enforce", "restricted")
                        .endMetadata()
                        .build())
                .createOr(existing -> existing.update());
    }

    private GenericKubernetesResource offer(GenericKubernetesResource object) {
        if (!object.getKind().equals("Pod")) {
            return dryRun(object);
        }
        // Pods are let in only where their account is.
        ServiceAccount account = new ServiceAccountBuilder()
                .withNewMetadata()
                .withName(object.get("spec", "serviceAccountName"))
                .withNamespace(object.getMetadata().getNamespace())
                .endMetadata()
                .build();
        admin.resource(account).create();
        try {
            return dryRun(object);
        } finally {
            admin.resource(account).delete();
        }
    }

    private GenericKubernetesResource dryRun(GenericKubernetesResource object) {
        return admin.resource(object)
                .dryRun(true)
                .fieldValidation(FieldValidateable.Validation.STRICT)
                .create();
    }

    /** What the test above rests on. */
    @Test
    void theApiServerWouldRefuse() throws Exception {
        restrict("chart-one");
        List<GenericKubernetesResource> objects = render(Values.SEVERAL);
        GenericKubernetesResource role = first("Role", objects);
        role.setAdditionalProperty("rulez", List.of());
        assertThatThrownBy(() -> offer(role)).hasMessageContaining("rulez");

        GenericKubernetesResource pod = first("Pod", objects);
        Map<String, Object> container = pod.get("spec", "containers", 0, "securityContext");
        container.remove("capabilities");
        assertThatThrownBy(() -> offer(pod)).hasMessageContaining("violates PodSecurity \"restricted");
    }

    private static GenericKubernetesResource first(String kind, List<GenericKubernetesResource> objects) {
        return objects.stream()
                .filter(object -> object.getKind().equals(kind))
                .findFirst()
                .orElseThrow();
    }

    /** What the bindings give to whom; with no verb, resource or namespace more than the facts ask for. */
    @ParameterizedTest
    @EnumSource
    void theProgramsMayDoThisAndNobodyMayDoAnythingElse(Values values) throws Exception {
        List<GenericKubernetesResource> objects = render(values);
        Set<String> granted = new TreeSet<>();
        for (ClusterRoleBinding binding : of(ClusterRoleBinding.class, objects)) {
            ClusterRole role = named(binding.getRoleRef(), null, of(ClusterRole.class, objects));
            granted.addAll(granted(binding.getSubjects(), role.getRules(), "the cluster"));
        }
        for (RoleBinding binding : of(RoleBinding.class, objects)) {
            String namespace = binding.getMetadata().getNamespace();
            Role role = named(binding.getRoleRef(), namespace, of(Role.class, objects));
            granted.addAll(granted(binding.getSubjects(), role.getRules(), namespace));
        }

        Set<String> expected = new TreeSet<>();
        String extAuthz = values.namespace() + "/" + values.extAuthz();
        String issuer = values.namespace() + "/" + values.issuer();
        expected.add(extAuthz + ": " + REVIEWS + " in the cluster");
        for (String namespace : values.namespaces) {
            EXT_AUTHZ.forEach(right -> expected.add(extAuthz + ": " + right + " in " + namespace));
            if (!values.issuer().isEmpty()) {
                ISSUER.forEach(right -> expected.add(issuer + ": " + right + " in " + namespace));
            }
        }
        assertThat(granted).isEqualTo(expected);
    }

    private static <T extends HasMetadata> T named(RoleRef wanted, @Nullable String namespace, List<T> roles) {
        return roles.stream()
                .filter(role -> role.getKind().equals(wanted.getKind())
                        && role.getMetadata().getName().equals(wanted.getName())
                        && Objects.equals(role.getMetadata().getNamespace(), namespace))
                .findFirst()
                .orElseThrow();
    }

    private static Set<String> granted(List<Subject> subjects, List<PolicyRule> rules, String where) {
        Set<String> granted = new TreeSet<>();
        for (Subject subject : subjects) {
            assertThat(subject.getKind()).isEqualTo("ServiceAccount");
            for (PolicyRule rule : rules) {
                assertThat(rule.getNonResourceURLs()).isEmpty();
                for (String right : rights(rule)) {
                    granted.add(subject.getNamespace() + "/" + subject.getName() + ": " + right + " in " + where);
                }
            }
        }
        return granted;
    }

    private static Set<String> rights(PolicyRule rule) {
        Set<String> rights = new TreeSet<>();
        for (String verb : rule.getVerbs()) {
            for (String group : rule.getApiGroups()) {
                for (String resource : rule.getResources()) {
                    rights.add(verb + " " + (group.isEmpty() ? "" : group + "/") + resource);
                }
            }
        }
        return rights;
    }

    @ParameterizedTest
    @EnumSource
    void theAccountsAreTheseAndNoPodGetsTheirTokensUnasked(Values values) throws Exception {
        List<GenericKubernetesResource> objects = render(values);
        Set<String> expected = new TreeSet<>();
        if (values != Values.ACCOUNTS_OF_OTHERS) {
            expected.add(values.namespace() + "/" + values.extAuthz());
            if (!values.issuer().isEmpty()) {
                expected.add(values.namespace() + "/" + values.issuer());
            }
            values.namespaces.forEach(namespace -> expected.add(namespace + "/" + values.sandbox()));
        }
        List<ServiceAccount> accounts = of(ServiceAccount.class, objects);
        assertThat(accounts)
                .extracting(account -> account.getMetadata().getNamespace() + "/"
                        + account.getMetadata().getName())
                .containsExactlyInAnyOrderElementsOf(expected);
        assertThat(accounts)
                .allSatisfy(account ->
                        assertThat(account.getAutomountServiceAccountToken()).isFalse());
    }

    @ParameterizedTest
    @EnumSource
    void everyObjectHasHelmsLabels(Values values) throws Exception {
        assertThat(render(values))
                .allSatisfy(object -> assertThat(object.getMetadata().getLabels())
                        .containsEntry("app.kubernetes.io/instance", values.release())
                        .containsEntry("app.kubernetes.io/managed-by", "Helm")
                        .containsEntry("helm.sh/chart", "sallyport-0.1.0")
                        .containsKeys(
                                "app.kubernetes.io/name",
                                "app.kubernetes.io/version",
                                "app.kubernetes.io/component",
                                "app.kubernetes.io/part-of"));
    }

    @ParameterizedTest
    @EnumSource
    void theExampleHasNoCredentialButTheTokenForTheGateway(Values values) throws Exception {
        List<Pod> pods = of(Pod.class, render(values));
        if (!values.hasExample()) {
            assertThat(pods).isEmpty();
            return;
        }
        assertThat(pods).singleElement().satisfies(pod -> {
            assertThat(pod.getMetadata().getNamespace()).isEqualTo(values.namespaces.getFirst());
            assertThat(pod.getSpec().getServiceAccountName()).isEqualTo(values.sandbox());
            assertThat(pod.getSpec().getAutomountServiceAccountToken()).isFalse();
            Container agent = single(pod.getSpec().getContainers());
            Map<String, String> environment = new HashMap<>();
            agent.getEnv().forEach(variable -> environment.put(variable.getName(), variable.getValue()));
            assertThat(environment)
                    .containsEntry(
                            "OPENSHELL_SANDBOX_ID",
                            pod.getMetadata().getAnnotations().get("openshell.io/sandbox-id"))
                    .containsEntry("OPENSHELL_K8S_SA_TOKEN_FILE", "/var/run/secrets/openshell/token");

            Volume volume = single(pod.getSpec().getVolumes());
            VolumeMount mount = single(agent.getVolumeMounts());
            assertThat(mount.getName()).isEqualTo(volume.getName());
            assertThat(mount.getMountPath()).isEqualTo("/var/run/secrets/openshell");
            assertThat(mount.getReadOnly()).isTrue();
            // 0400
            assertThat(volume.getProjected().getDefaultMode()).isEqualTo(256);
            ServiceAccountTokenProjection token =
                    single(volume.getProjected().getSources()).getServiceAccountToken();
            assertThat(token.getPath()).isEqualTo("token");
            assertThat(token.getAudience()).isEqualTo(values.audience());
            assertThat(token.getExpirationSeconds()).isEqualTo(3600);
        });
    }

    private static <T> T single(List<T> list) {
        assertThat(list).hasSize(1);
        return list.getFirst();
    }

    /**
     * One name in two namespaces, and two names in one of them, all for sandboxes in the same namespace. What the authoriser
     * says of an account is all that it may do.
     */
    @Test
    void releasesDoNotMeet(@TempDir Path directory) throws Exception {
        List.of("gate-a", "gate-b", "gate-boxes", "gate-only-a").forEach(this::restrict);
        Helm here = helm.at(server.kubeconfig(server.adminToken()), directory);
        install(here, "gate", "gate-a", """
                sandboxes: {namespaces: [gate-boxes, gate-only-a], serviceAccount: {name: a}}
                issuer: {records: kubernetes}
                example: {enabled: true, image: a, endpoint: 'https://envoy:8080'}
                """);
        String inBoxes = "sandboxes: {namespaces: [gate-boxes], serviceAccount: {name: %s}}";
        install(here, "gate", "gate-b", inBoxes.formatted("b"));
        install(here, "wall", "gate-a", inBoxes.formatted("c"));
        assertThat(here.run(inBoxes.formatted("a"), "install", "late", Helm.chart(), "--namespace", "gate-b")
                        .out())
                .contains("ServiceAccount \"a\" in namespace \"gate-boxes\" exists and cannot be imported");

        awaitRights("gate-a/gate-ext-authz", EXT_AUTHZ, Set.of("gate-boxes", "gate-only-a"), Set.of(REVIEWS));
        awaitRights("gate-a/gate-token-issuer", ISSUER, Set.of("gate-boxes", "gate-only-a"), Set.of());
        awaitRights("gate-b/gate-ext-authz", EXT_AUTHZ, Set.of("gate-boxes"), Set.of(REVIEWS));
        awaitRights("gate-a/wall-ext-authz", EXT_AUTHZ, Set.of("gate-boxes"), Set.of(REVIEWS));
        for (String sandbox : List.of("a", "b", "c")) {
            awaitRights("gate-boxes/" + sandbox, Set.of(), Set.of(), Set.of());
        }

        // Nothing stays of a release that goes, and nothing of another goes with it.
        here.run(List.of("uninstall", "gate", "--namespace", "gate-a")).success();
        assertThat(roles()).noneMatch(name -> name.startsWith("gate-a:gate-"));
        awaitRights("gate-b/gate-ext-authz", EXT_AUTHZ, Set.of("gate-boxes"), Set.of(REVIEWS));
        awaitRights("gate-a/wall-ext-authz", EXT_AUTHZ, Set.of("gate-boxes"), Set.of(REVIEWS));
    }

    private static void install(Helm here, String release, String namespace, String values) throws Exception {
        here.run(values, "install", release, Helm.chart(), "--namespace", namespace)
                .success();
    }

    private List<String> roles() {
        return Stream.of(
                        admin.rbac().clusterRoles().list().getItems(),
                        admin.rbac().clusterRoleBindings().list().getItems(),
                        admin.rbac().roles().inAnyNamespace().list().getItems(),
                        admin.rbac().roleBindings().inAnyNamespace().list().getItems())
                .flatMap(List::stream)
                .map(object -> object.getMetadata().getName())
                .toList();
    }

    /** That an account has these rights in these namespaces, those everywhere, and no other, is heard by the authoriser. */
    private void awaitRights(String account, Set<String> rights, Set<String> namespaces, Set<String> everywhere)
            throws InterruptedException {
        Map<String, Set<String>> expected = new TreeMap<>();
        for (String namespace : List.of("gate-a", "gate-b", "gate-boxes", "gate-only-a", "kube-system")) {
            Set<String> here = new TreeSet<>(everywhere);
            here.addAll(namespaces.contains(namespace) ? rights : Set.of());
            // What every account may do: ask what it may do.
            here.addAll(EVERYBODY);
            expected.put(namespace, here);
        }
        Config config = new ConfigBuilder(server.config(server.adminToken()))
                .withImpersonateUsername("system:serviceaccount:" + account.replace('/', ':'))
                .withImpersonateGroups("system:authenticated", "system:serviceaccounts")
                .build();
        try (KubernetesClient client =
                new KubernetesClientBuilder().withConfig(config).build()) {
            long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
            Map<String, Set<String>> found = rights(client, expected.keySet());
            while (!found.equals(expected) && System.nanoTime() < end) {
                Thread.sleep(100);
                found = rights(client, expected.keySet());
            }
            assertThat(found).as(account).isEqualTo(expected);
        }
    }

    private static Map<String, Set<String>> rights(KubernetesClient client, Set<String> namespaces) {
        Map<String, Set<String>> rights = new TreeMap<>();
        for (String namespace : namespaces) {
            GenericKubernetesResource review = YAML.unmarshal(
                    client.raw(
                            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "POST", """
                            {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
                             "spec": {"namespace": "%s"}}""".formatted(namespace)),
                    GenericKubernetesResource.class);
            assertThat((Boolean) review.get("status", "incomplete")).isFalse();
            Set<String> here = new TreeSet<>();
            // In the form of a role's rules.
            List<Object> rules = review.get("status", "resourceRules");
            rules.forEach(rule -> here.addAll(rights(YAML.convertValue(rule, PolicyRule.class))));
            rights.put(namespace, here);
        }
        return rights;
    }

    /** What the notes tell people to write into ext-authz.yaml is what ext-authz reads, and says the same. */
    @ParameterizedTest
    @EnumSource
    void theNotesHaveTheSettingsOfExtAuthz(Values values, @TempDir Path directory) throws Exception {
        // Helm shows them only where there is a cluster, even when it does nothing there.
        Helm here = helm.at(server.kubeconfig(server.adminToken()), directory);
        String notes = here.run(
                        values.yaml,
                        "install",
                        values.release(),
                        Helm.chart(),
                        "--namespace",
                        values.namespace(),
                        "--dry-run=client")
                .success();
        Problems problems = new Problems();
        // Where a pod has its files.
        Files.createFile(directory.resolve("token"));
        Files.createFile(directory.resolve("ca.crt"));
        String section = notes.substring(notes.indexOf("\nkubernetes:"))
                .replace("\nkubernetes:", "\nkubernetes:\n  service-account: " + directory);
        Settings settings = Settings.parse("ext-authz.yaml", section, problems);
        KubernetesSettings read = KubernetesSettings.read(
                settings.section("kubernetes"),
                Map.of("KUBERNETES_SERVICE_HOST", "10.0.0.1", "KUBERNETES_SERVICE_PORT", "443"));
        settings.done();
        problems.throwIfAny();
        assertThat(read.audience()).isEqualTo(values.audience());
        assertThat(read.accounts()).containsExactly(values.sandbox());
        assertThat(read.cluster().namespaces())
                .isEqualTo(
                        values.yaml.contains("namespacePrefix")
                                ? new Namespaces.Prefix("chart-")
                                : Namespaces.anyOf(values.namespaces));
    }

    /** A namespace that ext-authz would not take for one with the prefix, gets no rights. */
    @ParameterizedTest
    @CsvSource({
        "a-, a-team, true",
        "a-, a-b-team, false",
        "a-, a--team, false",
        "a-, b-team, false",
        "a-, ab-team, false",
        "a-b-, a-b-team, true",
        "a--, a--b-team, true",
        "a--, a-team, false",
        "a--, a--b--team, false",
        "a--, a---team, false",
        "a--, b-a--team, false",
    })
    void aPrefixMeansWhatItMeansToExtAuthz(String prefix, String namespace, boolean accepted) throws Exception {
        assertThat(new Namespaces.Prefix(prefix).accepts(namespace)).isEqualTo(accepted);
        Helm.Result result = helm.run(
                "sandboxes: {namespacePrefix: %s, namespaces: [%s]}".formatted(prefix, namespace),
                "template",
                Helm.chart());
        if (accepted) {
            result.success();
        } else {
            assertThat(result.code()).isNotZero();
            assertThat(result.out()).contains("sandboxes.namespaces: \"" + namespace + "\"", "\"" + prefix + "\"");
        }
    }

    /** And says which value it is. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
            {}                                                        | sandboxes.namespaces: expected at least one
            {sandboxes: {}}                                           | sandboxes.namespaces: expected at least one
            {sandboxes: {namespaces: sandboxes}}                      | /sandboxes/namespaces': got string, want array
            {sandboxes: {namespaces: [A_b]}}                          | /sandboxes/namespaces/0': 'A_b' does not match
            {sandboxes: {namespaces: [a, 5]}}                         | /sandboxes/namespaces/1': got number, want string
            {sandboxes: {namespaces: ["a\\n"]}}                       | /sandboxes/namespaces/0': 'a\\n' does not match
            {sandboxes: {namespaces: [a, a]}}                         | /sandboxes/namespaces': items at 0 and 1 are equal
            {sandboxes: {namespacePrefix: a}}                         | /sandboxes/namespacePrefix': 'a' does not match
            {sandboxes: {namespacePrefix: "-"}}                       | /sandboxes/namespacePrefix': '-' does not match
            {sandboxes: {namespace: [a]}}                             | /sandboxes': additional properties 'namespace' not allowed
            {sandboxes: {namespaces: [a], audience: " "}}             | /sandboxes/audience': ' ' does not match
            {sandboxes: {namespaces: [a], audience: null}}            | /sandboxes': missing property 'audience'
            {sandboxes: {namespaces: [a], serviceAccount: box}}       | /sandboxes/serviceAccount': got string, want object
            {sandboxes: {namespaces: [a], serviceAccount: {name: A}}} | /sandboxes/serviceAccount/name': 'A' does not match
            {sandboxes: {namespaces: [a], serviceAccount: {create: "false", name: a}}} | /sandboxes/serviceAccount/create': got string, want boolean
            {sandboxes: {namespaces: [a], serviceAccount: {create: false}}} | sandboxes.serviceAccount.name: expected the name
            {sandboxes: {namespaces: [a]}, extAuthz: {serviceAccount: {create: false}}} | extAuthz.serviceAccount.name: expected the name
            {sandboxes: {namespaces: [a]}, issuer: {serviceAccount: {create: false}}} | issuer.serviceAccount.name: expected the name
            {sandboxes: {namespaces: [here], serviceAccount: {name: gate}}, extAuthz: {serviceAccount: {name: gate}}} | sandboxes.serviceAccount.name: expected another account than ext-authz's
            {sandboxes: {namespaces: [here], serviceAccount: {name: gate}}, issuer: {serviceAccount: {name: gate}}} | sandboxes.serviceAccount.name: expected another account than token-issuer's
            {sandboxes: {namespaces: [a]}, issuer: {records: cluster}} | /issuer/records': value must be one of 'registry', 'adopt', 'kubernetes'
            {sandboxes: {namespaces: [a]}, isuer: {records: adopt}}    | additional properties 'isuer' not allowed
            {sandboxes: {namespaces: [a]}, example: {enabled: true}}   | example.image: expected
            {sandboxes: {namespaces: [a]}, example: {enabled: true}}   | example.endpoint: expected
            {sandboxes: {namespaces: [a]}, example: {endpoint: "envoy:8080"}} | /example/endpoint': 'envoy:8080' does not match
            {sandboxes: {namespaces: [a]}, example: {sandboxId: "a/b"}} | /example/sandboxId': 'a/b' does not match
            {sandboxes: {namespacePrefix: a-}, example: {enabled: true}} | example.enabled: expected a namespace
            """)
    void whatIsWrongIsRefused(String values, String said) throws Exception {
        Helm.Result result = helm.run(values, "template", "gate", Helm.chart(), "--namespace", "here");
        assertThat(result.code()).isNotZero();
        assertThat(result.out()).contains(said);
    }
}
