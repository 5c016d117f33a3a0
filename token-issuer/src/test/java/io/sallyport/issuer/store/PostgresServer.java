package io.sallyport.issuer.store;

import io.sallyport.kubernetes.FreePort;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URL;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.postgresql.ds.PGSimpleDataSource;
import org.tukaani.xz.XZInputStream;

/**
 * A real PostgreSQL server of a test's own: it syncs as in production, listens on loopback, and can be killed, frozen and
 * started again on the same data and port.
 *
 * <p>The binaries come from a jar and are unpacked once, below {@code target}. PostgreSQL refuses to run as root; then it
 * runs in a user namespace without users.
 */
public final class PostgresServer implements AutoCloseable {
    /** The role that owns the databases; not a superuser. */
    public static final String USER = "issuer";

    public static final String PASSWORD = "of the tests";

    private static final String SUPERUSER = "postgres";

    /** Of hashing: a test makes dozens of connections, and each password is known to everybody. */
    private static final String ROUNDS = "scram_iterations=1";

    private final Path binaries;
    private final Path directory;
    private final Path data;
    private final int port;
    private final AtomicInteger databases = new AtomicInteger();
    private @Nullable String reused;
    private @Nullable Process postmaster;
    private @Nullable Process guard;

    private PostgresServer(Path binaries, Path directory, int port) {
        this.binaries = binaries;
        this.directory = directory;
        this.data = directory.resolve("data");
        this.port = port;
    }

    /** Makes a database cluster and starts its server. */
    public static PostgresServer start() throws Exception {
        return startIn(Files.createTempDirectory("sallyport-postgres-"));
    }

    /** @param directory empty; removed in the end */
    static PostgresServer startIn(Path directory) throws Exception {
        PostgresServer server = new PostgresServer(unpacked(), directory, FreePort.choose());
        try {
            server.initialise();
            server.startAgain();
            server.asSuperuser("CREATE ROLE " + USER + " LOGIN PASSWORD '" + PASSWORD + "'");
            return server;
        } catch (Exception e) {
            server.close();
            throw e;
        }
    }

    public int port() {
        return port;
    }

    /** An empty database that {@link #USER} owns. */
    public String createDatabase() throws SQLException {
        String name = "test" + databases.incrementAndGet();
        asSuperuser("CREATE DATABASE " + name + " OWNER " + USER);
        return name;
    }

    /**
     * An empty database that {@link #USER} owns, for one test after the other: the same each time, with all that was in it
     * gone. A new one is 300 files, which take longer to make and to remove than most tests.
     */
    public synchronized String emptyDatabase() throws SQLException {
        String name = reused;
        if (name == null) {
            name = createDatabase();
            reused = name;
            return name;
        }
        asSuperuser(
                "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE datname = '" + name + "'",
                "ALTER DATABASE " + name + " RESET ALL");
        try (Connection connection = connectAsSuperuser(name);
                Statement statement = connection.createStatement()) {
            statement.execute("DROP SCHEMA public CASCADE");
            statement.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner");
            statement.execute("GRANT USAGE ON SCHEMA public TO PUBLIC");
        }
        return name;
    }

    /** Runs statements as superuser, in no database of a test's. */
    public void asSuperuser(String... statements) throws SQLException {
        try (Connection connection = connect("postgres", SUPERUSER);
                Statement statement = connection.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    public Connection connectAsSuperuser(String database) throws SQLException {
        return connect(database, SUPERUSER);
    }

    public Connection connect(String database) throws SQLException {
        return connect(database, USER);
    }

    private Connection connect(String database, String user) throws SQLException {
        PGSimpleDataSource source = new PGSimpleDataSource();
        source.setServerNames(new String[] {"127.0.0.1"});
        source.setPortNumbers(new int[] {port});
        source.setDatabaseName(database);
        source.setConnectTimeout(5);
        return source.getConnection(user, PASSWORD);
    }

    /** Starts the server on the data that are there; returns when it takes connections. */
    public void startAgain() throws Exception {
        List<String> command = command("postgres");
        command.addAll(List.of("-D", data.toString()));
        Process started = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()))
                .start();
        postmaster = started;
        // Should this JVM be killed, its end of the pipe closes, and no server stays behind.
        guard = new ProcessBuilder("sh", "-c", "read _; kill -QUIT " + started.pid()).start();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (true) {
            try {
                asSuperuser("SELECT 1");
                return;
            } catch (SQLException e) {
                if (!started.isAlive() || System.nanoTime() > end) {
                    throw new IOException("PostgreSQL did not start:\n" + Files.readString(log()), e);
                }
                Thread.sleep(20);
            }
        }
    }

    /** {@code kill -9} of the server and of every process of it, as nearly at once as can be. */
    public void kill() throws Exception {
        Process process = running();
        stopGuard();
        List<ProcessHandle> all = frozen(process);
        all.forEach(ProcessHandle::destroyForcibly);
        for (ProcessHandle each : all) {
            each.onExit().get(20, TimeUnit.SECONDS);
        }
        postmaster = null;
    }

