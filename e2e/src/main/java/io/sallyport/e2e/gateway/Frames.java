package io.sallyport.e2e.gateway;

/** The prefix of a gRPC message: one byte "compressed", four bytes length, big-endian. */
final class Frames {
    static final int PREFIX = 5;

    private Frames() {}

    /** The length that stands in the prefix at that place; negative when it is over 2 GiB. */
    static int length(byte[] bytes, int at) {
        return (bytes[at + 1] & 0xff) << 24
                | (bytes[at + 2] & 0xff) << 16
                | (bytes[at + 3] & 0xff) << 8
                | (bytes[at + 4] & 0xff);
    }
}
