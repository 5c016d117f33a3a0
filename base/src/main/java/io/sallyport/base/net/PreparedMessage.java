package io.sallyport.base.net;

import io.grpc.Drainable;
import io.grpc.KnownLength;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;

/**
 * A message whose bytes are there already, as gRPC sends it. Without {@link Drainable} it would take a buffer of 8 KiB to copy
 * the two bytes of a short one.
 */
public final class PreparedMessage extends ByteArrayInputStream implements Drainable, KnownLength {
    /** @param bytes never written to afterwards */
    public PreparedMessage(byte[] bytes) {
        super(bytes);
    }

    @Override
    public int drainTo(OutputStream target) throws IOException {
        int left = available();
        target.write(buf, pos, left);
        pos += left;
        return left;
    }
}
