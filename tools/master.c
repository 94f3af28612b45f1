/* Master: see master.h. The bookkeeping is in job.c (ranges and tables) and staff.c (counters and boots); here is
 * who is told what, and when. master_give.c has the giving out, and the victim's story. */

#include "tools/master_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "thiasos/cluster.h"
#include "thiasos/group.h"
#include "thiasos/lifecycle.h"

#define TICK_MS 100u
#define LIST_TIMEOUT_MS 10000u
#define STATS_TIMEOUT_MS 2000u
#define WORDS_MAX ((size_t)4 << 30) /* bytes of one table of words */

THS_MESSAGE(master_args, "wordcount.master_args", 1, string(victim), u32(kill_at), u32(counters), u32(rounds),
            u32(late_ms), u32(stall_ms))
THS_MESSAGE(master_tick, "wordcount.master_tick", 1)

/* The node of this name does not run any more, until it is killed or continued. */
THS_MESSAGE(paused, "wordcount.paused", 1, string(node, .max = 63))

static void finish(struct ths_ctx *ctx, struct master *self, const char *format, ...) THS_PRINTF(3, 4);
static void ask_stats(struct ths_ctx *ctx, struct master *self);

static void tell_progress(const struct master *self)
{
    struct thsi_progress progress = {
        .round = self->job->round, .files = self->job->files_count, .files_done = self->job->files_done,
        .bytes = self->job->bytes, .bytes_done = self->job->bytes_done, .bytes_all = self->bytes_all,
        .counters = thsi_staff_alive(self->staff), .sent_again = self->job->sent_again,
    };

    thsi_master_hooks->progress(thsi_master_hooks->arg, &progress);
}

/* ---- Beginning and end -------------------------------------------------------------------- */

THS_ON(master, master_args)
{
    struct ths_env *env = thsi_master_hooks->env;

    self->job = env->memory(env, NULL, sizeof *self->job);
    self->staff = env->memory(env, NULL, sizeof *self->staff);
    if (!self->job || !self->staff) {
        env->memory(env, self->job, 0);
        self->job = NULL;
        ths_fail(ctx, "memory is out");
        return;
    }
    thsi_job_init(self->job, env, WORDS_MAX);
    memset(self->staff, 0, sizeof *self->staff);
    (void)snprintf(self->victim, sizeof self->victim, "%s", msg->victim);
    self->kill = *msg->victim ? KILL_LATER : NO_KILL;
    self->kill_at = msg->kill_at;
    self->counters_wanted = msg->counters;
    self->rounds_wanted = msg->rounds ? msg->rounds : 1;
    self->late_ms = msg->late_ms ? msg->late_ms : 20000;
    self->stall_ms = msg->stall_ms ? msg->stall_ms : 60000;
    self->start_ms = self->moved_ms = ths_now_ms(ctx);
    /* A node alone has neither members nor groups: its counters tell that they are there. */
    if (ths_watch_members(ctx) == THS_OK && ths_group_watch(ctx, THSI_COUNTERS_GROUP) != THS_OK)
        ths_fail(ctx, "cannot watch group " THSI_COUNTERS_GROUP);
    if (ths_every(ctx, TICK_MS, master_tick).value == 0)
        ths_fail(ctx, "memory is out");
}

THS_ON(master, ths_stopping)
{
    if (self->job)
        thsi_job_fini(self->job);
    thsi_master_hooks->env->memory(thsi_master_hooks->env, self->job, 0);
    thsi_master_hooks->env->memory(thsi_master_hooks->env, self->staff, 0);
}

/* Hand over what there is. With a text: that is what went wrong. */
static void finish(struct ths_ctx *ctx, struct master *self, const char *format, ...)
{
    struct thsi_outcome *outcome = thsi_master_hooks->env->memory(thsi_master_hooks->env, NULL, sizeof *outcome);
    va_list args;

    if (!outcome) {
        ths_fail(ctx, "memory is out");
        return;
    }
    memset(outcome, 0, sizeof *outcome);
    va_start(args, format);
    (void)vsnprintf(outcome->trouble, sizeof outcome->trouble, format, args);
    va_end(args);
    if (outcome->trouble[0] == '\0' && self->kill == RETURNED && self->staff->held_at_death == 0)
        (void)snprintf(outcome->trouble, sizeof outcome->trouble, "%s held no unanswered range at its death",
                       self->victim);
    outcome->exact = outcome->trouble[0] == '\0';
    outcome->job = self->job;
    outcome->staff = *self->staff;
    outcome->rounds = self->job->round;
    outcome->bytes_all = self->bytes_all;
    outcome->took_ms = ths_now_ms(ctx) - self->start_ms;
    tell_progress(self);
    self->job = NULL; /* the outcome's now */
    self->stage = FINISHED;
    thsi_master_hooks->finished(thsi_master_hooks->arg, outcome);
    ths_stop(ctx);
}

