package io.sallyport.e2e.run;

import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.sallyport.e2e.Generation;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.gateway.SandboxData;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.stack.SallyportStack;
import java.io.IOException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Calls through Envoy as each sandbox, and as nobody; says what came of it, and what the gateway saw.
 *
 * <p>A line is right when the status is the expected one, the gateway saw exactly what it should, and a configuration that
 * came back is the caller's own.
 */
final class WalkThrough {
    private final SallyportStack stack;
    private final Client client;
    private final WrongTokens wrong;
    private final PrintStream out;
    private final Table table;
    private int unexpected;

    WalkThrough(SallyportStack stack, Client client, WrongTokens wrong, PrintStream out) {
        this.stack = stack;
        this.client = client;
        this.wrong = wrong;
        this.out = out;
        this.table = new Table(out, "8|caller", "38|call", "18|gRPC status", "1|", "0|what the gateway saw");
    }

    /**
     * Makes every call.
     *
     * @param alpha token of {@code alpha}
     * @param beta token of {@code beta}
     * @param guest a third sandbox, which loses its tokens on the way, and is deleted then
     * @param guestToken its token
     * @param revokeGuest takes back what it was given
     * @param deleteGuest deletes it
     * @return how many lines were not as expected
     * @throws IOException when an answer cannot be read
     */
    int run(String alpha, String beta, String guest, String guestToken, Runnable revokeGuest, Runnable deleteGuest)
            throws IOException {
        Generation generation = stack.options().generation();
        byte[] configOfAlpha = Requests.config(generation, "alpha");
        byte[] configOfBeta = Requests.config(generation, "beta");
        step("alpha", "its own config", Requests.GET_CONFIG, configOfAlpha, alpha, Status.Code.OK, "alpha");
        step("beta", "its own config", Requests.GET_CONFIG, configOfBeta, beta, Status.Code.OK, "beta");
        step("alpha", "beta's config", Requests.GET_CONFIG, configOfBeta, alpha, Status.Code.PERMISSION_DENIED, null);
        step("beta", "alpha's config", Requests.GET_CONFIG, configOfAlpha, beta, Status.Code.PERMISSION_DENIED, null);
        step(
                "alpha",
                "draft policy of the name \"beta\"",
                Requests.GET_DRAFT,
                Requests.draft(generation, "beta"),
                alpha,
                Status.Code.PERMISSION_DENIED,
                null);
        step(
                "alpha",
                "draft policy of its own name",
                Requests.GET_DRAFT,
                Requests.draft(generation, "alpha"),
                alpha,
                Status.Code.OK,
                "alpha");
        for (Bad bad : List.of(
                new Bad("nobody", "alpha's config, no token", null),
                new Bad("forger", "alpha's config, forged token", wrong.forged("alpha")),
                new Bad("stranger", "alpha's config, another issuer's", wrong.ofAnotherIssuer("alpha")),
                new Bad("alpha", "its own config, expired token", wrong.expired("alpha")))) {
            step(
                    bad.caller(),
                    bad.call(),
                    Requests.GET_CONFIG,
                    configOfAlpha,
                    bad.token(),
                    Status.Code.UNAUTHENTICATED,
                    null);
        }
        step(
                "alpha",
                "GetSandbox, a method of users",
                Requests.GET_SANDBOX,
                Requests.sandbox(generation, "alpha"),
                alpha,
                Status.Code.PERMISSION_DENIED,
                null);
        ByteString refreshed = step("alpha", "refresh", Requests.REFRESH, new byte[0], alpha, Status.Code.OK, null);
        step(
                "alpha",
                "its own config, refreshed token",
                Requests.GET_CONFIG,
                configOfAlpha,
                Requests.token(refreshed),
                Status.Code.OK,
                "alpha");
        step(
                "guest",
                "its own config",
                Requests.GET_CONFIG,
                Requests.config(generation, guest),
                guestToken,
                Status.Code.OK,
                guest);
        pushLogs("logs of its own", alpha, Status.Code.OK, "alpha", "alpha");
        pushLogs("logs in beta's name", alpha, Status.Code.PERMISSION_DENIED, "beta");
        pushLogs("its own logs, then beta's", alpha, Status.Code.PERMISSION_DENIED, "alpha", "beta");
        sessionUntil(guest, guestToken, revokeGuest);
        deleteGuest.run();
        step(
                "guest",
                "refresh, after it was deleted",
                Requests.REFRESH,
                new byte[0],
                guestToken,
                Status.Code.UNAUTHENTICATED,
                null);
        return unexpected;
    }

