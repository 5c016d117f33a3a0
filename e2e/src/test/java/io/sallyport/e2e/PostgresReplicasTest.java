package io.sallyport.e2e;

import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.Replicas;
import io.sallyport.e2e.support.Supervisor;
import io.sallyport.issuer.store.PostgresServer;
import io.sallyport.issuer.store.SharedPostgres;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Two issuers on one PostgreSQL, and three ext-authz. */
@ExtendWith(Arenas.Resolver.class)
@SharedPostgres
class PostgresReplicasTest extends ReplicasContract {
    PostgresReplicasTest(Arenas arenas, PostgresServer server) throws SQLException {
        super(Replicas.onPostgres(arenas, server, server.createDatabase()));
    }

    @Test
    void takenBackThroughTheOtherIssuerWhileOneIsDead() {
        Map<Taking, List<Supervisor>> cases = oneForEach();
        replicas.issuers().getFirst().kill(Part.ISSUER);
        cases.forEach((taking, doors) ->
                taking.at(replicas.issuers().getLast(), doors.getFirst().token()));
        cases.forEach((taking, doors) -> {
            callsRefused(taking.reason, doors);
            Eventually.refuses("a refresh at the issuer that lives", taking.reason, doors.get(1)::refresh);
        });
    }

    /** Its connections stand, and nothing comes. */
    @Test
    void takenBackThroughTheOtherIssuerWhileOneIsFrozen() {
        Map<Taking, List<Supervisor>> cases = oneForEach();
        SallyportStack frozen = replicas.issuers().getFirst();
        frozen.suspend(Part.ISSUER);
        try {
            cases.forEach((taking, doors) ->
                    taking.at(replicas.issuers().getLast(), doors.getFirst().token()));
            cases.forEach((taking, doors) -> callsRefused(taking.reason, doors));
        } finally {
            frozen.resume(Part.ISSUER);
        }
        cases.forEach((taking, doors) -> refusedEverywhere(taking.reason, doors));
    }
}
