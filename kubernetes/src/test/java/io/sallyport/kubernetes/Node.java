package io.sallyport.kubernetes;

import io.fabric8.kubernetes.api.model.NodeCondition;
import io.sallyport.kubernetes.ApiServer.Guarded;
import io.sallyport.kubernetes.ApiServer.Manner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * A cluster of one node: API server, controller-manager, scheduler, kubelet and containerd, as one finds them, but for a
 * network with one bridge. Pods reach the API server at its service's address, where it listens itself.
 *
 * <p>It lives where {@code bin/apart} has put this JVM, and what it leaves there goes with that: see {@code ./test --cluster}.
 * The kubelet obeys whoever reaches it; nobody does who is not in here.
 */
public final class Node implements AutoCloseable {
    /** The one image there is: Java in {@code /java}, our programs in {@code /app}. */
    public static final String IMAGE = "localhost/sallyport:test";

    private static final Path CNI_PLUGINS = Path.of("/usr/lib/cni");
    private static final Path KUBELET = Path.of("/var/lib/kubelet");
    private static final String NAME = "sallyport-node";
    private static final String SERVICE_ADDRESS = "10.96.0.1";
    private static final String CONTAINERD = "/run/containerd.sock";
    private static final long PATIENCE_SECONDS = 120;

    private final String address;
    private final ApiServer server;
    private final Path directory;
    private final List<Guarded> programs = new ArrayList<>();

    private Node(String address, ApiServer server, Path directory) {
        this.address = address;
        this.server = server;
        this.directory = directory;
    }

    /** Starts all of it; returns when the node is ready for pods. */
    public static Node start() throws IOException, InterruptedException {
        String address = System.getenv("SALLYPORT_APART");
        if (address == null) {
            throw new IOException("a node changes the machine it runs on; run ./test --cluster, which keeps it apart");
        }
        // The programs first: what cannot be had is said before anything runs.
        Path kubernetes = ApiServer.programs("KUBE_NODE", "fetch-kube-node");
        Map<String, String> tokens = Map.of(
                "system:node:" + NAME,
                UUID.randomUUID().toString(),
                "system:kube-controller-manager",
                UUID.randomUUID().toString(),
                "system:kube-scheduler",
                UUID.randomUUID().toString());
        ApiServer server = ApiServer.start(new Manner(
                SERVICE_ADDRESS,
                443,
                List.of(
                        "--authorization-mode=Node,RBAC",
                        "--enable-admission-plugins=NodeRestriction",
                        "--kubelet-preferred-address-types=InternalIP"),
                tokens.entrySet().stream().map(Node::user).toList()));
        Node node = new Node(address, server, Files.createTempDirectory("sallyport-node-"));
        try {
            node.startContainerd();
            node.startControllers(kubernetes, tokens);
            node.startKubelet(kubernetes, tokens);
            node.await("the node is ready", node::isReady);
            return node;
        } catch (IOException | InterruptedException | RuntimeException e) {
            node.close();
            throw e;
        }
    }

    private static String user(Map.Entry<String, String> tokenOf) {
        String name = tokenOf.getKey();
        String groups = name.startsWith("system:node:") ? ",\"system:nodes\"" : "";
        return tokenOf.getValue() + "," + name + "," + name + groups;
    }

    /** Its API server. */
    public ApiServer server() {
        return server;
    }

    /** Where pods reach what listens on the node. */
    public String address() {
        return address;
    }

    /** The projected volumes that the kubelet has made for a pod. */
    public Path projectedVolumes(String podUid) {
        return KUBELET.resolve("pods").resolve(podUid).resolve("volumes/kubernetes.io~projected");
    }

    private void startContainerd() throws IOException, InterruptedException {
        Path image = directory.resolve("image.tar");
        finish(List.of(ApiServer.checkout().resolve("bin/pod-image").toString(), IMAGE, image.toString()));
        Path network = Files.createDirectory(directory.resolve("cni"));
        Files.writeString(network.resolve("pods.conflist"), """
                {"cniVersion": "0.4.0", "name": "pods", "plugins": [
                  {"type": "bridge", "bridge": "pods", "isGateway": false,
                   "ipam": {"type": "host-local", "dataDir": "%s",
                     "ranges": [[{"subnet": "10.88.0.0/16", "rangeStart": "10.88.1.1", "gateway": "%s"}]],
                     "routes": [{"dst": "0.0.0.0/0"}]}}]}
                """.formatted(directory.resolve("addresses"), address));
        Path config = Files.writeString(directory.resolve("containerd.toml"), """
                version = 2
                root = "%s"
                state = "/run/containerd"
                oom_score = 0
                [grpc]
                  address = "%s"
                [plugins."io.containerd.grpc.v1.cri"]
                  sandbox_image = "%s"
                  netns_mounts_under_state_dir = true
                  # What a machine without systemd, AppArmor or CAP_SYS_RESOURCE can do.
                  restrict_oom_score_adj = true
                  disable_apparmor = true
                  disable_hugetlb_controller = true
                  tolerate_missing_hugetlb_controller = true
                  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
                    runtime_type = "io.containerd.runc.v2"
                    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
                      SystemdCgroup = false
                  [plugins."io.containerd.grpc.v1.cri".cni]
                    bin_dir = "%s"
                    conf_dir = "%s"
                """.formatted(
                        directory.resolve("containerd"), CONTAINERD, IMAGE, CNI_PLUGINS, network));
        run(Path.of("containerd"), List.of("--config=" + config));
        await("containerd listens", () -> Files.exists(Path.of(CONTAINERD)));
        finish(List.of("ctr", "--address", CONTAINERD, "--namespace", "k8s.io", "images", "import", image.toString()));
        Files.delete(image);
    }

