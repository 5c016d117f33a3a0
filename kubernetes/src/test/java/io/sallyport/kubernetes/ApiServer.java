package io.sallyport.kubernetes;

import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A real kube-apiserver and etcd of a test's own, with RBAC and without controllers: what a test does not make, is not
 * there. It can be killed and started again on the same data and port.
 *
 * <p>The programs come from {@code bin/fetch-kube-apiserver}.
 */
public final class ApiServer implements TestCluster {
    private static final long PATIENCE_SECONDS = 120;
    private static final int BIND_TRIES = 5;
    private static final Pattern COUNTED = Pattern.compile(
            "^apiserver_request_total\\{.*resource=\"(tokenreviews|pods|sandboxes)\".*verb=\"(GET|POST)\"");

    /** A process, and the one that ends it should this JVM be killed. */
    record Guarded(Process process, Process guard) {
        void kill() throws InterruptedException {
            process.destroyForcibly().waitFor();
            guard.destroyForcibly();
        }
    }

    /**
     * Where it listens, and what it does besides.
     *
     * @param address of this machine
     * @param port 0: any that is free
     * @param flags of the API server
     * @param users lines of its file of tokens
     */
    record Manner(String address, int port, List<String> flags, List<String> users) {
        /** By itself, on loopback. */
        static Manner alone(List<String> moreFlags) {
            List<String> flags =
                    new ArrayList<>(List.of("--authorization-mode=RBAC", "--endpoint-reconciler-type=none"));
            flags.addAll(moreFlags);
            return new Manner("127.0.0.1", 0, flags, List.of());
        }

        Manner {
            flags = List.copyOf(flags);
            users = List.copyOf(users);
        }

        @Override
        public String toString() {
            return address; // the users are tokens
        }
    }

    private final Path programs;
    private final Path directory;
    private final Manner manner;
    private final String adminToken = UUID.randomUUID().toString();
    private int port;
    private int etcdPort;
    private @Nullable Guarded etcd;
    private @Nullable Guarded server;
    private @Nullable KubernetesClient admin;
    private @Nullable RuntimeException unready;
    private @Nullable PrivateKey signingKey;

    private ApiServer(Path programs, Path directory, Manner manner) {
        this.programs = programs;
        this.directory = directory;
        this.manner = manner;
    }

    /**
     * Starts both, on free ports of loopback; returns when the API server is ready.
     *
     * @param flags more of them for the API server
     */
    public static ApiServer start(String... flags) throws IOException, InterruptedException {
        return start(Manner.alone(List.of(flags)));
    }

    static ApiServer start(Manner manner) throws IOException, InterruptedException {
        ApiServer server = new ApiServer(
                programs("KUBE_APISERVER", "fetch-kube-apiserver"),
                Files.createTempDirectory("sallyport-apiserver-"),
                manner);
        try {
            server.writeFiles();
            server.startEtcd();
            server.startOnAFreePort();
            return server;
        } catch (IOException | InterruptedException | RuntimeException e) {
            server.close();
            throw e;
        }
    }

    /** Where the API server listens. */
    public int port() {
        return port;
    }

    @Override
    public String url() {
        return "https://" + manner.address() + ":" + port;
    }

    /** The certificates that the server's is checked against. */
    public Path certificate() {
        return directory.resolve("certs/apiserver.crt");
    }

    /** The file of {@link #signingKey}, for the controller that fills old Secrets. */
    Path signingKeyFile() {
        return directory.resolve("sa.key");
    }

    /** The private key that service accounts' tokens are signed with: a test may sign what the server would not. */
    public PrivateKey signingKey() {
        return Objects.requireNonNull(signingKey, "not started");
    }

    /** From its next start on, the server takes whoever shows this token for this user. */
    public void believe(String token, String user) throws IOException {
        Files.writeString(
                directory.resolve("tokens.csv"), token + "," + user + ",u-" + user + "\n", StandardOpenOption.APPEND);
    }

