/* Staff: the counters that work for a master, the nodes they live on, and what each says it has finished.
 *
 * A node that was started anew is another boot with another uid and a row of its own. Rows stay when their node is
 * gone, and so do counters: the end of the demo tells what every boot did. Pure; fixed size. */

#ifndef THSI_TOOLS_STAFF_H
#define THSI_TOOLS_STAFF_H

#include <stddef.h>

#include "thiasos/ref.h"

#define THSI_COUNTERS_MAX 512u  /* in the life of a job; more are not given work */
#define THSI_BOOTS_MAX 64u
#define THSI_ORPHANS_MAX 64u

struct thsi_counter_row {
    ths_ref ref;
    uint64_t monitor;
    bool alive;
    bool busy;                 /* refused the last message; no more until the next tick */
    uint64_t finished, finished_bytes; /* as it says itself */
    uint64_t before, before_bytes;     /* said by earlier incarnations of it */
};

struct thsi_boot_row {
    uint64_t uid, boot;
    char name[64];             /* "" until its member event is here */
    bool up;
    uint64_t credited;         /* answers that the master took */
    uint64_t adopted;          /* of these: ranges that the victim held at its death */
};

struct thsi_staff {
    struct thsi_counter_row counters[THSI_COUNTERS_MAX];
    size_t counters_count;
    struct thsi_boot_row boots[THSI_BOOTS_MAX];
    size_t boots_count;
    uint64_t victim;           /* uid of the boot that is to be killed, or was; 0: none */
    uint64_t orphans[THSI_ORPHANS_MAX]; /* ranges it held at its death, while nobody has finished them */
    size_t orphans_count;
    size_t held_at_death;
};

/* The row of a boot, made when there is none. NULL when the table is full. */
struct thsi_boot_row *thsi_staff_boot(struct thsi_staff *staff, uint64_t uid);

/* The counter, or NULL. */
struct thsi_counter_row *thsi_staff_find(struct thsi_staff *staff, ths_ref ref);

/* Add a counter. NULL when it was there already (alive or not), or there are too many. */
struct thsi_counter_row *thsi_staff_hire(struct thsi_staff *staff, ths_ref ref);

/* How many counters are alive: in all, and on one boot. */
size_t thsi_staff_alive(const struct thsi_staff *staff);
size_t thsi_staff_alive_on(const struct thsi_staff *staff, uint64_t uid);

/* A boot other than the victim's is up that has, or had, counters: it can take the victim's. */
bool thsi_staff_can_replace(const struct thsi_staff *staff);

/* What @counter says it has finished. Less than before means a new incarnation, and is added. */
void thsi_staff_said(struct thsi_counter_row *counter, uint64_t finished, uint64_t finished_bytes);

/* The boot called @name that is up and has living counters, or NULL. */
struct thsi_boot_row *thsi_staff_named(struct thsi_staff *staff, const char *name);

/* A counter of the victim is gone and had not answered @range. */
void thsi_staff_orphan(struct thsi_staff *staff, uint64_t range);

/* The answer to @range was taken from a counter on boot @uid. */
void thsi_staff_credit(struct thsi_staff *staff, uint64_t uid, uint64_t range);

/* What all counters of a boot say. */
struct thsi_boot_sum {
    size_t counters;
    uint64_t finished, finished_bytes;
};
struct thsi_boot_sum thsi_staff_sum(const struct thsi_staff *staff, uint64_t uid);

#endif /* THSI_TOOLS_STAFF_H */
