/* Master: the actor that has the words of all files counted.
 *
 * It finds its counters through the group (or, on a node alone, hears of them from themselves), watches each, lists the
 * files through one of them, gives out ranges a few at a time, and gives them out again when a counter is lost or
 * late. What it has to tell goes to the hooks. With a victim it plays the demo's story: it lets that node be
 * killed while ranges it was given are unanswered, and goes on round after round until the node's new boot has finished
 * some. */

#ifndef THSI_TOOLS_MASTER_H
#define THSI_TOOLS_MASTER_H

#include "thiasos/node.h"
#include "tools/job.h"
#include "tools/staff.h"

struct thsi_master_options {
    const char *victim;      /* copied; name of the node to be killed; NULL: none */
    unsigned kill_at;        /* when so many percent of the first round are done */
    unsigned counters;       /* so many are to be alive before the victim is started again */
    unsigned rounds;         /* at least; 0: 1 */
    unsigned late_ms;        /* a range unanswered for so long is given to another; 0: 20,000 */
    unsigned stall_ms;       /* give up when nothing moved for so long; 0: 60,000 */
};

enum thsi_master_event {
    THSI_EVENT_SAY,    /* for people */
    THSI_EVENT_PAUSE,  /* pause the victim, then tell the master `paused` */
    THSI_EVENT_KILL,   /* it holds unanswered ranges: kill it now */
    THSI_EVENT_START   /* the loss was seen and made good: start it again */
};

struct thsi_progress {
    uint32_t round;              /* 0: listing */
    size_t files, files_done;    /* in this round */
    uint64_t bytes, bytes_done;
    uint64_t bytes_all;          /* in all rounds so far */
    size_t counters;             /* alive */
    uint64_t sent_again;
};

/* How it ended. */
struct thsi_outcome {
    bool exact;                  /* every round gave the same table */
    char trouble[256];           /* why not, or why it was given up; else "" */
    struct thsi_job *job;        /* job->first is the result, job->files tell what was left out */
    struct thsi_staff staff;
    uint32_t rounds;
    uint64_t bytes_all;
    uint64_t took_ms;
};

void thsi_outcome_destroy(struct thsi_outcome *outcome);

/* Called by the master, one at a time, on a thread of the node; not to block for long. */
struct thsi_master_hooks {
    void *arg;
    struct ths_env *env;         /* memory and seeds of the tables */
    void (*progress)(void *arg, const struct thsi_progress *progress);
    void (*event)(void *arg, enum thsi_master_event event, const char *text);
    void (*finished)(void *arg, struct thsi_outcome *outcome); /* takes it */
};

/* Spawn a master called "master" on @node. @hooks are borrowed until it has ended; one master at a time in a process.
 * Returns THS_NOBODY when it could not be spawned (logged). */
ths_ref thsi_master_spawn(struct ths_node *node, const struct thsi_master_options *options,
                          const struct thsi_master_hooks *hooks);

#endif /* THSI_TOOLS_MASTER_H */