    /** Logs of alpha's, in these names: what comes before another's name arrives, and nothing after it. */
    private void pushLogs(String call, String token, Status.Code expected, String... names) throws IOException {
        long before = stack.gateway().count();
        Client.OpenStream stream = client.open(Requests.PUSH_LOGS, token);
        List<ByteString> good = new ArrayList<>();
        for (String name : names) {
            byte[] message = Requests.logs(name);
            stream.send(message);
            if (name.equals("alpha")) {
                good.add(ByteString.copyFrom(message));
                awaitSeen(before, good.size(), stream);
            }
        }
        Status status = stream.halfClose().await();
        stream("alpha", call, expected.name(), status.getCode() == expected, status, "alpha", good, before);
    }

    /** A session of the guest's, open until something happens to it. */
    private void sessionUntil(String guest, String token, Runnable event) throws IOException {
        long before = stack.gateway().count();
        Client.OpenStream session = client.open(Requests.CONNECT, token).send(Requests.hello(guest));
        session.awaitAnswer();
        boolean openBefore = !session.isOver();
        event.run();
        Status status = session.await();
        // The answer had begun, so that the reason has no place in it any more: Envoy can only break it off.
        boolean cut = openBefore && !status.isOk() && status.getCode() != Status.Code.DEADLINE_EXCEEDED;
        stream(
                "guest",
                "an open session, its tokens revoked",
                "an end of the session",
                cut,
                status,
                guest,
                List.of(ByteString.copyFrom(Requests.hello(guest))),
                before);
    }

    private void awaitSeen(long before, int messages, Client.OpenStream stream) {
        long end = System.nanoTime() + 10_000_000_000L;
        while (!stream.isOver()
                && System.nanoTime() - end < 0
                && stack.gateway().since(before).stream()
                                .mapToInt(seen -> seen.messages().size())
                                .sum()
                        < messages) {
            Thread.onSpinWait();
        }
    }

    /** A stream begins before its first message is looked at: of one that is refused the gateway may see that much. */
    private void stream(
            String caller,
            String call,
            String expected,
            boolean asExpected,
            Status status,
            String id,
            List<ByteString> messages,
            long before) {
        List<Sighting> seen = stack.gateway().since(before);
        boolean right = asExpected
                && seen.stream()
                        .flatMap(each -> each.messages().stream())
                        .toList()
                        .equals(messages)
                && seen.stream().allMatch(each -> isBy(each, id))
                && seen.size() <= 1;
        String saw = seen.isEmpty() ? "nothing" : saw(seen) + ": " + counted(messages(seen));
        table.line(caller, call, status.getCode().name(), right ? "✓" : "✗", saw);
        if (!right) {
            unexpected++;
            out.println("    expected " + expected + " and the gateway to see " + counted(messages.size()) + " of " + id
                    + "; the status says: " + status.getDescription());
        }
    }

    private static int messages(List<Sighting> seen) {
        return seen.stream().mapToInt(each -> each.messages().size()).sum();
    }

    private static String counted(int messages) {
        return messages == 0 ? "no message" : messages == 1 ? "1 message" : messages + " messages";
    }

    private record Bad(String caller, String call, @Nullable String token) {}

    private ByteString step(
            String caller,
            String call,
            String method,
            byte[] message,
            @Nullable String token,
            Status.Code expected,
            @Nullable String reaches)
            throws IOException {
        long before = stack.gateway().count();
        Client.Answer answer = client.call(method, message, token);
        List<Sighting> seen = stack.gateway().since(before);
        boolean right = answer.status().getCode() == expected
                && (reaches == null ? seen.isEmpty() : isCallOf(seen, method, reaches))
                && (!method.equals(Requests.GET_CONFIG) || reaches == null || isConfigOf(answer, reaches));
        table.line(caller, call, answer.status().getCode().name(), right ? "✓" : "✗", saw(seen));
        if (!right) {
            unexpected++;
            out.println("    expected " + expected + " and the gateway to see "
                    + (reaches == null ? "nothing" : "one call of " + reaches) + "; the status says: "
                    + answer.status().getDescription());
        }
        return answer.message();
    }

    private static boolean isCallOf(List<Sighting> seen, String method, String id) {
        return seen.size() == 1 && seen.getFirst().path().equals(method) && isBy(seen.getFirst(), id);
    }

    private static boolean isBy(Sighting seen, String id) {
        return seen.header("x-sandbox-principal")
                .filter(principal -> principal.startsWith("sandbox;id=\"" + id + "\""))
                .isPresent();
    }

    private static boolean isConfigOf(Client.Answer answer, String id) throws IOException {
        return Requests.policyHash(answer.message()).equals(SandboxData.policyOf(KnownSandbox.parse(id)));
    }

    private static String saw(List<Sighting> seen) {
        if (seen.isEmpty()) {
            return "nothing";
        }
        return String.join(
                " AND ",
                seen.stream()
                        .map(call -> call.path().substring(call.path().lastIndexOf('/') + 1) + " by "
                                + call.header("x-sandbox-principal").orElse("nobody"))
                        .toList());
    }
}
