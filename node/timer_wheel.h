/* Timer wheel: deadlines in, due entries out.
 *
 * Eight wheels of 64 slots, each turning 64 times slower than the one below it; the lowest has a slot for each
 * millisecond. Together they span all of 64-bit nanoseconds, so no deadline is too far. An entry is
 * embedded in what it times; the wheel links it and allocates nothing. Adding and cancelling cost the same for any
 * number of entries; an entry moves at most seven times before it is due. The wheel visits
 * occupied slots only, so a clock that jumps by years costs no more than one that ticks.
 *
 * An entry never comes out early, and at most a millisecond after its deadline if expire is called then: deadlines
 * are rounded up to the next millisecond. The wheel has no clock; its owner tells it the time.
 *
 * Thread: one at a time, the owner's. */

#ifndef THSI_NODE_TIMER_WHEEL_H
#define THSI_NODE_TIMER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum { THSI_WHEEL_LEVELS = 8, THSI_WHEEL_SLOTS = 64 };

/* A zeroed entry is in no wheel. While it is in one, only the wheel may touch it. */
struct thsi_timer_entry {
    struct thsi_timer_entry *next; /* in a slot: a ring in order of insertion; after expire: the next one due */
    struct thsi_timer_entry *prev; /* NULL: in no wheel */
    uint64_t deadline_ns;          /* as it was added */
};

/* About 4 KiB. */
struct thsi_wheel {
    uint64_t tick;                         /* milliseconds: every entry due by now has come out */
    uint64_t occupied[THSI_WHEEL_LEVELS];  /* one bit for each slot that has entries */
    struct thsi_timer_entry *slots[THSI_WHEEL_LEVELS][THSI_WHEEL_SLOTS]; /* the oldest entry of each */
};

/* Empty. Time before @now_ns has passed. */
void thsi_wheel_init(struct thsi_wheel *wheel, uint64_t now_ns);

/* Add @entry, which is in no wheel, to be due at @deadline_ns. One whose millisecond has passed comes out of the next
 * expire. */
void thsi_wheel_add(struct thsi_wheel *wheel, struct thsi_timer_entry *entry, uint64_t deadline_ns);

/* Take @entry out. False when it was not in, so cancelling twice, or after it came out, is allowed. */
bool thsi_wheel_cancel(struct thsi_wheel *wheel, struct thsi_timer_entry *entry);

/* When to call expire next; UINT64_MAX when the wheel is empty. Never later than the moment the earliest entry comes
 * out; earlier only when many entries lie close together far ahead, and expire then sorts them. */
uint64_t thsi_wheel_deadline_ns(const struct thsi_wheel *wheel);

/* Take out every entry due at @now_ns. Gives them as a list linked by `next`, NULL for none, in the order of their
 * deadlines and, where these are equal, of insertion. Calls nobody: the owner walks the list afterwards, reading
 * `next` before it adds an entry again. A clock that went back is taken to stand still. */
struct thsi_timer_entry *thsi_wheel_expire(struct thsi_wheel *wheel, uint64_t now_ns);

/* Assert everything believed about the wheel. For tests and the simulator. */
void thsi_wheel_check(const struct thsi_wheel *wheel);

#endif /* THSI_NODE_TIMER_WHEEL_H */
