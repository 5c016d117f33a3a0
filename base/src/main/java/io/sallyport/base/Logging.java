package io.sallyport.base;

import java.util.logging.ConsoleHandler;
import java.util.logging.Formatter;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** The program's own log: {@link System.Logger} over java.util.logging, one line an event, to standard error. */
public final class Logging {
    private Logging() {}

    /** Replaces the JVM's default two-line format. Called once, first thing in a main. */
    public static void toStandardError() {
        Logger root = Logger.getLogger("");
        for (var handler : root.getHandlers()) {
            root.removeHandler(handler);
        }
        ConsoleHandler console = new ConsoleHandler();
        console.setFormatter(new OneLine());
        console.setLevel(Level.ALL);
        console.setFilter(Logging::isWorthALine);
        root.addHandler(console);
        root.setLevel(Level.INFO);
    }

    /** Libraries say some things at every start that no operator can act on. */
    private static boolean isWorthALine(LogRecord event) {
        String logger = event.getLoggerName() == null ? "" : event.getLoggerName();
        // gRPC asks for SO_KEEPALIVE on Unix sockets too.
        boolean socketOption = logger.startsWith("io.netty.bootstrap.")
                && String.valueOf(event.getMessage()).startsWith("Unknown channel option");
        boolean progress = (logger.startsWith("org.flywaydb.") || logger.startsWith("com.zaxxer.hikari."))
                && event.getLevel().intValue() <= Level.INFO.intValue();
        // What goes wrong with a watch is said by whoever watches, once and not at every try.
        boolean watch = logger.equals("io.fabric8.kubernetes.client.informers.impl.cache.Reflector");
        return !socketOption && !progress && !watch;
    }

    private static final class OneLine extends Formatter {
        @Override
        public String format(LogRecord event) {
            String logger = event.getLoggerName() == null ? "" : event.getLoggerName();
            StringBuilder line = new StringBuilder()
                    .append(event.getInstant())
                    .append(' ')
                    .append(
                            event.getLevel().equals(Level.SEVERE)
                                    ? "ERROR"
                                    : event.getLevel().getName())
                    .append(' ')
                    .append(logger.substring(logger.lastIndexOf('.') + 1))
                    .append(": ")
                    .append(formatMessage(event).replace("\n", "\\n"));
            for (Throwable cause = event.getThrown(); cause != null; cause = cause.getCause()) {
                line.append(" | ").append(cause.toString().replace("\n", "\\n"));
            }
            if (event.getThrown() != null && event.getThrown().getStackTrace().length > 0) {
                line.append(" at ").append(event.getThrown().getStackTrace()[0]);
            }
            return line.append('\n').toString();
        }
    }
}
