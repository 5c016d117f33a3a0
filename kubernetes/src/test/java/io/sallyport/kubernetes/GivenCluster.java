package io.sallyport.kubernetes;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.NamedClusterBuilder;
import io.fabric8.kubernetes.api.model.Namespace;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.api.model.rbac.ClusterRole;
import io.fabric8.kubernetes.api.model.rbac.ClusterRoleBinding;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A cluster that somebody named by {@code SALLYPORT_TEST_KUBECONFIG}. What is made there has a name of its own and is taken
 * away at the end; a cluster that defines Sandboxes itself is left alone.
 */
final class GivenCluster implements TestCluster {
    static final String VARIABLE = "SALLYPORT_TEST_KUBECONFIG";

    private final Config config;
    private final KubernetesClient admin;
    private final Path directory;
    private final String suffix =
            "-" + UUID.randomUUID().toString().substring(0, 8).toLowerCase(Locale.ROOT);
    private final List<Path> files = new ArrayList<>();
    private boolean defined;

    private GivenCluster(Config config, KubernetesClient admin, Path directory) {
        this.config = config;
        this.admin = admin;
        this.directory = directory;
    }

    /**
     * Looks at the cluster, and makes nothing there.
     *
     * @throws IllegalStateException when it must not be used
     */
    static GivenCluster open(Path kubeconfig) throws IOException {
        Config config = Config.fromKubeconfig(kubeconfig.toFile());
        KubernetesClient admin =
                new KubernetesClientBuilder().withConfig(config).build();
        if (definition(admin) != null) {
            admin.close();
            throw new IllegalStateException("the cluster of " + VARIABLE + " at " + config.getMasterUrl()
                    + " defines Sandboxes already, so they may be somebody's; name a cluster that does not");
        }
        return new GivenCluster(config, admin, Files.createTempDirectory("sallyport-given-"));
    }

    private static @Nullable CustomResourceDefinition definition(KubernetesClient admin) {
        return admin.resources(CustomResourceDefinition.class)
                .withName(SandboxResources.PLURAL + "." + SandboxResources.GROUP)
                .get();
    }

    @Override
    public KubernetesClient admin() {
        return admin;
    }

    @Override
    public String url() {
        return config.getMasterUrl();
    }

    @Override
    public Path kubeconfig(String token, String url) throws IOException {
        var cluster = new NamedClusterBuilder()
                .withName("test")
                .withNewCluster()
                .withServer(url)
                .withCertificateAuthority(config.getCaCertFile())
                .withCertificateAuthorityData(config.getCaCertData())
                .endCluster()
                .build();
        var whole = new io.fabric8.kubernetes.api.model.ConfigBuilder()
                .withClusters(cluster)
                .addNewUser()
                .withName("test")
                .withNewUser()
                .withToken(token)
                .endUser()
                .endUser()
                .addNewContext()
                .withName("test")
                .withNewContext()
                .withCluster("test")
                .withUser("test")
                .endContext()
                .endContext()
                .withCurrentContext("test")
                .build();
        Path file = Files.createTempFile(directory, "kubeconfig-", ".yaml");
        files.add(file);
        return Files.writeString(file, admin.getKubernetesSerialization().asYaml(whole));
    }

    @Override
    public String suffix() {
        return suffix;
    }

    @Override
    public void defineSandboxes() {
        TestSandboxes.defineSandboxes(admin);
        defined = true;
    }

    @Override
    public void close() {
        for (Namespace namespace : admin.namespaces().list().getItems()) {
            if (isOurs(namespace)) {
                String name = namespace.getMetadata().getName();
                // What waits for somebody would wait for ever, and its namespace with it.
                admin.pods().inNamespace(name).list().getItems().forEach(this::letGo);
                if (defined) {
                    TestSandboxes.resources(admin, "v1beta1")
                            .inNamespace(name)
                            .resources()
                            .forEach(sandbox -> letGo(sandbox.item()));
                }
                admin.resource(namespace).delete();
            }
        }
        admin.resources(ClusterRoleBinding.class).list().getItems().stream()
                .filter(this::isOurs)
                .forEach(binding -> admin.resource(binding).delete());
        admin.resources(ClusterRole.class).list().getItems().stream()
                .filter(this::isOurs)
                .forEach(role -> admin.resource(role).delete());
        if (defined) {
            admin.resource(Objects.requireNonNull(definition(admin))).delete();
        }
        admin.close();
        try {
            for (Path file : files) {
                Files.delete(file);
            }
            Files.delete(directory);
        } catch (IOException e) {
            throw new IllegalStateException("the test's kubeconfigs could not be removed", e);
        }
    }

    private boolean isOurs(HasMetadata object) {
        return object.getMetadata().getName().contains(suffix);
    }

    private void letGo(HasMetadata object) {
        if (!object.getFinalizers().isEmpty()) {
            admin.resource(object).edit(held -> {
                held.getMetadata().setFinalizers(List.of());
                return held;
            });
        }
    }
}
