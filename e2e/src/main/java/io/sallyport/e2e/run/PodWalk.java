package io.sallyport.e2e.run;

import io.grpc.Status;
import io.sallyport.agent.AgentSettingsException;
import io.sallyport.agent.EnvironmentNames;
import io.sallyport.agent.GatewayChannel;
import io.sallyport.agent.GatewayExchange;
import io.sallyport.agent.GatewaySettings;
import io.sallyport.agent.TokenSource;
import io.sallyport.agent.TokenUnavailableException;
import io.sallyport.e2e.Generation;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.gateway.SandboxData;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The walk of {@code ./run}, from inside a sandbox's pod: with what the pod's environment gives the agent, and a token that
 * its ServiceAccount token is exchanged for.
 *
 * <p>One line a call, {@code CALL: STATUS}, and no word of any token. Whether that is right is for the reader to say.
 */
public final class PodWalk {
    private static final int TIMEOUT_SECONDS = 30;

    private final Client client;
    private final PrintStream out;

    private PodWalk(Client client, PrintStream out) {
        this.client = client;
        this.out = out;
    }

    /** {@code PodWalk OWN NEIGHBOUR}: the ids, which are also the names, of two sandboxes of generation 0.0. */
    public static void main(String[] ids)
            throws AgentSettingsException, TokenUnavailableException, IOException, InterruptedException {
        PrintStream out =
                new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true, StandardCharsets.UTF_8);
        Map<String, String> environment = System.getenv();
        GatewaySettings settings = GatewaySettings.fromEnvironment(environment);
        TokenSource tokens = TokenSource.fromEnvironment(
                environment, InstantSource.system(), new GatewayExchange(settings, TIMEOUT_SECONDS));
        Path podToken = Path.of(environment.getOrDefault(EnvironmentNames.K8S_SA_TOKEN_FILE, ""));
        try (Client client = Client.over(GatewayChannel.open(settings))) {
            new PodWalk(client, out)
                    .walk(ids[0], ids[1], tokens.token(), Files.readString(podToken, StandardCharsets.US_ASCII));
        }
    }

    private void walk(String own, String neighbour, String token, String podToken) throws IOException {
        byte[] ownConfig = Requests.config(Generation.V0_0, own);
        config("own config", own, token);
        call("neighbour's config", Requests.GET_CONFIG, Requests.config(Generation.V0_0, neighbour), token);
        call("neighbour's draft, by name", Requests.GET_DRAFT, Requests.draft(Generation.V0_0, neighbour), token);
        call("own draft, by name", Requests.GET_DRAFT, Requests.draft(Generation.V0_0, own), token);
        call("own config, no token", Requests.GET_CONFIG, ownConfig, null);
        call("own config, the pod's token", Requests.GET_CONFIG, ownConfig, podToken.strip());
        call("own config, a token cut short", Requests.GET_CONFIG, ownConfig, token.substring(0, token.length() - 4));
        call("a method of users", Requests.GET_SANDBOX, Requests.sandbox(Generation.V0_0, own), token);
        Client.Answer refreshed = call("refresh", Requests.REFRESH, new byte[0], token);
        config("own config, refreshed token", own, Requests.token(refreshed.message()));
        logs("own logs", token, own);
        logs("neighbour's logs", token, neighbour);
    }

    private Client.Answer call(String what, String method, byte[] message, @Nullable String token) {
        Client.Answer answer = client.call(method, message, token);
        out.println(what + ": " + answer.status().getCode());
        return answer;
    }

    /** A configuration that came back is looked into. */
    private void config(String what, String own, String token) throws IOException {
        Client.Answer answer = client.call(Requests.GET_CONFIG, Requests.config(Generation.V0_0, own), token);
        boolean others = answer.status().isOk()
                && !Requests.policyHash(answer.message()).equals(SandboxData.policyOf(KnownSandbox.parse(own)));
        out.println(what + ": " + answer.status().getCode() + (others ? " (somebody else's)" : ""));
    }

    private void logs(String what, String token, String name) {
        Status status = client.open(Requests.PUSH_LOGS, token)
                .send(Requests.logs(name))
                .halfClose()
                .await();
        out.println(what + ": " + status.getCode());
    }
}
