package io.sallyport.issuer.service;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;

/** Carries what a call's metadata says from the wire to the services. They need it on every listener. */
public final class CallInterceptor implements ServerInterceptor {
    private CallInterceptor() {}

    public static ServerInterceptor create() {
        return new CallInterceptor();
    }

    @Override
    public <Q, R> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, R> call, Metadata metadata, ServerCallHandler<Q, R> next) {
        return Contexts.interceptCall(CallHeaders.of(metadata).in(Context.current()), call, metadata, next);
    }
}
