package io.sallyport.issuer.store;

import io.sallyport.identity.SandboxId;
import java.sql.Connection;
import java.sql.SQLException;

/**
 * Transactions on one database: all that {@link JdbcStore} needs to know of SQLite or PostgreSQL.
 *
 * <p>Work is run as a whole or not at all. It may be run more than once (after a conflict, say), so that it changes
 * nothing but the database; its last run is the one that counts.
 */
interface Database extends AutoCloseable {
    /** What is done with a connection, within one transaction. */
    @FunctionalInterface
    interface Work<T> {
        T run(Connection connection) throws SQLException;
    }

    /**
     * Runs work that may write and commits it: when this returns, what the work did is on the disk.
     *
     * @throws StoreBusyException when the turn did not come in time; nothing has happened
     * @throws StoreUnavailableException when it failed, or when nobody knows whether it was committed
     */
    <T> T write(Work<T> work) throws StoreUnavailableException;

    /** Like {@link #write}, for work that must get through: before others, and on a full disk where that can be had. */
    default <T> T writeUrgently(Work<T> work) throws StoreUnavailableException {
        return write(work);
    }

    /** Runs work that cannot write, and sees one moment of the database all the way through. */
    <T> T read(Work<T> work) throws StoreUnavailableException;

    /**
     * Within a write: waits until no other transaction works on this sandbox, and keeps others waiting until the end of
     * this one. Taken before anything of the sandbox is read, known or not; a transaction locks one sandbox at most.
     */
    void lock(Connection connection, SandboxId sandbox) throws SQLException;

    /**
     * Like {@link #lock}, for whoever opens a lineage with a bootstrap token of this one, or takes this one back. Taken
     * after the sandbox's, if that is known; a transaction locks one lineage at most.
     */
    void lockLineage(Connection connection, String lineage) throws SQLException;

    /** Like {@link #lock}, for whoever wants this name. Taken after the sandbox's; a transaction locks one name at most. */
    void lockName(Connection connection, SandboxName name) throws SQLException;

    /** Within a write that added to the event log: once it is committed, those who wait for events are woken. */
    void announce(Connection connection) throws SQLException;

    /**
     * Calls back soon after events were committed, by this process or another; sometimes also for nothing.
     *
     * @param wake must return at once
     * @return ends the calls
     */
    AutoCloseable onEvent(Runnable wake);

    @Override
    void close();
}