void thsi_outcome_destroy(struct thsi_outcome *outcome)
{
    struct ths_env *env;

    if (!outcome)
        return;
    env = outcome->job->env;
    thsi_job_fini(outcome->job);
    env->memory(env, outcome->job, 0);
    env->memory(env, outcome, 0);
}

/* ---- Listing ---------------------------------------------------------------------------- */

/* The next living counter in turn; NULL when there is none. */
static struct thsi_counter_row *next_counter(struct master *self)
{
    for (size_t i = 0; i < self->staff->counters_count; i++) {
        struct thsi_counter_row *counter = &self->staff->counters[self->turn++ % self->staff->counters_count];

        if (counter->alive)
            return counter;
    }
    return NULL;
}

static void begin_round(struct ths_ctx *ctx, struct master *self)
{
    thsi_job_round_start(self->job);
    self->stage = COUNTING;
    self->moved_ms = ths_now_ms(ctx);
}

static void list_more(struct ths_ctx *ctx, struct master *self);

THS_ON_REPLY(master, master_listed, files_listed)
{
    enum ths_err added = THS_OK;
    uint32_t count;

    self->asking = false;
    if (self->stage != LISTING || err != THS_OK)
        return; /* the next tick asks another counter */
    count = reply->paths.count;
    if (*reply->why || reply->sizes.count != count || reply->changed_ns.count != count ||
        reply->verdicts.count != count) {
        finish(ctx, self, "the files cannot be listed: %s", *reply->why ? reply->why : "the list came in disorder");
        return;
    }
    for (uint32_t i = 0; i < count && added == THS_OK; i++) {
        const struct ths_bytes *path = &reply->paths.items[i];

        added = thsi_job_add(self->job, (const char *)path->data, path->len, reply->sizes.items[i],
                             reply->changed_ns.items[i], (enum thsi_left_out)reply->verdicts.items[i]);
        if (path->len <= THSI_PATH_MAX && i + 1 == count)
            (void)snprintf(self->after, sizeof self->after, "%.*s", (int)path->len, (const char *)path->data);
    }
    if (added != THS_OK) {
        finish(ctx, self, "the files cannot be listed: %s", ths_err_text(added));
        return;
    }
    self->moved_ms = ths_now_ms(ctx);
    if (reply->last) {
        thsi_master_tell(THSI_EVENT_SAY, "%zu files, %llu bytes", self->job->files_count,
                         (unsigned long long)self->job->bytes);
        begin_round(ctx, self);
        thsi_master_give_out(ctx, self);
    } else {
        list_more(ctx, self);
    }
}

static void list_more(struct ths_ctx *ctx, struct master *self)
{
    const struct thsi_counter_row *counter = self->asking ? NULL : next_counter(self);

    if (!counter)
        return;
    self->asking = true;
    ths_ask(ctx, counter->ref, list_files, master_listed, LIST_TIMEOUT_MS,
            .after = THS_BYTES(self->after, strlen(self->after)));
}

/* ---- Counters come and go --------------------------------------------------------------- */

static void hire(struct ths_ctx *ctx, struct master *self, ths_ref who)
{
    struct thsi_counter_row *counter = self->job ? thsi_staff_hire(self->staff, who) : NULL;

    if (!counter)
        return;
    counter->monitor = ths_monitor(ctx, who).value;
    if (self->stage == WAITING)
        self->stage = LISTING;
    if (self->stage == LISTING)
        list_more(ctx, self);
    else
        thsi_master_give_out(ctx, self);
}

/* One that leaves has ended, and its DOWN comes next, or was restarted in place and has forgotten what it held. */
THS_ON(master, ths_group_change)
{
    if (msg->joined)
        hire(ctx, self, msg->who);
    else if (self->stage == COUNTING)
        (void)thsi_master_lose(self, msg->who);
}

