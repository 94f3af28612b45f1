/* Demo print: the demo's output, for people or for a script.
 *
 * For people: lines, and on a terminal a last line that is drawn again and again. For a script (--events): every line
 * starts with its kind and a tab, so that the script knows what to show, what to redraw and what to do. */

#ifndef THSI_TOOLS_DEMO_PRINT_H
#define THSI_TOOLS_DEMO_PRINT_H

#include "tools/master.h"

struct thsi_demo_screen {
    bool events;           /* for a script */
    bool redraw;           /* stdout is a terminal */
    bool drawn;            /* a progress line stands there without a newline */
    unsigned width;        /* columns of the terminal */
    uint64_t last_ms;      /* when progress was printed last */
    uint64_t start_ms;     /* of the first round; 0: not yet */
    uint64_t mark_ms, mark_bytes; /* where the present rate is counted from */
    double rate;           /* MB/s */
};

/* Look at stdout. */
void thsi_demo_screen_init(struct thsi_demo_screen *screen, bool events);

/* A line of this kind ("say", "line", "pause", ...). People see the text of "say" and "line" alone. */
void thsi_demo_print(struct thsi_demo_screen *screen, const char *kind, const char *format, ...) THS_PRINTF(3, 4);

/* Progress, not more often than is good for whoever reads it. @now_ms is any monotonic clock. */
void thsi_demo_progress(struct thsi_demo_screen *screen, const struct thsi_progress *progress, size_t members,
                        uint64_t restarts, uint64_t now_ms);

/* The tables at the end: the top words, what the counters of each boot say, and what was left out. */
void thsi_demo_tables(struct thsi_demo_screen *screen, const struct thsi_outcome *outcome);

/* How many files were left out. */
size_t thsi_demo_left_out(const struct thsi_outcome *outcome);

/* Write "word count" lines, by letters. Errors: IO, NOMEM. */
THS_MUST_CHECK enum ths_err thsi_demo_write_words(const struct thsi_outcome *outcome, const char *path);

/* Write what was left out: reason NUL path NUL. Errors: IO. */
THS_MUST_CHECK enum ths_err thsi_demo_write_left_out(const struct thsi_outcome *outcome, const char *path);

#endif /* THSI_TOOLS_DEMO_PRINT_H */
