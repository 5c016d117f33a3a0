package io.sallyport.kubernetes;

import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** One API server for all tests of a run that leave it running; it is stopped at the run's end, however that comes. */
public final class SharedApiServer implements ParameterResolver {
    private static final Namespace NAMESPACE = Namespace.create(SharedApiServer.class);

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext test) {
        return parameter.getParameter().getType() == ApiServer.class;
    }

    @Override
    public ApiServer resolveParameter(ParameterContext parameter, ExtensionContext test) {
        return test.getRoot().getStore(NAMESPACE).computeIfAbsent(ApiServer.class, _ -> started(), ApiServer.class);
    }

    private static ApiServer started() {
        try {
            return ApiServer.start();
        } catch (Exception e) {
            throw new IllegalStateException("no API server for the tests", e);
        }
    }
}
