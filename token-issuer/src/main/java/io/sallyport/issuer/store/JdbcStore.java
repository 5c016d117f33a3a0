package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.FormerNameTable.Former;
import io.sallyport.issuer.store.MirroredSandbox.Resource;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.SandboxRecord.Source;
import io.sallyport.issuer.store.SandboxRecord.State;
import io.sallyport.issuer.store.SandboxStore.Mirroring.Mirrored.Change;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The store in a relational database: what each of its methods does within one transaction.
 *
 * <p>The SQL is in the tables' own classes and is the same for every database; what differs is behind {@link Database}.
 */
public final class JdbcStore implements SandboxStore {
    private static final Duration PATIENCE = Duration.ofSeconds(2);
    private static final int PROBE_BYTES = 32 * 1024;

    /** Few enough that the writes of others hardly wait for them. */
    private static final int PRUNED_AT_ONCE = 500;

    /** Long enough that no clock is so far ahead: to forget one too early would give its names away. */
    private static final Duration KEEP_LISTENERS_FOR = Duration.ofDays(1);

    private final Database database;
    private final Revocations revocations;

    JdbcStore(Database database) {
        this.database = database;
        this.revocations = new Revocations(database);
    }

    /**
     * The store in one SQLite file, which is created and migrated as needed.
     *
     * @throws IOException with the file and the remedy when it cannot be used
     */
    public static JdbcStore sqlite(Path file) throws IOException {
        return new JdbcStore(SqliteDatabase.open(file, PATIENCE, true));
    }

    /**
     * Like {@link #sqlite}, but no write waits for the disk: for measurements. A power cut takes back what was acknowledged.
     */
    public static JdbcStore sqliteWithoutSync(Path file) throws IOException {
        return new JdbcStore(SqliteDatabase.open(file, PATIENCE, false));
    }

    /**
     * The store in a PostgreSQL database, which other issuers may use too; it is migrated as needed.
     *
     * @throws IOException with the database and the remedy when it cannot be used
     */
    public static JdbcStore postgresql(PostgresSettings settings) throws IOException {
        return new JdbcStore(PostgresDatabase.open(settings));
    }

    @Override
    public Registration register(SandboxId id, SandboxName name, Source source, Instant at)
            throws StoreUnavailableException {
        return database.write(connection -> {
            database.lock(connection, id);
            database.lockName(connection, name);
            Optional<Registration> refusal = refusal(connection, id, name, at);
            if (refusal.isPresent()) {
                return refusal.get();
            }
            if (SandboxTable.find(connection, id).isPresent()) {
                SandboxTable.setName(connection, id, Optional.of(name), EventLog.recordChanged(connection, id, at));
                database.announce(connection);
                return new Registration.Registered(registered(connection, id));
            }
            if (!SandboxTable.insert(connection, id, Optional.of(name), source, at)) {
                // Another transaction took the name between the question and this.
                return refusal(connection, id, name, at)
                        .orElseThrow(() -> new SQLException("the name " + name + " is taken, and by nobody"));
            }
            SandboxTable.setVersion(connection, id, EventLog.recordChanged(connection, id, at));
            database.announce(connection);
            return new Registration.Registered(registered(connection, id));
        });
    }

    @Override
    public Optional<Adoption> adopt(SandboxClaims token, Instant at) throws StoreUnavailableException {
        SandboxId id = token.sandbox();
        return database.write(connection -> {
            database.lock(connection, id);
            Optional<SandboxRecord> known = SandboxTable.find(connection, id);
            if (known.isPresent()) {
                return Optional.of(new Adoption(known.get(), false));
            }
            if (revocations.of(connection, token, Optional.empty()).isPresent()) {
                return Optional.empty();
            }
            boolean isNew = SandboxTable.insert(connection, id, Optional.empty(), Source.ADOPT, at);
            if (isNew) {
                SandboxTable.setVersion(connection, id, EventLog.recordChanged(connection, id, at));
                database.announce(connection);
            }
            return Optional.of(new Adoption(registered(connection, id), isNew));
        });
    }

    private static Optional<Registration> refusal(Connection connection, SandboxId id, SandboxName name, Instant at)
            throws SQLException {
        Optional<SandboxRecord> known = SandboxTable.find(connection, id);
        if (known.isPresent()) {
            SandboxRecord record = known.get();
            if (record.state() == State.DELETED) {
                return Optional.of(new Registration.IdDeleted(record));
            }
            if (record.name().isPresent() || record.source() == Source.KUBERNETES) {
                return Optional.of(
                        record.name().equals(Optional.of(name))
                                ? new Registration.Registered(record)
                                : new Registration.IdTaken(record));
            }
        }
        return nameRefusal(connection, id, Optional.of(name), at);
    }

