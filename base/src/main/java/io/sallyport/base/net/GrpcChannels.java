package io.sallyport.base.net;

import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;

/** gRPC channels to an {@link Endpoint}, in plain text: a Unix socket or loopback. */
public final class GrpcChannels {
    private GrpcChannels() {}

    public static NettyChannelBuilder connectTo(Endpoint endpoint, EventLoopGroup group) {
        return switch (endpoint) {
            case Endpoint.Unix(Path path) ->
                NettyChannelBuilder.forAddress(new DomainSocketAddress(path.toFile()))
                        .channelType(EpollDomainSocketChannel.class)
                        .eventLoopGroup(group)
                        .overrideAuthority("localhost")
                        .usePlaintext();
            case Endpoint.Tcp(String host, int port) ->
                NettyChannelBuilder.forAddress(new InetSocketAddress(host, port))
                        .channelType(EpollSocketChannel.class)
                        .eventLoopGroup(group)
                        .overrideAuthority(new Endpoint.Tcp(host, port).toString())
                        .usePlaintext();
        };
    }
}
