package io.sallyport.e2e;

import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Replicas;
import org.junit.jupiter.api.extension.ExtendWith;

/** One issuer with its memory in a file, and three ext-authz. */
@ExtendWith(Arenas.Resolver.class)
class SqliteReplicasTest extends ReplicasContract {
    SqliteReplicasTest(Arenas arenas) {
        super(Replicas.onSqlite(arenas));
    }
}
