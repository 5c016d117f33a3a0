package io.sallyport.e2e.gateway;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageLite;
import io.grpc.Status;
import io.grpc.StatusException;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2ResetFrame;
import io.netty.util.ReferenceCountUtil;
import io.sallyport.e2e.gateway.Answers.Streaming;
import io.sallyport.e2e.gateway.Answers.Unary;
import io.sallyport.e2e.gateway.Sighting.End;
import io.sallyport.e2e.gateway.Sighting.Header;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One HTTP/2 stream: every frame is written into the record before anything is made of it, then answered as gRPC.
 *
 * <p>It sits below any gRPC library, because a library would turn away what it does not understand before we could note
 * that it had come.
 */
@SuppressWarnings("FutureReturnValueIgnored") // a write that fails is seen as the stream's reset
final class StreamHandler extends ChannelInboundHandlerAdapter {
    private final SightingLog log;
    private final CallerCheck callers;
    private final Answers answers;
    private final Doors doors;
    private final ByteArrayOutputStream unread = new ByteArrayOutputStream();
    private SightingLog.@Nullable Entry entry;
    private String path = "";
    private Manners manners = new Manners(false, false, 0, false);
    private int messages;
    private boolean headersSent;
    private boolean finished;

    StreamHandler(SightingLog log, CallerCheck callers, Answers answers, Doors doors) {
        this.log = log;
        this.callers = callers;
        this.answers = answers;
        this.doors = doors;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object frame) {
        try {
            switch (frame) {
                case Http2HeadersFrame headers when entry == null -> begin(context, headers);
                case Http2HeadersFrame trailers -> trailers(context, trailers);
                case Http2DataFrame data -> data(context, data);
                default -> {}
            }
        } finally {
            ReferenceCountUtil.release(frame);
        }
    }

    @Override
    public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (event instanceof Http2ResetFrame && entry != null) {
            entry.end(End.RESET);
            finished = true;
        }
        ReferenceCountUtil.release(event);
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        if (entry != null) {
            entry.end(End.RESET);
        }
    }

    private void begin(ChannelHandlerContext context, Http2HeadersFrame frame) {
        List<Header> headers = headers(frame.headers());
        entry = log.open(headers);
        path = headers.stream()
                .filter(header -> header.name().equals(":path"))
                .map(Header::value)
                .findFirst()
                .orElse("");
        try {
            boolean open = path.equals("/openshell.v1.OpenShell/Health");
            if (!open) {
                callers.check(headers);
            }
            if (!answers.unary().containsKey(path) && !answers.streaming().containsKey(path)) {
                throw Status.UNIMPLEMENTED
                        .withDescription("the gateway has no such method")
                        .asException();
            }
        } catch (StatusException e) {
            finish(context, e.getStatus());
        }
        if (!finished && answers.streaming().containsKey(path)) {
            welcome(context, Manners.of(headers));
        }
        if (frame.isEndStream()) {
            end(context);
        }
    }

    private void welcome(ChannelHandlerContext context, Manners asked) {
        manners = asked;
        if (asked.early()) {
            sendHeaders(context);
            context.flush();
        }
        if (asked.shut()) {
            doors.shut(context.channel());
        }
    }

    private void data(ChannelHandlerContext context, Http2DataFrame frame) {
        byte[] bytes = ByteBufUtil.getBytes(frame.content());
        if (entry != null) {
            entry.data(bytes);
        }
        if (!finished) {
            unread.writeBytes(bytes);
            readMessages(context);
        }
        if (frame.isEndStream()) {
            end(context);
        }
    }

    private void trailers(ChannelHandlerContext context, Http2HeadersFrame frame) {
        if (entry != null) {
            entry.trailers(headers(frame.headers()));
        }
        end(context);
    }

    private void readMessages(ChannelHandlerContext context) {
        byte[] all = unread.toByteArray();
        int at = 0;
        while (!finished && all.length - at >= Frames.PREFIX) {
            int length = Frames.length(all, at);
            int start = at + Frames.PREFIX;
            if (length < 0 || all.length - start < length) {
                break;
            }
            at = start + length;
            message(context, Arrays.copyOfRange(all, start, at));
        }
        unread.reset();
        unread.write(all, at, all.length - at);
    }

    private void message(ChannelHandlerContext context, byte[] message) {
        messages++;
        Unary unary = answers.unary().get(path);
        if (unary != null) {
            if (messages > 1) {
                // As lenient as a server can be: the first message was answered, the others are only noted.
                return;
            }
            try {
                MessageLite answer = unary.answer(message);
                send(context, answer.toByteArray());
                finish(context, Status.OK);
            } catch (StatusException e) {
                finish(context, e.getStatus());
            } catch (InvalidProtocolBufferException e) {
                finish(context, Status.INTERNAL.withDescription("the gateway cannot decode the message"));
            }
            return;
        }
        switch (answers.streaming().getOrDefault(path, Streaming.COLLECT)) {
            case COLLECT -> {}
            case ECHO -> send(context, message);
            case SESSION -> {
                if (messages == 1) {
                    // GatewayMessage{session_accepted{session_id: "s"}}, the same bytes in both generations.
                    send(context, new byte[] {0x0a, 0x03, 0x0a, 0x01, 's'});
                }
            }
        }
        if (messages == manners.endAfter()) {
            finish(context, Status.OK);
        }
    }

    private void end(ChannelHandlerContext context) {
        if (entry != null) {
            entry.end(End.HALF_CLOSED);
        }
        if (finished || manners.silent()) {
            return;
        }
        if (answers.unary().containsKey(path)) {
            finish(context, Status.INTERNAL.withDescription("half-closed without a request"));
            return;
        }
        if (answers.streaming().get(path) == Streaming.COLLECT) {
            send(context, new byte[0]);
        }
        finish(context, Status.OK);
    }

    private void send(ChannelHandlerContext context, byte[] message) {
        sendHeaders(context);
        ByteBuf frame = context.alloc().buffer(5 + message.length);
        frame.writeByte(0).writeInt(message.length).writeBytes(message);
        context.writeAndFlush(new DefaultHttp2DataFrame(frame));
    }

    private void sendHeaders(ChannelHandlerContext context) {
        if (!headersSent) {
            headersSent = true;
            context.write(new DefaultHttp2HeadersFrame(responseHeaders()));
        }
    }

    private void finish(ChannelHandlerContext context, Status status) {
        finished = true;
        if (entry != null) {
            entry.answered(status.getCode().name());
        }
        Http2Headers trailers = headersSent ? new DefaultHttp2Headers() : responseHeaders();
        trailers.add("grpc-status", Integer.toString(status.getCode().value()));
        if (status.getDescription() != null) {
            trailers.add("grpc-message", status.getDescription());
        }
        context.writeAndFlush(new DefaultHttp2HeadersFrame(trailers, true));
    }

    private static Http2Headers responseHeaders() {
        return new DefaultHttp2Headers().status("200").add("content-type", "application/grpc");
    }

    private static List<Header> headers(Http2Headers received) {
        List<Header> headers = new ArrayList<>();
        received.forEach(line -> headers.add(new Header(text(line.getKey()), text(line.getValue()))));
        return headers;
    }

    private static String text(CharSequence bytes) {
        return bytes.toString();
    }
}
