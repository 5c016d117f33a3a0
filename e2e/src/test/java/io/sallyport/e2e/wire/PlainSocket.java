package io.sallyport.e2e.wire;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** A TCP connection on which any bytes may be sent, HTTP or not. */
public final class PlainSocket {
    private static final int PATIENCE_MILLIS = 3_000;

    private PlainSocket() {}

    /**
     * Sends bytes and reads until the other side closes, or is silent for some seconds.
     *
     * @return what came back, as ISO 8859-1
     */
    public static String exchange(int port, byte[] request) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.setSoTimeout(PATIENCE_MILLIS);
            ByteArrayOutputStream answer = new ByteArrayOutputStream();
            try {
                socket.getOutputStream().write(request);
                socket.getOutputStream().flush();
                InputStream in = socket.getInputStream();
                byte[] buffer = new byte[4096];
                for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                    answer.write(buffer, 0, read);
                }
            } catch (SocketTimeoutException | SocketException e) {
                // Silent, or reset: what came until then is the answer.
                return answer.toString(StandardCharsets.ISO_8859_1);
            }
            return answer.toString(StandardCharsets.ISO_8859_1);
        }
    }

    /** The client's first bytes of HTTP/2 with empty settings. */
    public static byte[] http2Preface() {
        return Wire.join(
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII),
                HexFormat.of().parseHex("000000040000000000"));
    }
}
