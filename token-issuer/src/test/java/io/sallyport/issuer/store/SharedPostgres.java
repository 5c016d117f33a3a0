package io.sallyport.issuer.store;

import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** One PostgreSQL for all tests of a run that leave it as it is; it is stopped at the run's end, however that comes. */
public final class SharedPostgres implements ParameterResolver {
    private static final Namespace NAMESPACE = Namespace.create(SharedPostgres.class);

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext test) {
        return parameter.getParameter().getType() == PostgresServer.class;
    }

    @Override
    public PostgresServer resolveParameter(ParameterContext parameter, ExtensionContext test) {
        return test.getRoot()
                .getStore(NAMESPACE)
                .computeIfAbsent(PostgresServer.class, _ -> started(), PostgresServer.class);
    }

    private static PostgresServer started() {
        try {
            return PostgresServer.start();
        } catch (Exception e) {
            throw new IllegalStateException("no PostgreSQL for the tests", e);
        }
    }
}
