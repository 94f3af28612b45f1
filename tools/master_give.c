#include "tools/master_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define AHEAD 2u          /* ranges a counter may hold at a time */
#define UNTOUCHED_MIN 6u  /* so many are kept for the victim to hold */

const struct thsi_master_hooks *thsi_master_hooks;

void thsi_master_tell(enum thsi_master_event event, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    thsi_master_hooks->event(thsi_master_hooks->arg, event, text);
}

size_t thsi_master_lose(struct master *self, ths_ref who)
{
    bool mourned = self->kill == KILLED && who.node == self->staff->victim;

    for (size_t i = 0; i < self->job->held_count && mourned; i++)
        if (ths_ref_equal(self->job->held[i].holder, who))
            thsi_staff_orphan(self->staff, self->job->held[i].id);
    return thsi_job_lose(self->job, who);
}

/* ---- Giving out ------------------------------------------------------------------------- */

/* Send one counter its next range. False when there is none, or it did not take it. */
static bool give_one(struct ths_ctx *ctx, struct master *self, struct thsi_counter_row *counter)
{
    const struct thsi_job_file *file;
    struct thsi_job_range range;
    enum ths_err err;

    if (!thsi_job_take(self->job, counter->ref, ths_now_ms(ctx) + self->late_ms, &range))
        return false;
    file = &self->job->files[range.file];
    err = ths_try_tell(ctx, counter->ref, count_range, .range = range.id, .attempt = range.attempt,
                       .path = THS_BYTES(file->path, strlen(file->path)), .offset = range.offset, .len = range.len,
                       .size = file->size, .changed_ns = file->changed_ns);
    if (err == THS_OK)
        return true;
    /* Its DOWN will come, or the link has room again at the next tick. */
    (void)thsi_job_lose(self->job, counter->ref);
    counter->busy = true;
    return false;
}

/* Whether the time has come to kill. The last ranges of a round are kept for the victim to hold. */
static bool is_kill_due(const struct master *self)
{
    return self->kill == KILL_LATER && self->job->bytes > 0 &&
           (self->job->round > 1 || self->job->bytes_done * 100 >= self->job->bytes * self->kill_at ||
            self->job->untouched <= UNTOUCHED_MIN);
}

/* The time has come. The victim must have finished something and there must be something left for it to hold; as long
 * as that is not so, it alone is given ranges. Then ask for it to be paused, and give out nothing until it is. */
static void prepare_kill(struct ths_ctx *ctx, struct master *self)
{
    const struct thsi_boot_row *boot = thsi_staff_named(self->staff, self->victim);

    if (!boot || thsi_staff_alive(self->staff) < self->counters_wanted)
        return;
    for (size_t i = 0; i < self->staff->counters_count && boot->credited == 0; i++) {
        struct thsi_counter_row *counter = &self->staff->counters[i];

        if (counter->alive && !counter->busy && counter->ref.node == boot->uid &&
            thsi_job_holds(self->job, counter->ref) == 0)
            (void)give_one(ctx, self, counter);
    }
    if (boot->credited == 0 || thsi_job_waiting(self->job) == 0)
        return;
    self->staff->victim = boot->uid;
    self->kill = PAUSING;
    self->story_ms = ths_now_ms(ctx);
    thsi_master_tell(THSI_EVENT_PAUSE, "%s", self->victim);
}

void thsi_master_give_out(struct ths_ctx *ctx, struct master *self)
{
    size_t count = self->staff->counters_count;

    for (unsigned held = 0; held < AHEAD; held++)
        for (size_t i = 0; i < count; i++) {
            struct thsi_counter_row *counter = &self->staff->counters[(self->turn + i) % count];

            if (self->stage != COUNTING || self->kill == PAUSING)
                return;
            if (is_kill_due(self)) {
                prepare_kill(ctx, self);
                return;
            }
            if (!counter->alive || counter->busy || counter->ref.node == self->staff->victim ||
                thsi_job_holds(self->job, counter->ref) > held)
                continue;
            (void)give_one(ctx, self, counter);
        }
    self->turn++;
}

/* ---- The victim's story ----------------------------------------------------------------- */

void thsi_master_paused(struct ths_ctx *ctx, struct master *self, const char *node)
{
    size_t given = 0;

    if (self->kill != PAUSING || strcmp(node, self->victim) != 0)
        return;
    for (unsigned held = 0; held < AHEAD; held++)
        for (size_t i = 0; i < self->staff->counters_count; i++) {
            struct thsi_counter_row *counter = &self->staff->counters[i];

            if (counter->alive && counter->ref.node == self->staff->victim)
                given += give_one(ctx, self, counter);
        }
    self->kill = KILLED;
    self->story_ms = ths_now_ms(ctx);
    thsi_master_tell(THSI_EVENT_SAY, "%s stands still and was sent %zu ranges; now it is killed", self->victim, given);
    thsi_master_tell(THSI_EVENT_KILL, "%s", self->victim);
    thsi_master_give_out(ctx, self);
}

void thsi_master_watch_recovery(struct ths_ctx *ctx, struct master *self)
{
    size_t alive = thsi_staff_alive(self->staff);
    bool deserted = alive == 0 && !thsi_staff_can_replace(self->staff);

    if (self->kill != KILLED || thsi_staff_alive_on(self->staff, self->staff->victim) > 0 ||
        (alive < self->counters_wanted && !deserted))
        return;
    self->kill = STARTED;
    self->story_ms = ths_now_ms(ctx);
    if (deserted)
        thsi_master_tell(THSI_EVENT_SAY, "no node is left that could take %s's counters; it is started again", self->victim);
    else
        thsi_master_tell(THSI_EVENT_SAY, "all %zu counters work again without %s; now it is started again", alive,
                         self->victim);
    thsi_master_tell(THSI_EVENT_START, "%s", self->victim);
}

void thsi_master_credit(struct ths_ctx *ctx, struct master *self, uint64_t range)
{
    const struct thsi_boot_row *boot = thsi_staff_boot(self->staff, ths_sender(ctx).node);

    thsi_staff_credit(self->staff, ths_sender(ctx).node, range);
    if (self->kill == STARTED && boot && boot->uid != self->staff->victim && strcmp(boot->name, self->victim) == 0) {
        self->kill = RETURNED;
        thsi_master_tell(THSI_EVENT_SAY, "%s is back and has finished its first range since", self->victim);
    }
}
