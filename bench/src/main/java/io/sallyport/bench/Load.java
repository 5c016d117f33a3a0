package io.sallyport.bench;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.sallyport.base.net.RawMarshallers;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Calls one unary method over and over, with a fixed number in flight: as soon as one is answered, the next one leaves.
 *
 * <p>All calls of a channel run on one event loop, so nothing here is locked.
 */
final class Load {
    /**
     * What came of it.
     *
     * @param answers how many there were
     * @param perSecond answers a second
     * @param p50 median latency in microseconds
     * @param p99 in microseconds
     */
    record Result(int answers, double perSecond, double p50, double p99) {}

    /** A request: its bytes and its metadata. */
    static final class Request {
        private final byte[] message;
        private final Metadata metadata;

        /** Keeps the bytes: nobody writes to them afterwards. */
        Request(byte[] message, Metadata metadata) {
            this.message = message;
            this.metadata = metadata;
        }

        int size() {
            return message.length;
        }
    }

    /** One of those that call at the same time. */
    @FunctionalInterface
    interface Caller {
        /**
         * What it asks next; null when it is done.
         *
         * @param lastAnswer to its last request; null at first
         */
        @Nullable Request next(byte @Nullable [] lastAnswer);
    }

    /** A call was not answered as expected: whatever the figures are, they are not of what was to be measured. */
    static final class WrongAnswerException extends RuntimeException {
        private static final long serialVersionUID = 1;

        WrongAnswerException(String message) {
            super(message);
        }
    }

    private final ManagedChannel channel;
    private final MethodDescriptor<byte[], byte[]> method;
    private final int inFlight;
    private final Predicate<byte[]> good;

    /**
     * @param method full name, {@code package.Service/Method}
     * @param good whether an answer is the one expected: a fast wrong answer is no result
     */
    Load(ManagedChannel channel, String method, int inFlight, Predicate<byte[]> good) {
        this.channel = channel;
        this.method = unary(method);
        this.inFlight = inFlight;
        this.good = good;
    }

    private static MethodDescriptor<byte[], byte[]> unary(String method) {
        return MethodDescriptor.<byte[], byte[]>newBuilder()
                .setType(MethodDescriptor.MethodType.UNARY)
                .setFullMethodName(method)
                .setRequestMarshaller(RawMarshallers.unread())
                .setResponseMarshaller(RawMarshallers.unread())
                .build();
    }

    /** Calls once, whatever the answer says; its status is told when it has come. */
    static void call(ManagedChannel channel, String method, Request request, Consumer<Status> ended) {
        send(channel, unary(method), request, new ClientCall.Listener<>() {
            @Override
            public void onClose(Status status, Metadata trailers) {
                ended.accept(status);
            }
        });
    }

    private static void send(
            ManagedChannel channel,
            MethodDescriptor<byte[], byte[]> method,
            Request request,
            ClientCall.Listener<byte[]> listener) {
        ClientCall<byte[], byte[]> call = channel.newCall(method, CallOptions.DEFAULT);
        Metadata metadata = new Metadata();
        metadata.merge(request.metadata);
        call.start(listener, metadata);
        call.request(1);
        call.sendMessage(request.message);
        call.halfClose();
    }

    /** Calls for a while with the same request. */
    Result run(Request request, int seconds) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        return run(() -> System.nanoTime() < end ? request : null);
    }

    /** Calls a number of times with the same request. */
    Result runTimes(Request request, int times) throws InterruptedException {
        int[] left = {times};
        return run(() -> left[0]-- > 0 ? request : null);
    }

    /** Calls with one request after the other, until there is none. */
    Result run(Supplier<@Nullable Request> requests) throws InterruptedException {
        return run(Collections.nCopies(inFlight, _ -> requests.get()));
    }

    /** Lets every caller call, each with one request in flight, until all are done. */
    Result run(List<Caller> callers) throws InterruptedException {
        Run run = new Run(callers.size());
        callers.forEach(caller -> run.next(caller, null));
        run.done.await();
        if (run.failure != null) {
            throw new WrongAnswerException("a call went wrong: " + run.failure);
        }
        return run.result();
    }

    private final class Run {
        private final CountDownLatch done;
        private final long began = System.nanoTime();
        private int[] micros = new int[1 << 16];
        private int count;
        private long ended = began;
        private volatile @Nullable String failure;

        Run(int callers) {
            done = new CountDownLatch(callers);
        }

        synchronized void next(Caller caller, byte @Nullable [] lastAnswer) {
            Request request = failure == null ? caller.next(lastAnswer) : null;
            if (request == null) {
                done.countDown();
                return;
            }
            send(channel, method, request, new Listener(caller));
        }

        private synchronized void answered(long since, byte @Nullable [] answer, Status status) {
            if (!status.isOk() || answer == null || !good.test(answer)) {
                failure = status.isOk() ? "the answer is not the expected one" : status.toString();
            }
            ended = System.nanoTime();
            if (count == micros.length) {
                micros = Arrays.copyOf(micros, count * 2);
            }
            micros[count++] = (int) Math.min(Integer.MAX_VALUE, (ended - since) / 1000);
        }

        Result result() {
            int[] sorted = Arrays.copyOf(micros, count);
            Arrays.sort(sorted);
            double elapsed = (ended - began) / 1e9;
            return new Result(count, count / elapsed, at(sorted, 0.50), at(sorted, 0.99));
        }

        private static double at(int[] sorted, double part) {
            return sorted.length == 0 ? 0 : sorted[Math.min(sorted.length - 1, (int) (sorted.length * part))];
        }

        private final class Listener extends ClientCall.Listener<byte[]> {
            private final Caller caller;
            private final long since = System.nanoTime();
            private byte @Nullable [] answer;

            Listener(Caller caller) {
                this.caller = caller;
            }

            @Override
            public void onMessage(byte[] message) {
                answer = message;
            }

            @Override
            public void onClose(Status status, Metadata trailers) {
                answered(since, answer, status);
                next(caller, answer);
            }
        }
    }
}
