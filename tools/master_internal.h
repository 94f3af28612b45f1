/* Master, inside: what its files share. master.c takes the messages, master_give.c gives out ranges and tells the
 * victim's story. */

#ifndef THSI_TOOLS_MASTER_INTERNAL_H
#define THSI_TOOLS_MASTER_INTERNAL_H

#include "thiasos/actor.h"
#include "tools/master.h"
#include "tools/wordcount.h"

enum stage { WAITING, LISTING, COUNTING, CLOSING, FINISHED };

/* The victim's story. */
enum kill { NO_KILL, KILL_LATER, PAUSING, KILLED, STARTED, RETURNED };

struct master {
    struct thsi_job *job;
    struct thsi_staff *staff;
    enum stage stage;
    enum kill kill;
    char victim[64];
    uint32_t kill_at, counters_wanted, rounds_wanted, late_ms, stall_ms;
    bool asking;                       /* an ask is open */
    char after[THSI_PATH_MAX + 1];     /* last path listed so far */
    size_t turn;                       /* whose turn it is to get a range, to list, to tell its stats */
    uint64_t start_ms, moved_ms;       /* moved: when last something came forward */
    uint64_t story_ms;                 /* when the victim's story last did */
    uint64_t bytes_all;
};

/* The hooks of the master that was spawned last. */
extern const struct thsi_master_hooks *thsi_master_hooks;

/* Pass a line on to the hooks. */
void thsi_master_tell(enum thsi_master_event event, const char *format, ...) THS_PRINTF(2, 3);

/* Each counter in turn is given ranges until all hold what they may, or the time of the victim has come. */
void thsi_master_give_out(struct ths_ctx *ctx, struct master *self);

/* What @who has not answered goes to others. Of the victim at its end it is remembered. Returns how many ranges. */
size_t thsi_master_lose(struct master *self, ths_ref who);

/* The victim stands still: give it what it cannot answer, and have it killed. */
void thsi_master_paused(struct ths_ctx *ctx, struct master *self, const char *node);

/* After the loss: when as many counters work as before, the victim may come back. */
void thsi_master_watch_recovery(struct ths_ctx *ctx, struct master *self);

/* A range is counted, by the sender of the message at hand. The new boot of the victim is what the rounds wait for. */
void thsi_master_credit(struct ths_ctx *ctx, struct master *self, uint64_t range);

#endif /* THSI_TOOLS_MASTER_INTERNAL_H */
