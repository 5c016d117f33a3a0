package io.sallyport.issuer.store;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.parallel.ResourceLock;

/** One PostgreSQL for all test classes, one at a time, that leave it as it was; it is stopped at the run's end, however that comes. */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(SharedPostgres.Resolver.class)
@ResourceLock("the shared PostgreSQL")
public @interface SharedPostgres {
    /** Hands out the server. */
    final class Resolver implements ParameterResolver {
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
}
