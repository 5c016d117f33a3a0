package io.sallyport.extauthz.guard;

import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerServiceDefinition;
import io.grpc.ServiceDescriptor;
import io.grpc.Status;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/**
 * Serves {@code Process}: each call of Envoy's is about one stream.
 *
 * <p>Everything happens on the event loop, as it comes, one message of a stream at a time; no thread waits for anything.
 */
public final class GuardService {
    /** The service that Envoy calls. */
    public static final String SERVICE = ProcessMethod.SERVICE;

    private static final Logger log = System.getLogger(GuardService.class.getName());

    private final Guard guard;

    public GuardService(Guard guard) {
        this.guard = guard;
    }

    public ServerServiceDefinition definition() {
        MethodDescriptor<ProcessMessage, ProcessAnswer> process = ProcessMethod.descriptor();
        return ServerServiceDefinition.builder(ServiceDescriptor.newBuilder(ProcessMethod.SERVICE)
                        .addMethod(process)
                        .build())
                .addMethod(process, new Handler())
                .build();
    }

    /** Ends all streams, and refuses new ones. */
    public void drain() {
        guard.streams().drain();
    }

    private final class Handler implements ServerCallHandler<ProcessMessage, ProcessAnswer> {
        @Override
        public ServerCall.Listener<ProcessMessage> startCall(
                ServerCall<ProcessMessage, ProcessAnswer> call, Metadata headers) {
            GuardedStream stream = new GuardedStream(guard, new Call(call));
            call.request(1);
            return new Listener(stream);
        }
    }

    private static final class Listener extends ServerCall.Listener<ProcessMessage> {
        private final GuardedStream stream;

        Listener(GuardedStream stream) {
            this.stream = stream;
        }

        @Override
        public void onMessage(ProcessMessage message) {
            stream.take(message);
        }

        @Override
        public void onHalfClose() {
            stream.envoyEnded();
        }

        @Override
        public void onCancel() {
            stream.cancelled();
        }
    }

    /** Used under the stream's lock. */
    private static final class Call implements GuardedStream.Envoy {
        private final ServerCall<ProcessMessage, ProcessAnswer> call;
        private boolean begun;

        Call(ServerCall<ProcessMessage, ProcessAnswer> call) {
            this.call = call;
        }

        @Override
        public void answer(ProcessAnswer answer) {
            try {
                if (!begun) {
                    begun = true;
                    call.sendHeaders(new Metadata());
                }
                call.sendMessage(answer);
            } catch (RuntimeException e) {
                // The call ended under us. Envoy takes no answer for a no.
                log.log(Level.DEBUG, "an answer could not be sent", e);
            }
        }

        @Override
        public void next() {
            call.request(1);
        }

        @Override
        public void fail(Status status) {
            close(status);
        }

        @Override
        public void finish() {
            close(Status.OK);
        }

        private void close(Status status) {
            try {
                call.close(status, new Metadata());
            } catch (RuntimeException e) {
                log.log(Level.DEBUG, "a call could not be closed", e);
            }
        }
    }
}
