package io.sallyport.agent;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;

/** Where the supervisor's token comes from. Its text form names the place and never shows the token. */
public sealed interface TokenSource permits FixedTokenSource, FileTokenSource {
    /**
     * The token to send now.
     *
     * @throws TokenUnavailableException when there is none
     */
    String token() throws TokenUnavailableException;

    /**
     * The source an environment asks for, the first that is set (and not blank): {@code OPENSHELL_SANDBOX_TOKEN}, {@code
     * OPENSHELL_SANDBOX_TOKEN_FILE}, {@code OPENSHELL_K8S_SA_TOKEN_FILE}.
     *
     * @throws AgentSettingsException when none is set, or the one that is cannot be used
     */
    static TokenSource fromEnvironment(Map<String, String> environment, InstantSource clock)
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
        if (!environment.getOrDefault(EnvironmentNames.K8S_SA_TOKEN_FILE, "").isBlank()) {
            throw problem(EnvironmentNames.K8S_SA_TOKEN_FILE
                    + " is set, but exchanging a ServiceAccount token comes with Kubernetes support, which this version"
                    + " does not have yet; set " + EnvironmentNames.SANDBOX_TOKEN_FILE);
        }
        throw problem("no credential: set " + EnvironmentNames.SANDBOX_TOKEN_FILE + " (or "
                + EnvironmentNames.SANDBOX_TOKEN + ")");
    }

    private static AgentSettingsException problem(String text) {
        return new AgentSettingsException(List.of(text));
    }
}