    /** Why a sandbox cannot be called so now, if that is so. */
    private static Optional<Registration> nameRefusal(
            Connection connection, SandboxId id, Optional<SandboxName> wanted, Instant at) throws SQLException {
        if (wanted.isEmpty()) {
            return Optional.empty();
        }
        SandboxName name = wanted.get();
        Optional<SandboxRecord> holder = SandboxTable.findLiving(connection, name);
        if (holder.isPresent()) {
            return Optional.of(new Registration.NameTaken(holder.get()));
        }
        Optional<Former> deleted = SandboxTable.findDeleted(connection, name, at.minus(NAME_REST))
                .map(last -> new Former(last.id(), last.deleted().orElseThrow(), last.version()));
        Optional<Former> renamed = FormerNameTable.find(connection, name)
                // What it was called before, a sandbox may be called again.
                .filter(former -> !former.sandbox().equals(id))
                .filter(former -> former.until().isAfter(at.minus(NAME_REST)));
        for (Former former : Stream.concat(deleted.stream(), renamed.stream()).toList()) {
            if (isBelieved(connection, former, at)) {
                return Optional.of(new Registration.NameResting(former.sandbox(), former.until()));
            }
        }
        return Optional.empty();
    }

    /** Whether an ext-authz may still take a sandbox for alive, or for called so, or a request of it be under way. */
    private static boolean isBelieved(Connection connection, Former former, Instant at) throws SQLException {
        Instant earliest = former.until().plus(SHORTEST_NAME_REST);
        return at.isBefore(earliest) || ListenerTable.anyBehind(connection, former.version(), at);
    }

    @Override
    public Mirroring mirror(MirroredSandbox said, Instant at) throws StoreUnavailableException {
        SandboxId id = said.id();
        return database.write(connection -> {
            database.lock(connection, id);
            if (said.name().isPresent()) {
                database.lockName(connection, said.name().get());
            }
            Optional<SandboxRecord> known = SandboxTable.find(connection, id);
            if (known.isEmpty()) {
                return makeMirrored(connection, said, at);
            }
            SandboxRecord record = known.get();
            if (record.state() == State.DELETED) {
                return new Mirroring.IdDeleted(record);
            }
            Optional<Resource> resource = ResourceTable.find(connection, id);
            return resource.isPresent() && resource.get().equals(said.resource())
                    ? rename(connection, record, said.name(), at)
                    : new Mirroring.IdTaken(record, resource);
        });
    }

    private Mirroring makeMirrored(Connection connection, MirroredSandbox said, Instant at) throws SQLException {
        Optional<Registration> refusal = nameRefusal(connection, said.id(), said.name(), at);
        if (refusal.isPresent()) {
            return new Mirroring.NameRefused(refusal.get());
        }
        if (SandboxTable.insert(connection, said.id(), said.name(), Source.KUBERNETES, at)) {
            ResourceTable.insert(connection, said.id(), said.resource());
            SandboxTable.setVersion(connection, said.id(), EventLog.recordChanged(connection, said.id(), at));
            database.announce(connection);
            return new Mirroring.Mirrored(registered(connection, said.id()), Change.MADE);
        }
        // Another transaction took the name between the question and this.
        return new Mirroring.NameRefused(nameRefusal(connection, said.id(), said.name(), at)
                .orElseThrow(() -> new SQLException("there is no room for " + said + ", and nobody has it")));
    }

    private Mirroring rename(Connection connection, SandboxRecord record, Optional<SandboxName> name, Instant at)
            throws SQLException {
        if (record.name().equals(name)) {
            return new Mirroring.Mirrored(record, Change.NONE);
        }
        Optional<Registration> refusal = nameRefusal(connection, record.id(), name, at);
        Optional<SandboxName> possible = refusal.isPresent() ? Optional.empty() : name;
        if (!record.name().equals(possible)) {
            long version = EventLog.recordChanged(connection, record.id(), at);
            if (record.name().isPresent()) {
                FormerNameTable.put(connection, record.name().get(), new Former(record.id(), at, version));
            }
            SandboxTable.setName(connection, record.id(), possible, version);
            database.announce(connection);
        }
        return refusal.isPresent()
                ? new Mirroring.NameRefused(refusal.get())
                : new Mirroring.Mirrored(registered(connection, record.id()), Change.RENAMED);
    }

