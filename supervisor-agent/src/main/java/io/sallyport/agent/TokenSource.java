package io.sallyport.agent;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;

/** Where the supervisor's token comes from. Its text form names the place and never shows the token. */
public sealed interface TokenSource permits FixedTokenSource, FileTokenSource, ServiceAccountTokenSource {
    /**
     * The token to send now.
     *
     * @throws TokenUnavailableException when there is none
     */
    String token() throws TokenUnavailableException;

    /**
     * The gateway answered UNAUTHENTICATED to a call with {@code token}. A source that can get another one does so at the
     * next call; one that was handed its token, or whose file somebody else writes, has nothing to do.
     */
    default void rejected(String token) {}

    /**
     * The source an environment asks for, the first that is set (and not blank): {@code OPENSHELL_SANDBOX_TOKEN}, {@code
     * OPENSHELL_SANDBOX_TOKEN_FILE}, {@code OPENSHELL_K8S_SA_TOKEN_FILE}.
     *
     * @param exchange how a ServiceAccount token is exchanged, should it come to that; not called here
     * @throws AgentSettingsException when none is set, or the one that is cannot be used
     */
    static TokenSource fromEnvironment(
            Map<String, String> environment, InstantSource clock, ServiceAccountTokenSource.Exchange exchange)
            throws AgentSettingsException {
        String token =
                environment.getOrDefault(EnvironmentNames.SANDBOX_TOKEN, "").strip();
        if (!token.isEmpty()) {
            if (!TokenText.isToken(token)) {
                throw problem(EnvironmentNames.SANDBOX_TOKEN + " does not hold a bearer token");
            }
            return new FixedTokenSource(token);
        }
        String file = environment
                .getOrDefault(EnvironmentNames.SANDBOX_TOKEN_FILE, "")
                .strip();
        if (!file.isEmpty()) {
            try {
                return new FileTokenSource(Path.of(file), clock);
            } catch (InvalidPathException e) {
                throw problem(EnvironmentNames.SANDBOX_TOKEN_FILE + " is not a path");
            }
        }
        String serviceAccount =
                environment.getOrDefault(EnvironmentNames.K8S_SA_TOKEN_FILE, "").strip();
        if (!serviceAccount.isEmpty()) {
            try {
                return new ServiceAccountTokenSource(Path.of(serviceAccount), exchange, clock);
            } catch (InvalidPathException e) {
                throw problem(EnvironmentNames.K8S_SA_TOKEN_FILE + " is not a path");
            }
        }
        throw problem("no credential: set " + EnvironmentNames.SANDBOX_TOKEN_FILE + ", "
                + EnvironmentNames.K8S_SA_TOKEN_FILE + " or " + EnvironmentNames.SANDBOX_TOKEN);
    }

    private static AgentSettingsException problem(String text) {
        return new AgentSettingsException(List.of(text));
    }
}
