package io.sallyport.e2e.run;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;

/** Lines in columns, printed as they come; the widths are given beforehand. */
final class Table {
    private final PrintStream out;
    private final int[] widths;

    /** @param titles with the width of each column but the last in front of a bar: {@code 10|caller} */
    Table(PrintStream out, String... titles) {
        this.out = out;
        this.widths = new int[titles.length];
        List<String> names = new ArrayList<>();
        for (int i = 0; i < titles.length; i++) {
            int bar = titles[i].indexOf('|');
            widths[i] = Integer.parseInt(titles[i].substring(0, bar));
            names.add(titles[i].substring(bar + 1));
        }
        line(names.toArray(String[]::new));
        line(names.stream().map(name -> "-".repeat(name.length())).toArray(String[]::new));
    }

    void line(String... cells) {
        StringBuilder line = new StringBuilder("  ");
        for (int i = 0; i < cells.length; i++) {
            line.append(cells[i]);
            if (i < cells.length - 1) {
                line.repeat(' ', Math.max(2, widths[i] - cells[i].length() + 2));
            }
        }
        out.println(line);
    }
}
