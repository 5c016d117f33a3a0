package io.sallyport.bench;

import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Metadata;
import io.sallyport.api.openshell00.OpenShellGrpc;
import io.sallyport.api.openshell00.RefreshSandboxTokenResponse;
import io.sallyport.base.net.Endpoint;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.SallyportStack;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Supervisors that do nothing but refresh, through a stack's Envoy; each goes on with the token it was just given. */
final class Refreshers {
    private static final String METHOD =
            OpenShellGrpc.getRefreshSandboxTokenMethod().getFullMethodName();
    static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final Load load;
    private final List<Supervisor> supervisors;

    private Refreshers(Load load, List<Supervisor> supervisors) {
        this.load = load;
        this.supervisors = supervisors;
    }

    /** Registers that many sandboxes, each with a bootstrap token. */
    static Refreshers of(Workbench workbench, SallyportStack stack, int count) {
        Load load = new Load(
                workbench.connect(new Endpoint.Tcp("127.0.0.1", stack.port())),
                METHOD,
                count,
                answer -> answer.length > 0);
        return new Refreshers(
                load,
                IntStream.range(0, count)
                        .mapToObj(i -> new Supervisor(stack.admit(KnownSandbox.parse("supervised-" + i))))
                        .toList());
    }

    /** Lets the first {@code callers} of them refresh for a while. */
    Load.Result refresh(int callers, int seconds) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        return load.run(supervisors.subList(0, callers).stream()
                .<Load.Caller>map(supervisor -> lastAnswer -> supervisor.next(lastAnswer, end))
                .toList());
    }

    private static final class Supervisor {
        private String token;

        Supervisor(String token) {
            this.token = token;
        }

        Load.@Nullable Request next(byte @Nullable [] lastAnswer, long end) {
            if (lastAnswer != null) {
                try {
                    token = RefreshSandboxTokenResponse.parseFrom(lastAnswer).getToken();
                } catch (InvalidProtocolBufferException e) {
                    throw new Load.WrongAnswerException("an answer that is none");
                }
            }
            if (System.nanoTime() >= end) {
                return null;
            }
            Metadata bearer = new Metadata();
            bearer.put(AUTHORIZATION, "Bearer " + token);
            return new Load.Request(new byte[0], bearer);
        }
    }
}