/* From a counter of the same supervisor, on a node alone. In a cluster the group tells the same, which does no harm. */
THS_ON(master, counter_ready)
{
    struct thsi_boot_row *boot = thsi_staff_boot(self->staff, ths_sender(ctx).node);

    if (boot && boot->name[0] == '\0' && boot->uid == ths_self(ctx).node) {
        (void)snprintf(boot->name, sizeof boot->name, "%s", ths_node_name(ths_node_of(ctx)));
        boot->up = true;
    }
    /* One that was restarted in place has forgotten what it held. */
    if (self->job && thsi_staff_find(self->staff, ths_sender(ctx))) {
        (void)thsi_job_lose(self->job, ths_sender(ctx));
        thsi_master_give_out(ctx, self);
    }
    hire(ctx, self, ths_sender(ctx));
}

THS_ON(master, ths_member)
{
    struct thsi_boot_row *boot = thsi_staff_boot(self->staff, msg->uid);

    if (!boot)
        return;
    (void)snprintf(boot->name, sizeof boot->name, "%s", msg->name);
    boot->boot = msg->boot;
    boot->up = msg->state == THS_MEMBER_UP;
}

THS_ON(master, ths_down)
{
    struct thsi_counter_row *counter = thsi_staff_find(self->staff, msg->who);
    bool victim = self->staff->victim != 0 && msg->who.node == self->staff->victim;

    if (!counter || !counter->alive || !self->job)
        return;
    counter->alive = false;
    self->moved_ms = ths_now_ms(ctx);
    (void)thsi_master_lose(self, msg->who);
    if (victim && thsi_staff_alive_on(self->staff, self->staff->victim) == 0)
        thsi_master_tell(THSI_EVENT_SAY, "%s is lost: DOWN (%s) for its counters; the %zu ranges it held go to others",
                   self->victim, ths_reason_text((enum ths_reason)msg->reason), self->staff->held_at_death);
    thsi_master_give_out(ctx, self);
}

THS_ON(master, paused)
{
    thsi_master_paused(ctx, self, msg->node);
}

/* ---- Answers ---------------------------------------------------------------------------- */

static void end_round(struct ths_ctx *ctx, struct master *self)
{
    const struct thsi_word *word;

    if (!thsi_job_round_end(self->job, &word)) {
        finish(ctx, self, "round %u counted \"%.60s\" %llu times, the first round %llu times", self->job->round,
               word->letters, (unsigned long long)thsi_words_get(&self->job->words, word->letters, word->len),
               (unsigned long long)thsi_words_get(&self->job->first, word->letters, word->len));
        return;
    }
    if (self->job->round == 1)
        thsi_master_tell(THSI_EVENT_SAY, "round 1 is counted: %llu words, %zu different",
                         (unsigned long long)self->job->first.total, self->job->first.count);
    /* Without a byte to count nobody can hold a range, and there is nothing to wait for. */
    if (self->job->bytes == 0 ||
        (self->job->round >= self->rounds_wanted && (self->kill == NO_KILL || self->kill == RETURNED))) {
        self->stage = CLOSING;
        self->turn = 0;
        ask_stats(ctx, self);
        return;
    }
    begin_round(ctx, self);
}

THS_ON(master, range_counted)
{
    struct thsi_counter_row *counter = thsi_staff_find(self->staff, ths_sender(ctx));
    uint64_t before;

    if (!counter || self->stage != COUNTING)
        return;
    thsi_staff_said(counter, msg->finished, msg->finished_bytes);
    if (msg->words.count != msg->counts.count)
        return;
    before = self->job->bytes_done;
    switch (thsi_job_answer(self->job, msg->range, msg->attempt, msg->part, msg->last,
                            (enum thsi_left_out)msg->verdict, msg->words.items, msg->counts.items, msg->words.count)) {
    case THSI_ANSWER_MORE:
        ths_tell(ctx, counter->ref, next_part, .range = msg->range, .attempt = msg->attempt, .part = msg->part + 1);
        break;
    case THSI_ANSWER_FAILED:
        finish(ctx, self, "the words need more memory than there is");
        return;
    case THSI_ANSWER_DONE:
        if (msg->verdict == THSI_FIT)
            thsi_master_credit(ctx, self, msg->range);
        break;
    case THSI_ANSWER_STALE:
    case THSI_ANSWER_AGAIN:
        break;
    }
    self->moved_ms = ths_now_ms(ctx);
    if (self->job->bytes_done > before)
        self->bytes_all += self->job->bytes_done - before;
    if (thsi_job_round_finished(self->job))
        end_round(ctx, self);
    if (self->stage == COUNTING)
        thsi_master_give_out(ctx, self);
}