    private void startControllers(Path kubernetes, Map<String, String> tokens) throws IOException {
        run(
                kubernetes.resolve("kube-controller-manager"),
                List.of(
                        "--kubeconfig=" + kubeconfig("system:kube-controller-manager", tokens),
                        "--service-account-private-key-file=" + server.signingKeyFile(),
                        "--root-ca-file=" + server.certificate(),
                        "--use-service-account-credentials",
                        "--leader-elect=false",
                        "--secure-port=0"));
        run(
                kubernetes.resolve("kube-scheduler"),
                List.of(
                        "--kubeconfig=" + kubeconfig("system:kube-scheduler", tokens),
                        "--leader-elect=false",
                        "--secure-port=0"));
    }

    private void startKubelet(Path kubernetes, Map<String, String> tokens) throws IOException {
        Path config = Files.writeString(directory.resolve("kubelet.yaml"), """
                apiVersion: kubelet.config.k8s.io/v1beta1
                kind: KubeletConfiguration
                address: %s
                healthzPort: 0
                containerRuntimeEndpoint: unix://%s
                authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
                authorization: {mode: AlwaysAllow}
                cgroupDriver: cgroupfs
                enforceNodeAllocatable: []
                failCgroupV1: false
                failSwapOn: false
                localStorageCapacityIsolation: false
                makeIPTablesUtilChains: false
                maxOpenFiles: 20000
                oomScoreAdj: 0
                resolvConf: ""
                imageGCHighThresholdPercent: 100
                evictionHard: {memory.available: "10Mi"}
                """.formatted(address, CONTAINERD));
        run(
                kubernetes.resolve("kubelet"),
                List.of(
                        "--config=" + config,
                        "--kubeconfig=" + kubeconfig("system:node:" + NAME, tokens),
                        "--hostname-override=" + NAME,
                        "--node-ip=" + address,
                        "--root-dir=" + KUBELET));
    }

    private Path kubeconfig(String user, Map<String, String> tokens) throws IOException {
        String token = tokens.get(user);
        if (token == null) {
            throw new IllegalArgumentException(user);
        }
        return server.kubeconfig(token);
    }

    private boolean isReady() {
        io.fabric8.kubernetes.api.model.Node node =
                server.admin().nodes().withName(NAME).get();
        return node != null
                && node.getSpec().getTaints().isEmpty()
                && node.getStatus().getConditions().stream()
                        .filter(condition -> condition.getType().equals("Ready"))
                        .map(NodeCondition::getStatus)
                        .anyMatch("True"::equals);
    }

    private void run(Path program, List<String> arguments) throws IOException {
        programs.add(server.run(program, arguments));
    }

    /** Runs a program to its end. */
    private static void finish(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        if (process.waitFor() != 0) {
            throw new IOException(command.getFirst() + " failed; see above");
        }
    }

    private void await(String what, BooleanSupplier condition) throws IOException, InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end
                    || programs.stream().anyMatch(each -> !each.process().isAlive())) {
                throw new IOException("this did not come about: " + what + "\n" + logs());
            }
            Thread.sleep(100);
        }
    }

    /** The last lines of what each part has said, for the message of a test that failed. */
    public String logs() {
        StringBuilder logs = new StringBuilder();
        for (String program : List.of("containerd", "kube-controller-manager", "kube-scheduler", "kubelet")) {
            try {
                logs.append("\n== ").append(program).append('\n').append(server.log(program));
            } catch (IOException e) {
                logs.append("not started");
            }
        }
        return logs.toString();
    }

    /** Ends the programs; pods, mounts and files end with the place that {@code bin/apart} has made. */
    @Override
    public void close() {
        try {
            for (Guarded program : programs.reversed()) {
                program.kill();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        server.close();
    }
}
