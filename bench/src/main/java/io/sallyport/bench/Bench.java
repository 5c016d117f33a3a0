package io.sallyport.bench;

import java.io.IOException;

/** One thing to measure. */
interface Bench {
    /** What it is called on the command line and in its last line. */
    String name();

    /** What it measures, in a sentence. */
    String description();

    /**
     * Measures, and prints what it sees on the way.
     *
     * @param rounds how often, interleaved; 0 for as often as suits
     * @param seconds of a measured stretch
     * @return the last line: {@code NAME key=value …}
     */
    String run(Workbench workbench, int rounds, int seconds) throws IOException, InterruptedException;
}