    @Override
    public Optional<SandboxRecord> unmirror(SandboxId id, Resource resource, Instant at)
            throws StoreUnavailableException {
        return database.writeUrgently(connection -> {
            database.lock(connection, id);
            if (!ResourceTable.find(connection, id).equals(Optional.of(resource))) {
                return Optional.empty();
            }
            return SandboxTable.find(connection, id).isPresent() ? delete(connection, id, at) : Optional.empty();
        });
    }

    /** Of a sandbox that is not deleted. */
    private Optional<SandboxRecord> delete(Connection connection, SandboxId id, Instant at) throws SQLException {
        ResourceTable.remove(connection, id);
        SandboxTable.setDeleted(connection, id, at, EventLog.recordChanged(connection, id, at));
        database.announce(connection);
        return SandboxTable.find(connection, id);
    }

    @Override
    public List<MirroredSandbox> mirrored(String namespace, String name) throws StoreUnavailableException {
        return database.read(connection -> ResourceTable.named(connection, namespace, name));
    }

    @Override
    public List<MirroredSandbox> mirrored(Optional<SandboxId> after, int limit) throws StoreUnavailableException {
        return database.read(connection -> ResourceTable.list(connection, after, limit));
    }

    @Override
    public Optional<Resource> resource(SandboxId id) throws StoreUnavailableException {
        return database.read(connection -> ResourceTable.find(connection, id));
    }

    private static SandboxRecord registered(Connection connection, SandboxId id) throws SQLException {
        return SandboxTable.find(connection, id)
                .orElseThrow(() -> new SQLException("the sandbox " + id + " has gone within one transaction"));
    }

    @Override
    public Optional<SandboxRecord> find(SandboxId id) throws StoreUnavailableException {
        return database.read(connection -> SandboxTable.find(connection, id));
    }

    @Override
    public Optional<SandboxRecord> delete(SandboxId id, Instant at) throws StoreUnavailableException {
        return database.writeUrgently(connection -> {
            database.lock(connection, id);
            Optional<SandboxRecord> known = SandboxTable.find(connection, id);
            if (known.isEmpty() || known.get().state() == State.DELETED) {
                return known;
            }
            return delete(connection, id, at);
        });
    }

    @Override
    public Optional<SandboxRecord> setStopped(SandboxId id, boolean stopped, Instant at)
            throws StoreUnavailableException {
        State state = stopped ? State.STOPPED : State.ACTIVE;
        Database.Work<Optional<SandboxRecord>> change = connection -> {
            database.lock(connection, id);
            Optional<SandboxRecord> known = SandboxTable.find(connection, id);
            if (known.isEmpty()
                    || known.get().state() == State.DELETED
                    || known.get().state() == state) {
                return known;
            }
            SandboxTable.setState(connection, id, state, EventLog.recordChanged(connection, id, at));
            database.announce(connection);
            return SandboxTable.find(connection, id);
        };
        return stopped ? database.writeUrgently(change) : database.write(change);
    }

    @Override
    public List<SandboxRecord> list(Optional<SandboxId> after, int limit, boolean includeDeleted)
            throws StoreUnavailableException {
        return database.read(connection -> SandboxTable.list(connection, after, limit, includeDeleted));
    }

    @Override
    public Succession openLineage(
            SandboxId id, Optional<String> tokenFile, RefreshRules rules, TokenDrafts drafts, Instant at)
            throws StoreUnavailableException {
        Lineages lineages = new Lineages(rules, drafts, revocations);
        return database.write(connection -> {
            database.lock(connection, id);
            return lineages.open(connection, id, tokenFile, at);
        });
    }

    @Override
    public Succession refresh(SandboxClaims token, RefreshRules rules, TokenDrafts drafts, Instant at)
            throws StoreUnavailableException {
        Lineages lineages = new Lineages(rules, drafts, revocations);
        return database.write(connection -> {
            database.lock(connection, token.sandbox());
            if (token.lineage().isPresent() && token.lineage().get().generation() == 0) {
                // It may open another lineage: either that is seen by who takes this one back, or that it was taken
                // back
                // is seen here.
                database.lockLineage(connection, token.lineage().get().id());
            }
            return lineages.refresh(connection, token, at);
        });
    }

    @Override
    public Optional<LineageLife> lineage(SandboxId sandbox, Lineage place, RefreshRules rules)
            throws StoreUnavailableException {
        return database.read(connection -> LineageLife.of(connection, sandbox, place, rules));
    }