    /** Questions about tokens, single pods and single Sandboxes so far, as the server itself counts them. */
    public long requests() {
        return admin().raw("/metrics")
                .lines()
                .filter(line -> COUNTED.matcher(line).find())
                .mapToLong(line -> Math.round(Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1))))
                .sum();
    }

    @Override
    public KubernetesClient admin() {
        KubernetesClient client = admin;
        if (client == null) {
            client =
                    new KubernetesClientBuilder().withConfig(config(adminToken)).build();
            admin = client;
        }
        return client;
    }

    /** How a bearer of this token connects. */
    public Config config(String token) {
        return new ConfigBuilder(Config.empty())
                .withMasterUrl(url())
                .withCaCertFile(certificate().toString())
                .withOauthToken(token)
                .withNamespace("default")
                .withRequestTimeout(60_000)
                .build();
    }

    /** A kubeconfig of somebody with this token, in a new file. */
    public Path kubeconfig(String token) throws IOException {
        return kubeconfig(token, url());
    }

    /** Like {@link #kubeconfig(String)}, by way of another port of this machine. */
    public Path kubeconfig(String token, int throughPort) throws IOException {
        return kubeconfig(token, "https://127.0.0.1:" + throughPort);
    }

    @Override
    public Path kubeconfig(String token, String url) throws IOException {
        Path file = Files.createTempFile(directory, "kubeconfig-", ".yaml");
        Files.writeString(file, """
                apiVersion: v1
                kind: Config
                clusters:
                - {name: test, cluster: {server: "%s", certificate-authority: "%s"}}
                users:
                - {name: test, user: {token: "%s"}}
                contexts:
                - {name: test, context: {cluster: test, user: test}}
                current-context: test
                """.formatted(url, certificate(), token));
        return file;
    }

    /** It is all ours. */
    @Override
    public String suffix() {
        return "";
    }

    @Override
    public void defineSandboxes() {
        TestSandboxes.defineSandboxes(admin());
    }

    /** The token of {@link #admin()}. */
    public String adminToken() {
        return adminToken;
    }

    /** {@code kill -9} of the API server; etcd stays. */
    public void kill() throws InterruptedException {
        Guarded running = server;
        if (running != null) {
            running.kill();
            server = null;
        }
    }

    /** Starts the API server again on the port and the data it had. */
    public void startAgain() throws IOException, InterruptedException {
        startServer();
        awaitReady();
    }

    private void writeFiles() throws IOException {
        KeyPair keys;
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
            generator.initialize(2048);
            keys = generator.generateKeyPair();
            signingKey = keys.getPrivate();
        } catch (GeneralSecurityException e) {
            throw new IOException(e);
        }
        Files.createDirectory(
                directory.resolve("certs"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        Files.writeString(signingKeyFile(), pem("PRIVATE KEY", keys.getPrivate().getEncoded()));
        Files.writeString(
                directory.resolve("sa.pub"), pem("PUBLIC KEY", keys.getPublic().getEncoded()));
        Files.writeString(
                directory.resolve("tokens.csv"),
                adminToken + ",admin,admin,\"system:masters\"\n" + String.join("\n", manner.users()) + "\n");
    }

    private static String pem(String kind, byte[] der) {
        return "-----BEGIN " + kind + "-----\n"
                + Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII))
                        .encodeToString(der)
                + "\n-----END " + kind + "-----\n";
    }

    private void startEtcd() throws IOException, InterruptedException {
        for (int i = 0; ; i++) {
            etcdPort = FreePort.choose();
            int peerPort = FreePort.choose();
            Guarded started = run(
                    programs.resolve("etcd"),
                    List.of(
                            "--data-dir=" + directory.resolve("etcd"),
                            "--unsafe-no-fsync",
                            "--log-level=warn",
                            "--listen-client-urls=http://127.0.0.1:" + etcdPort,
                            "--advertise-client-urls=http://127.0.0.1:" + etcdPort,
                            "--listen-peer-urls=http://127.0.0.1:" + peerPort,
                            "--initial-advertise-peer-urls=http://127.0.0.1:" + peerPort,
                            "--initial-cluster=default=http://127.0.0.1:" + peerPort));
            etcd = started;
            // Only so that a port which somebody else took meanwhile is found out here.
            if (!started.process().waitFor(300, TimeUnit.MILLISECONDS)) {
                return;
            }
            if (i == BIND_TRIES) {
                throw new IOException("etcd did not start:\n" + log("etcd"));
            }
        }
    }

    private void startOnAFreePort() throws IOException, InterruptedException {
        for (int i = 0; ; i++) {
            port = manner.port() == 0 ? FreePort.choose() : manner.port();
            startServer();
            try {
                awaitReady();
                return;
            } catch (IOException e) {
                if (i == BIND_TRIES || !log("kube-apiserver").contains("address already in use")) {
                    throw e;
                }
            }
        }
    }

    private void startServer() throws IOException {
        List<String> arguments = new ArrayList<>(List.of(
                "--etcd-servers=http://127.0.0.1:" + etcdPort,
                "--bind-address=" + manner.address(),
                "--secure-port=" + port,
                "--cert-dir=" + directory.resolve("certs"),
                "--token-auth-file=" + directory.resolve("tokens.csv"),
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-account-signing-key-file=" + signingKeyFile(),
                "--service-account-key-file=" + directory.resolve("sa.pub"),
                "--service-cluster-ip-range=10.96.0.0/16",
                "--shutdown-delay-duration=0s"));
        arguments.addAll(manner.flags());
        server = run(programs.resolve("kube-apiserver"), arguments);
    }

    private void awaitReady() throws IOException, InterruptedException {
        Guarded started = server;
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (true) {
            if (started == null || !started.process().isAlive() || System.nanoTime() > end) {
                throw new IOException("kube-apiserver did not start:\n" + log("kube-apiserver"), unready);
            }
            if (Files.exists(certificate()) && isReady()) {
                return;
            }
            Thread.sleep(100);
        }
    }

    private boolean isReady() {
        try {
            return "ok".equals(admin().raw("/readyz"));
        } catch (RuntimeException e) {
            unready = e;
            return false;
        }
    }

    /** The end of what a program that {@link #run} started has said. */
    String log(String program) throws IOException {
        List<String> lines = Files.readAllLines(directory.resolve(program + ".log"));
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 40), lines.size()));
    }

    /** Starts a program whose output is kept with the API server's. */
    Guarded run(Path program, List<String> arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(program.toString()));
        command.addAll(arguments);
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(
                        directory.resolve(program.getFileName() + ".log").toFile()))
                .start();
        // Should this JVM be killed, its end of the pipe closes, and no server stays behind.
        return new Guarded(process, new ProcessBuilder("sh", "-c", "read _; kill -KILL " + process.pid()).start());
    }

    /** Where the environment says, or else where a script of {@code bin/} says, which builds it first if it must. */
    static Path programs(String variable, String script) throws IOException, InterruptedException {
        String given = System.getenv(variable);
        if (given != null && !given.isEmpty()) {
            return Path.of(given);
        }
        Process fetch = new ProcessBuilder(
                        checkout().resolve("bin").resolve(script).toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String path = new String(fetch.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        if (fetch.waitFor() != 0) {
            throw new IOException("bin/" + script + " found and built nothing; see above");
        }
        return Path.of(path);
    }

    /** The folder that this is a checkout in. */
    public static Path checkout() throws IOException {
        Path directory = Path.of("").toAbsolutePath();
        while (directory != null && !Files.exists(directory.resolve("bin/fetch-kube-apiserver"))) {
            directory = directory.getParent();
        }
        if (directory == null) {
            throw new IOException("these tests run inside a checkout");
        }
        return directory;
    }

    @Override
    public void close() {
        try {
            if (admin != null) {
                admin.close();
            }
            kill();
            if (etcd != null) {
                etcd.kill();
            }
            Files.walkFileTree(directory, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.delete(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException e) throws IOException {
                    Files.delete(visited);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw new IllegalStateException("the API server's files could not be removed", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
