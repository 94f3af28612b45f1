/* Watch: what the watchdog concludes from one look after the other at one thread. Pure: time and beats are numbers.
 *
 * A beat (node.h) is odd while a handler runs and another number for each message. A handler runs too long when the same odd beat
 * is seen again a slice after it was seen first; so one that runs for a slice and the time between two looks is always found. */

#ifndef THSI_NODE_WATCH_H
#define THSI_NODE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct thsi_watch_limits {
    uint64_t slice_ns;  /* a handler, and a turn, that take longer hold others up */
    uint64_t stuck_ns;  /* a handler is named after this time, then after twice, four times it, ... */
};

/* Zeroed at first. */
struct thsi_watched {
    uint32_t beat;             /* at the last look */
    bool overrun;              /* found to run for longer than the slice */
    uint64_t since_ns;         /* when the beat was seen first */
    uint64_t stuck_at_ns;      /* when it is to be named next */
    const void *turn;          /* whose turn it was at the last look, NULL: none */
    uint64_t turn_since_ns;
};

/* What to do about it: any of these together. */
enum {
    THSI_WATCH_BUSY = 1,       /* it works, or did since the last look */
    THSI_WATCH_OVERRUN = 2,    /* the handler that runs is over the slice ... */
    THSI_WATCH_FIRST = 4,      /* ... and was not yet when it was looked at last */
    THSI_WATCH_STUCK = 8,      /* name it as stuck */
    THSI_WATCH_LONG_TURN = 16  /* short handlers, but one actor's for longer than a slice */
};

/* Look at @watched at @now_ns: its beat, and whose turn it is. */
unsigned thsi_watch_look(struct thsi_watched *watched, const struct thsi_watch_limits *limits, uint64_t now_ns, uint32_t beat,
                         const void *turn);

#endif /* THSI_NODE_WATCH_H */