/* Refused where it was sent to, or on its way when the link broke: as good as lost. */
THS_ON(master, ths_undelivered)
{
    struct thsi_counter_row *counter = thsi_staff_find(self->staff, msg->to);

    if (!counter || self->stage != COUNTING)
        return;
    (void)thsi_master_lose(self, msg->to);
    counter->busy = true;
}

/* ---- What each has done ----------------------------------------------------------------- */

THS_ON_REPLY(master, master_stats, counter_done)
{
    self->asking = false;
    if (self->stage != CLOSING)
        return;
    if (err == THS_OK && self->turn < self->staff->counters_count)
        thsi_staff_said(&self->staff->counters[self->turn], reply->finished, reply->finished_bytes);
    self->turn++;
    ask_stats(ctx, self);
}

/* Ask the living counters one after the other; what the others said last stands. */
static void ask_stats(struct ths_ctx *ctx, struct master *self)
{
    while (self->turn < self->staff->counters_count && !self->staff->counters[self->turn].alive)
        self->turn++;
    if (self->turn == self->staff->counters_count) {
        finish(ctx, self, "%s", "");
        return;
    }
    self->asking = true;
    ths_ask(ctx, self->staff->counters[self->turn].ref, counter_stats, master_stats, STATS_TIMEOUT_MS);
}

/* ---- Time ------------------------------------------------------------------------------- */

/* What the job waits for, when nothing moves. */
static const char *waiting_for(const struct master *self)
{
    if (thsi_staff_alive(self->staff) == 0)
        return "no counter is there; a node with role counter is needed";
    if (self->stage == LISTING)
        return "no counter lists the files";
    switch (self->kill) {
    case KILL_LATER: return "the node to be killed has no counters yet";
    case PAUSING: return "nobody told that the node was paused";
    case KILLED: return "the node was not lost, or its counters were not started elsewhere";
    case STARTED: return "the new boot of the node has finished no range";
    default: return "no counter answers";
    }
}

THS_ON(master, master_tick)
{
    uint64_t now = ths_now_ms(ctx);

    if (self->stage == FINISHED)
        return;
    for (size_t i = 0; i < self->staff->counters_count; i++)
        self->staff->counters[i].busy = false;
    if (self->stage == LISTING)
        list_more(ctx, self);
    thsi_master_watch_recovery(ctx, self);
    if (self->stage == COUNTING) {
        if (thsi_job_expire(self->job, now) > 0)
            thsi_master_tell(THSI_EVENT_SAY, "ranges are late; they go to others");
        /* A round without a range is over as soon as it began. */
        if (thsi_job_round_finished(self->job))
            end_round(ctx, self);
        thsi_master_give_out(ctx, self);
    }
    if (self->stage == FINISHED)
        return;
    tell_progress(self);
    if (self->kill == PAUSING || self->kill == KILLED || self->kill == STARTED)
        now -= now - self->story_ms > self->stall_ms ? 0 : now - self->moved_ms;
    if (now - self->moved_ms > self->stall_ms)
        finish(ctx, self, "nothing moved for %u s: %s", self->stall_ms / 1000, waiting_for(self));
}

THS_BEHAVIOUR(master, master_args, ths_member, ths_group_change, counter_ready, ths_down, paused, range_counted,
              ths_undelivered, master_tick, ths_stopping)

ths_ref thsi_master_spawn(struct ths_node *node, const struct thsi_master_options *options,
                          const struct thsi_master_hooks *with)
{
    thsi_master_hooks = with;
    return ths_spawn(node, master, .name = "master", .mailbox = 16384,
                     .start = THS_MSG(master_args, .victim = options->victim, .kill_at = options->kill_at,
                                      .counters = options->counters, .rounds = options->rounds,
                                      .late_ms = options->late_ms, .stall_ms = options->stall_ms));
}
