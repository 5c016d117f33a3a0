package io.sallyport.issuer.cli;

import java.io.InputStream;
import java.io.PrintWriter;
import java.util.Map;

/**
 * What a command sees of the world around it, besides files and sockets.
 *
 * @param out results; never a secret
 * @param err what went wrong; never a secret
 * @param in standard input
 * @param environment of the process
 */
public record Console(PrintWriter out, PrintWriter err, InputStream in, Map<String, String> environment) {
    @Override
    public String toString() {
        return "Console";
    }
}
