package io.sallyport.bench;

import io.netty.buffer.ByteBuf;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.codec.http2.DefaultHttp2FrameReader;
import io.netty.handler.codec.http2.DefaultHttp2FrameWriter;
import io.netty.handler.codec.http2.Http2CodecUtil;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2FrameAdapter;
import io.netty.handler.codec.http2.Http2FrameReader;
import io.netty.handler.codec.http2.Http2FrameWriter;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2Settings;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One end of an HTTP/2 connection that costs next to nothing: it keeps the windows (RFC 9113, 5.2), sends frames that
 * were made beforehand, and gathers nothing. A gRPC library would be slower than the proxy that is to be measured, and
 * would join small frames to large ones.
 *
 * <p>Everything happens on the connection's event loop.
 */
@SuppressWarnings("FutureReturnValueIgnored") // a write that fails closes the connection, and that is noticed
abstract class Http2End extends ByteToMessageDecoder {
    /** What the other side may send of a stream before we have taken it. */
    private static final int STREAM_WINDOW = 1 << 20;

    private static final int CONNECTION_WINDOW = 16 << 20;
    private static final int STREAMS = 1000;

    private final Http2FrameReader reader = new DefaultHttp2FrameReader(false);
    private final Http2FrameWriter writer = new DefaultHttp2FrameWriter();
    private final Map<Integer, Stream> streams = new LinkedHashMap<>();
    private final Listener listener = new Listener();
    private int prefaceLeft;
    private int window = Http2CodecUtil.DEFAULT_WINDOW_SIZE;
    private int initialWindow = Http2CodecUtil.DEFAULT_WINDOW_SIZE;
    private int maxFrame = Http2CodecUtil.MAX_FRAME_SIZE_LOWER_BOUND;
    private int unreturned;
    private @Nullable ChannelHandlerContext context;

    /** @param isServer whether the other side begins with the preface */
    Http2End(boolean isServer) {
        prefaceLeft = isServer ? Http2CodecUtil.connectionPrefaceBuf().readableBytes() : 0;
    }

    /** One stream of the connection. */
    abstract class Stream {
        private final int id;
        private int window = initialWindow;
        private int unreturned;

        Stream(int id) {
            this.id = id;
            streams.put(id, this);
        }

        int id() {
            return id;
        }

        abstract void took(Http2Headers headers, boolean last);

        /** @param data lives until this returns, unless it is retained */
        abstract void took(ByteBuf data, boolean last);

        abstract void wasReset(long code);

        /** Sends some more, if it may; whether there may be more to send still. */
        abstract boolean goOn();

        /** Bytes of DATA that may be sent. */
        final int room() {
            return context().channel().isWritable() ? Math.max(0, Math.min(window, Http2End.this.window)) : 0;
        }

        final void send(Http2Headers headers, boolean last) {
            writer.writeHeaders(context(), id, headers, 0, last, context().newPromise());
            if (last) {
                streams.remove(id);
            }
        }

        /**
         * Sends DATA frames, headers and all.
         *
         * @param frames let go here
         * @param payload how many bytes of them count; at most {@link #room()}
         */
        final void sendFrames(ByteBuf frames, int payload) {
            window -= payload;
            Http2End.this.window -= payload;
            // The next time it is the others' turn first.
            streams.remove(id);
            streams.put(id, this);
            context().write(frames, context().voidPromise());
        }

        /** Sends DATA of at most {@link #room()} bytes. */
        final void sendData(ByteBuf data, boolean last) {
            window -= data.readableBytes();
            Http2End.this.window -= data.readableBytes();
            writer.writeData(context(), id, data, 0, last, context().newPromise());
        }

        /** Lets the other side send so many more bytes. */
        final void giveBack(int bytes) {
            unreturned += bytes;
            if (unreturned >= STREAM_WINDOW / 2) {
                writer.writeWindowUpdate(context(), id, unreturned, context().newPromise());
                unreturned = 0;
            }
        }

        /** Nothing more is expected of it. */
        final void forget() {
            streams.remove(id);
        }
    }

    /** The other side has opened a stream. */
    abstract void opened(int id);

    /** Settings have come: whoever wants to open streams may. */
    abstract void ready();

    /** The connection is gone, or cannot go on. */
    abstract void lost(String why);

    /** Bytes of the largest frame that the other side takes. */
    final int maxFrame() {
        return maxFrame;
    }

    /** Writes DATA frames of the least size that everybody takes. */
    static void frame(ByteBuf out, int streamId, byte[] message) {
        for (int at = 0; at < message.length; at += Http2CodecUtil.MAX_FRAME_SIZE_LOWER_BOUND) {
            int size = Math.min(message.length - at, Http2CodecUtil.MAX_FRAME_SIZE_LOWER_BOUND);
            out.writeMedium(size).writeByte(0).writeByte(0).writeInt(streamId).writeBytes(message, at, size);
        }
    }