    @Override
    public Optional<Revocation> revoke(Revocation revocation) throws StoreUnavailableException {
        return database.writeUrgently(connection -> {
            Optional<SandboxId> owner = switch (revocation.subject()) {
                case Subject.Sandbox(SandboxId id) -> Optional.of(id);
                case Subject.Lineage(String lineage) -> LineageTable.sandboxOf(connection, lineage);
                case Subject.Token _, Subject.Key _ -> Optional.empty();
            };
            if (owner.isPresent()) {
                database.lock(connection, owner.get());
            }
            if (revocation.subject() instanceof Subject.Lineage(String lineage)) {
                database.lockLineage(connection, lineage);
            }
            if (revocation.subject() instanceof Subject.Sandbox(SandboxId id)
                    && SandboxTable.find(connection, id).isEmpty()) {
                return Optional.empty();
            }
            return Optional.of(revocations.add(connection, revocation).getFirst());
        });
    }

    @Override
    public Optional<Revocation> revocation(Subject subject) throws StoreUnavailableException {
        return database.read(connection -> RevocationTable.find(connection, subject));
    }

    @Override
    public List<Revocation> revocations(Optional<Subject> after, int limit) throws StoreUnavailableException {
        return database.read(connection -> RevocationTable.list(connection, after, limit));
    }

    @Override
    public FeedPosition position() throws StoreUnavailableException {
        return database.read(EventLog::position);
    }

    @Override
    public Optional<FeedDelta> events(FeedPosition after, int limit) throws StoreUnavailableException {
        return database.read(connection -> EventLog.since(connection, after, limit));
    }

    @Override
    public AutoCloseable onEvent(Runnable wake) {
        return database.onEvent(wake);
    }

    @Override
    public void listening(List<Listener> listeners) throws StoreUnavailableException {
        // In one order for everybody, so that two issuers do not wait for each other.
        List<Listener> inOrder = listeners.stream()
                .sorted(Comparator.comparing(Listener::replica))
                .toList();
        var _ = database.writeUrgently(connection -> {
            String store = EventLog.position(connection).storeId();
            for (Listener listener : inOrder) {
                // What was heard of another log says nothing about this one's numbers.
                long heard = listener.heard()
                        .filter(position -> position.storeId().equals(store))
                        .map(FeedPosition::seq)
                        .orElse(-1L);
                ListenerTable.put(connection, listener.replica(), heard, listener.until());
            }
            return inOrder.size();
        });
    }

    @Override
    public void left(String replica) throws StoreUnavailableException {
        var _ = database.writeUrgently(connection -> {
            ListenerTable.remove(connection, replica);
            return true;
        });
    }

    @Override
    public boolean prune(RefreshRules rules, long keepEvents, Duration keepEventsFor, Instant at)
            throws StoreUnavailableException {
        return database.write(connection -> {
            int lineages = LineageTable.prune(connection, rules, at, PRUNED_AT_ONCE);
            int old = RevocationTable.prune(connection, at, PRUNED_AT_ONCE);
            int events = EventLog.prune(connection, keepEvents, at.minus(keepEventsFor), PRUNED_AT_ONCE);
            int listeners = ListenerTable.prune(connection, at.minus(KEEP_LISTENERS_FOR), PRUNED_AT_ONCE);
            int names = FormerNameTable.prune(connection, at.minus(KEEP_LISTENERS_FOR), PRUNED_AT_ONCE);
            return IntStream.of(lineages, old, events, listeners, names).anyMatch(removed -> removed == PRUNED_AT_ONCE);
        });
    }

    @Override
    public List<TokenFile> tokenFiles(SandboxId id) throws StoreUnavailableException {
        return database.read(connection -> TokenFileTable.list(connection, id));
    }

    @Override
    public void probe(Instant at) throws StoreUnavailableException {
        // Never the same twice: SQLite writes nothing where nothing changes, and would find nothing out.
        byte[] padding = new byte[PROBE_BYTES];
        ThreadLocalRandom.current().nextBytes(padding);
        database.write(connection -> Sql.update(
                connection,
                "INSERT INTO probes (id, at, padding) VALUES (1, ?, ?)"
                        + " ON CONFLICT (id) DO UPDATE SET at = excluded.at, padding = excluded.padding",
                at.toEpochMilli(),
                padding));
    }

    @Override
    public void close() {
        database.close();
    }

    /** For tests that look at, or change, what no method of the store would. */
    Database database() {
        return database;
    }
}
