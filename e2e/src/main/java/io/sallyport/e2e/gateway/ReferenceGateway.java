package io.sallyport.e2e.gateway;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.handler.codec.http2.Http2Connection;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2FrameCodec;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2Settings;
import io.sallyport.base.net.GrpcServers;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The gateway: HTTP/2 on one loopback port, and its record over HTTP on another.
 *
 * <p>{@code /seen?since=N} gives what arrived after number N ({@code &tag=T}: of that only what carried the header
 * {@code x-test-tag: T}), {@code /sandboxes?add=id:workspace/name} makes a sandbox known, {@code /open} reads the streams
 * that were shut ({@link Manners}).
 */
final class ReferenceGateway implements AutoCloseable {
    private static final int STREAM_WINDOW = 1 << 20;
    /** As many servers have it; a crowd has to spread over connections. */
    private static final int MOST_STREAMS = 100;

    private static final int CONNECTION_WINDOW = 64 << 20;

    private final SightingLog log = new SightingLog();
    private final SandboxTable sandboxes;
    private final Doors doors = new Doors();
    private final EventLoopGroup loops = GrpcServers.eventLoops("gateway", 1);
    private final Channel server;
    private final HttpServer control;

    ReferenceGateway(int port, int controlPort, CallerCheck callers, Answers answers, SandboxTable sandboxes)
            throws IOException {
        this.sandboxes = sandboxes;
        InetAddress loopback = InetAddress.getLoopbackAddress();
        var binding = new ServerBootstrap()
                .group(loops)
                .channel(EpollServerSocketChannel.class)
                .childHandler(new ChannelInitializer<Channel>() {
                    @Override
                    protected void initChannel(Channel connection) {
                        connection
                                .pipeline()
                                .addLast(
                                        codec(),
                                        new WideConnection(),
                                        new Http2MultiplexHandler(new ChannelInitializer<Channel>() {
                                            @Override
                                            protected void initChannel(Channel stream) {
                                                stream.pipeline()
                                                        .addLast(new StreamHandler(log, callers, answers, doors));
                                            }
                                        }),
                                        new Nonsense());
                    }
                })
                .bind(new InetSocketAddress(loopback, port))
                .awaitUninterruptibly();
        if (!binding.isSuccess()) {
            loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
            throw new IOException("cannot listen on 127.0.0.1:" + port + ": " + binding.cause(), binding.cause());
        }
        server = binding.channel();
        control = HttpServer.create(new InetSocketAddress(loopback, controlPort), 0);
        control.createContext("/seen", this::seen);
        control.createContext("/sandboxes", this::sandboxes);
        control.createContext("/open", this::open);
        control.start();
    }

    private static Http2FrameCodec codec() {
        return Http2FrameCodecBuilder.forServer()
                .validateHeaders(false)
                // Each refusal resets a stream here, and hundreds of refusals are what tests are made of.
                .decoderEnforceMaxRstFramesPerWindow(0, 0)
                .initialSettings(Http2Settings.defaultSettings()
                        .maxHeaderListSize(1 << 20)
                        .maxConcurrentStreams(MOST_STREAMS)
                        .initialWindowSize(STREAM_WINDOW))
                .build();
    }

    /** Room for many streams that nobody reads, so that one of them does not hold up the others of its connection. */
    private static final class WideConnection extends ChannelInboundHandlerAdapter {
        @Override
        public void channelActive(ChannelHandlerContext context) throws Exception {
            Http2Connection connection =
                    context.pipeline().get(Http2FrameCodec.class).connection();
            connection.local().flowController().incrementWindowSize(connection.connectionStream(), CONNECTION_WINDOW);
            super.channelActive(context);
        }
    }

    /** What is no HTTP/2, or no stream of it, has arrived all the same. */
    private final class Nonsense extends ChannelInboundHandlerAdapter {
        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            if (cause instanceof Http2Exception) {
                log.open(List.of(new Sighting.Header("nonsense", String.valueOf(cause.getMessage()))))
                        .end(Sighting.End.RESET);
            }
            var _ = context.close();
        }
    }

    int port() {
        return ((InetSocketAddress) server.localAddress()).getPort();
    }

    int controlPort() {
        return control.getAddress().getPort();
    }

    void awaitClose() throws InterruptedException {
        server.closeFuture().await();
    }

    @Override
    public void close() {
        control.stop(0);
        server.close().awaitUninterruptibly();
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
    }

    private void seen(HttpExchange exchange) throws IOException {
        long since;
        Map<String, String> query = query(exchange);
        try {
            since = Long.parseLong(query.getOrDefault("since", "0"));
        } catch (NumberFormatException e) {
            reply(exchange, 400, "since is a number\n".getBytes(StandardCharsets.US_ASCII));
            return;
        }
        reply(
                exchange,
                200,
                GatewayRecord.write(
                        new GatewayRecord.Page(log.count(), log.since(since, query.getOrDefault("tag", "")))));
    }

    private void sandboxes(HttpExchange exchange) throws IOException {
        String added = query(exchange).getOrDefault("add", "");
        try {
            sandboxes.add(KnownSandbox.parse(added));
            reply(exchange, 200, new byte[0]);
        } catch (IllegalArgumentException e) {
            reply(exchange, 400, new byte[0]);
        }
    }

    private void open(HttpExchange exchange) throws IOException {
        doors.open();
        reply(exchange, 200, new byte[0]);
    }

    private static Map<String, String> query(HttpExchange exchange) {
        String query = exchange.getRequestURI().getQuery();
        return Stream.of(query == null ? "" : query)
                .flatMap(text -> Stream.of(text.split("&")))
                .map(pair -> pair.split("=", 2))
                .filter(pair -> pair.length == 2)
                .collect(Collectors.toMap(pair -> pair[0], pair -> pair[1], (first, second) -> second));
    }

    private static void reply(HttpExchange exchange, int status, byte[] body) throws IOException {
        try (exchange) {
            exchange.getResponseHeaders().add("content-type", "application/json");
            exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
            exchange.getResponseBody().write(body);
        }
    }
}