    final void flush() {
        context().flush();
    }

    private ChannelHandlerContext context() {
        if (context == null) {
            throw new IllegalStateException("not connected");
        }
        return context;
    }

    /** Lets all streams send, a little of each at a time. */
    final void allGoOn() {
        boolean more = true;
        while (more) {
            more = false;
            for (Stream stream : List.copyOf(streams.values())) {
                more |= stream.goOn();
            }
        }
    }

    @Override
    public void channelActive(ChannelHandlerContext active) throws Exception {
        context = active;
        if (prefaceLeft == 0) {
            active.write(Http2CodecUtil.connectionPrefaceBuf());
        }
        writer.writeSettings(
                active,
                Http2Settings.defaultSettings().initialWindowSize(STREAM_WINDOW).maxConcurrentStreams(STREAMS),
                active.newPromise());
        writer.writeWindowUpdate(
                active, 0, CONNECTION_WINDOW - Http2CodecUtil.DEFAULT_WINDOW_SIZE, active.newPromise());
        active.flush();
        super.channelActive(active);
    }

    @Override
    protected void decode(ChannelHandlerContext active, ByteBuf in, List<Object> out) throws Http2Exception {
        if (prefaceLeft > 0) {
            int count = Math.min(prefaceLeft, in.readableBytes());
            in.skipBytes(count);
            prefaceLeft -= count;
            return;
        }
        reader.readFrame(active, in, listener);
    }

    @Override
    public void channelReadComplete(ChannelHandlerContext active) throws Exception {
        active.flush();
        super.channelReadComplete(active);
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext active) throws Exception {
        if (active.channel().isWritable()) {
            allGoOn();
            active.flush();
        }
        super.channelWritabilityChanged(active);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext active, Throwable cause) {
        lost(cause.toString());
        active.close();
    }

    @Override
    protected void handlerRemoved0(ChannelHandlerContext removed) {
        reader.close();
        writer.close();
        lost("the connection was closed");
    }

    private final class Listener extends Http2FrameAdapter {
        @Override
        public int onDataRead(ChannelHandlerContext active, int id, ByteBuf data, int padding, boolean last) {
            int bytes = data.readableBytes() + padding;
            unreturned += bytes;
            if (unreturned >= CONNECTION_WINDOW / 2) {
                writer.writeWindowUpdate(active, 0, unreturned, active.newPromise());
                unreturned = 0;
            }
            Stream stream = streams.get(id);
            if (stream != null) {
                stream.took(data, last);
            }
            return bytes;
        }

        @Override
        public void onHeadersRead(
                ChannelHandlerContext active, int id, Http2Headers headers, int padding, boolean last) {
            if (!streams.containsKey(id)) {
                opened(id);
            }
            Stream stream = streams.get(id);
            if (stream != null) {
                stream.took(headers, last);
            }
        }

        @Override
        public void onHeadersRead(
                ChannelHandlerContext active,
                int id,
                Http2Headers headers,
                int dependency,
                short weight,
                boolean exclusive,
                int padding,
                boolean last) {
            onHeadersRead(active, id, headers, padding, last);
        }

        @Override
        public void onRstStreamRead(ChannelHandlerContext active, int id, long code) {
            Stream stream = streams.remove(id);
            if (stream != null) {
                stream.wasReset(code);
            }
        }

        @Override
        public void onSettingsRead(ChannelHandlerContext active, Http2Settings settings) {
            Integer largest = settings.maxFrameSize();
            if (largest != null) {
                maxFrame = largest;
            }
            Integer initial = settings.initialWindowSize();
            if (initial != null) {
                int more = initial - initialWindow;
                initialWindow = initial;
                streams.values().forEach(stream -> stream.window += more);
            }
            writer.writeSettingsAck(active, active.newPromise());
            ready();
            allGoOn();
        }

        @Override
        public void onPingRead(ChannelHandlerContext active, long data) {
            writer.writePing(active, true, data, active.newPromise());
        }

        @Override
        public void onWindowUpdateRead(ChannelHandlerContext active, int id, int increment) {
            if (id == 0) {
                window += increment;
                allGoOn();
                return;
            }
            Stream stream = streams.get(id);
            if (stream != null) {
                stream.window += increment;
                allGoOn();
            }
        }

        @Override
        public void onGoAwayRead(ChannelHandlerContext active, int lastStreamId, long code, ByteBuf text) {
            lost("GOAWAY with code " + code);
        }
    }
}