    /** {@code SIGSTOP}: connections stay open, and nothing answers any more. */
    public void freeze() throws Exception {
        List<ProcessHandle> _ = frozen(running());
    }

    public void thaw() throws Exception {
        signal("CONT", family(running()));
    }

    /** Ends all sessions and stops. */
    public void stop() throws Exception {
        Process process = running();
        stopGuard();
        signal("INT", List.of(process.toHandle()));
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            kill();
        }
        postmaster = null;
    }

    /** Whether it has not ended by itself. */
    boolean isAlive() {
        return running().isAlive();
    }

    /** What the server had to say. */
    public Path log() {
        return directory.resolve("log");
    }

    public Path dataDirectory() {
        return data;
    }

    @Override
    public void close() throws IOException {
        try {
            if (postmaster != null) {
                kill();
            }
        } catch (Exception e) {
            throw new IOException("PostgreSQL did not stop", e);
        }
        removeTree(directory);
    }

    private Process running() {
        Process process = postmaster;
        if (process == null) {
            throw new IllegalStateException("the server does not run");
        }
        return process;
    }

    private void stopGuard() {
        if (guard != null) {
            guard.destroyForcibly();
        }
    }

    private static List<ProcessHandle> frozen(Process process) throws Exception {
        // First the one that could start others.
        signal("STOP", List.of(process.toHandle()));
        List<ProcessHandle> all = family(process);
        signal("STOP", all);
        return all;
    }

    private static List<ProcessHandle> family(Process process) {
        List<ProcessHandle> all = new ArrayList<>(process.descendants().toList());
        all.add(process.toHandle());
        return all;
    }

    private static void signal(String name, List<ProcessHandle> processes) throws Exception {
        List<String> command = new ArrayList<>(List.of("kill", "-" + name));
        processes.forEach(each -> command.add(Long.toString(each.pid())));
        // One that has ended in the meantime is no error.
        var _ = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
    }

    private void initialise() throws Exception {
        Files.writeString(passwordFile(), PASSWORD + "\n");
        List<String> command = command("initdb");
        command.addAll(List.of("-D", data.toString(), "-U", SUPERUSER, "--auth=scram-sha-256"));
        command.addAll(List.of("--pwfile=" + passwordFile(), "-E", "UTF8", "--locale=C", "--no-sync", "-c", ROUNDS));
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(log().toFile())
                .start();
        if (process.waitFor() != 0) {
            throw new IOException("initdb failed:\n" + Files.readString(log()));
        }
        Files.writeString(data.resolve("postgresql.conf"), """
                listen_addresses = '127.0.0.1'
                port = %d
                unix_socket_directories = ''
                max_connections = 120
                shared_buffers = 32MB
                %s
                # What crash tests are about.
                fsync = on
                synchronous_commit = on
                full_page_writes = on
                """.formatted(port, ROUNDS));
    }

    private List<String> command(String program) {
        List<String> command = new ArrayList<>();
        if (System.getProperty("user.name").equals("root")) {
            command.addAll(List.of("unshare", "--user"));
        }
        command.add(binaries.resolve("bin").resolve(program).toString());
        return command;
    }

    /** What the issuer's settings say of a database here. */
    public PostgresSettings settings(String database) {
        return new PostgresSettings(
                List.of("127.0.0.1"), port, database, USER, Optional.of(passwordFile()), Optional.empty(), 6);
    }

    public Path passwordFile() {
        return directory.resolve("password");
    }

    private static synchronized Path unpacked() throws Exception {
        String archive = System.getProperty("os.arch").equals("aarch64")
                ? "/postgres-linux-arm_64.txz"
                : "/postgres-linux-x86_64.txz";
        Path target = Files.createDirectories(Path.of("target").toAbsolutePath());
        URL source = PostgresServer.class.getResource(archive);
        if (source == null) {
            throw new IOException(archive + " is not on the class path");
        }
        try (InputStream in = source.openStream()) {
            // The name of the jar has the version in it.
            Path unpacked = target.resolve(
                    "postgresql-" + Integer.toHexString(source.toString().hashCode()));
            if (Files.isDirectory(unpacked)) {
                return unpacked;
            }
            Path half = Files.createTempDirectory(target, "unpacking");
            Process tar = new ProcessBuilder("tar", "-x", "-C", half.toString())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            try (OutputStream out = tar.getOutputStream();
                    XZInputStream plain = new XZInputStream(in)) {
                plain.transferTo(out);
            }
            if (tar.waitFor() != 0) {
                throw new IOException("tar could not unpack " + archive);
            }
            Files.setPosixFilePermissions(half, PosixFilePermissions.fromString("rwxr-xr-x"));
            return Files.move(half, unpacked, StandardCopyOption.ATOMIC_MOVE);
        }
    }

    private static void removeTree(Path root) throws IOException {
        Files.walkFileTree(root, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path each, @Nullable IOException e) throws IOException {
                Files.delete(each);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
