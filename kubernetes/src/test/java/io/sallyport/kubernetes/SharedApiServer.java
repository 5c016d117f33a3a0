package io.sallyport.kubernetes;

import java.io.IOException;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.parallel.ResourceLock;

/**
 * One API server for all test classes that leave it running, one class at a time; it is stopped at the run's end, however
 * that comes.
 *
 * <p>A test that takes a {@link TestCluster} and not an {@link ApiServer} runs on the cluster of {@code
 * SALLYPORT_TEST_KUBECONFIG} where that is set.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(SharedApiServer.Resolver.class)
@ResourceLock("the shared API server")
public @interface SharedApiServer {
    /** Hands out the server. */
    final class Resolver implements ParameterResolver {
        private static final Namespace NAMESPACE = Namespace.create(SharedApiServer.class);

        @Override
        public boolean supportsParameter(ParameterContext parameter, ExtensionContext test) {
            return parameter.getParameter().getType() == ApiServer.class
                    || parameter.getParameter().getType() == TestCluster.class;
        }

        @Override
        public TestCluster resolveParameter(ParameterContext parameter, ExtensionContext test) {
            ExtensionContext.Store store = test.getRoot().getStore(NAMESPACE);
            return isGiven() && parameter.getParameter().getType() == TestCluster.class
                    ? store.computeIfAbsent(GivenCluster.class, _ -> opened(), GivenCluster.class)
                    : store.computeIfAbsent(ApiServer.class, _ -> started(), ApiServer.class);
        }

        /** Whether a {@link TestCluster} is not one of our own. */
        static boolean isGiven() {
            return !given().isEmpty();
        }

        private static String given() {
            return Objects.requireNonNullElse(System.getenv(GivenCluster.VARIABLE), "");
        }

        private static ApiServer started() {
            try {
                return ApiServer.start();
            } catch (Exception e) {
                throw new IllegalStateException("no API server for the tests", e);
            }
        }

        private static GivenCluster opened() {
            try {
                return GivenCluster.open(Path.of(given()));
            } catch (IOException e) {
                throw new IllegalStateException("the cluster of " + GivenCluster.VARIABLE + " cannot be used", e);
            }
        }
    }
}
