/* Master: see master.h. The bookkeeping is in job.c (ranges and tables) and staff.c (counters and boots); here is
 * who is told what, and when. */

#include "tools/master.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "thiasos/cluster.h"
#include "thiasos/group.h"
#include "thiasos/lifecycle.h"
#include "tools/wordcount.h"

#define TICK_MS 100u
#define LIST_TIMEOUT_MS 10000u
#define STATS_TIMEOUT_MS 2000u
#define AHEAD 2u                       /* ranges a counter may hold at a time */
#define UNTOUCHED_MIN 6u               /* so many are kept for the victim to hold */
#define WORDS_MAX ((size_t)4 << 30)    /* bytes of one table of words */

THS_MESSAGE(master_args, "wordcount.master_args", 1, string(victim), u32(kill_at), u32(counters), u32(rounds),
            u32(late_ms), u32(stall_ms))
THS_MESSAGE(master_tick, "wordcount.master_tick", 1)

/* The node of this name does not run any more, until it is killed or continued. */
THS_MESSAGE(paused, "wordcount.paused", 1, string(node, .max = 63))

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

static const struct thsi_master_hooks *hooks;

static void tell_event(enum thsi_master_event event, const char *format, ...) THS_PRINTF(2, 3);
static void finish(struct ths_ctx *ctx, struct master *self, const char *format, ...) THS_PRINTF(3, 4);
static void give_out(struct ths_ctx *ctx, struct master *self);
static void ask_stats(struct ths_ctx *ctx, struct master *self);

static void tell_event(enum thsi_master_event event, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    hooks->event(hooks->arg, event, text);
}

static void tell_progress(const struct master *self)
{
    struct thsi_progress progress = {
        .round = self->job->round, .files = self->job->files_count, .files_done = self->job->files_done,
        .bytes = self->job->bytes, .bytes_done = self->job->bytes_done, .bytes_all = self->bytes_all,
        .counters = thsi_staff_alive(self->staff), .sent_again = self->job->sent_again,
    };

    hooks->progress(hooks->arg, &progress);
}

/* ---- Beginning and end -------------------------------------------------------------------- */

THS_ON(master, master_args)
{
    struct ths_env *env = hooks->env;

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
    hooks->env->memory(hooks->env, self->job, 0);
    hooks->env->memory(hooks->env, self->staff, 0);
}

/* Hand over what there is. With a text: that is what went wrong. */
static void finish(struct ths_ctx *ctx, struct master *self, const char *format, ...)
{
    struct thsi_outcome *outcome = hooks->env->memory(hooks->env, NULL, sizeof *outcome);
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
        (void)snprintf(outcome->trouble, sizeof outcome->trouble, "%s held no unanswered range at its death", self->victim);
    outcome->exact = outcome->trouble[0] == '\0';
    outcome->job = self->job;
    outcome->staff = *self->staff;
    outcome->rounds = self->job->round;
    outcome->bytes_all = self->bytes_all;
    outcome->took_ms = ths_now_ms(ctx) - self->start_ms;
    tell_progress(self);
    self->job = NULL; /* the outcome's now */
    self->stage = FINISHED;
    hooks->finished(hooks->arg, outcome);
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
    if (*reply->why || reply->sizes.count != count || reply->changed_ns.count != count || reply->verdicts.count != count) {
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
        tell_event(THSI_EVENT_SAY, "%zu files, %llu bytes", self->job->files_count, (unsigned long long)self->job->bytes);
        begin_round(ctx, self);
        give_out(ctx, self);
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

/* What @who has not answered goes to others. Of the victim at its end it is remembered. Returns how many ranges. */
static size_t lose(struct master *self, ths_ref who)
{
    bool mourned = self->kill == KILLED && who.node == self->staff->victim;

    for (size_t i = 0; i < self->job->held_count && mourned; i++)
        if (ths_ref_equal(self->job->held[i].holder, who))
            thsi_staff_orphan(self->staff, self->job->held[i].id);
    return thsi_job_lose(self->job, who);
}

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
        give_out(ctx, self);
}

/* One that leaves has ended, and its DOWN comes next, or was restarted in place and has forgotten what it held. */
THS_ON(master, ths_group_change)
{
    if (msg->joined)
        hire(ctx, self, msg->who);
    else if (self->stage == COUNTING)
        (void)lose(self, msg->who);
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
        give_out(ctx, self);
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
    (void)lose(self, msg->who);
    if (victim && thsi_staff_alive_on(self->staff, self->staff->victim) == 0)
        tell_event(THSI_EVENT_SAY, "%s is lost: DOWN (%s) for its counters; the %zu ranges it held go to others",
                   self->victim, ths_reason_text((enum ths_reason)msg->reason), self->staff->held_at_death);
    give_out(ctx, self);
}

/* ---- Ranges ----------------------------------------------------------------------------- */

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
    tell_event(THSI_EVENT_PAUSE, "%s", self->victim);
}

/* Each in turn gets ranges until all hold what they may. */
static void give_out(struct ths_ctx *ctx, struct master *self)
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

/* The victim stands still: what it is given now it cannot answer. */
THS_ON(master, paused)
{
    size_t given = 0;

    if (self->kill != PAUSING || strcmp(msg->node, self->victim) != 0)
        return;
    for (unsigned held = 0; held < AHEAD; held++)
        for (size_t i = 0; i < self->staff->counters_count; i++) {
            struct thsi_counter_row *counter = &self->staff->counters[i];

            if (counter->alive && counter->ref.node == self->staff->victim)
                given += give_one(ctx, self, counter);
        }
    self->kill = KILLED;
    self->story_ms = ths_now_ms(ctx);
    tell_event(THSI_EVENT_SAY, "%s stands still and was sent %zu ranges; now it is killed", self->victim, given);
    tell_event(THSI_EVENT_KILL, "%s", self->victim);
    give_out(ctx, self);
}

/* After the loss: when as many counters work as before, the victim may come back. */
static void watch_recovery(struct ths_ctx *ctx, struct master *self)
{
    if (self->kill != KILLED || thsi_staff_alive_on(self->staff, self->staff->victim) > 0 ||
        thsi_staff_alive(self->staff) < self->counters_wanted)
        return;
    self->kill = STARTED;
    self->story_ms = ths_now_ms(ctx);
    tell_event(THSI_EVENT_SAY, "all %zu counters work again without %s; now it is started again",
               thsi_staff_alive(self->staff), self->victim);
    tell_event(THSI_EVENT_START, "%s", self->victim);
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
        tell_event(THSI_EVENT_SAY, "round 1 is counted: %llu words, %zu different", (unsigned long long)self->job->first.total,
                   self->job->first.count);
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

/* A range is counted: by whom? The new boot of the victim is what the rounds wait for. */
static void credit(struct ths_ctx *ctx, struct master *self, const struct range_counted *msg)
{
    const struct thsi_boot_row *boot = thsi_staff_boot(self->staff, ths_sender(ctx).node);

    if (msg->verdict != THSI_FIT)
        return;
    thsi_staff_credit(self->staff, ths_sender(ctx).node, msg->range);
    if (self->kill == STARTED && boot && boot->uid != self->staff->victim && strcmp(boot->name, self->victim) == 0) {
        self->kill = RETURNED;
        tell_event(THSI_EVENT_SAY, "%s is back and has finished its first range since", self->victim);
    }
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
        credit(ctx, self, msg);
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
        give_out(ctx, self);
}

/* Refused where it was sent to, or on its way when the link broke: as good as lost. */
THS_ON(master, ths_undelivered)
{
    struct thsi_counter_row *counter = thsi_staff_find(self->staff, msg->to);

    if (!counter || self->stage != COUNTING)
        return;
    (void)lose(self, msg->to);
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
    watch_recovery(ctx, self);
    if (self->stage == COUNTING) {
        if (thsi_job_expire(self->job, now) > 0)
            tell_event(THSI_EVENT_SAY, "ranges are late; they go to others");
        /* A round without a range is over as soon as it began. */
        if (thsi_job_round_finished(self->job))
            end_round(ctx, self);
        give_out(ctx, self);
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
    hooks = with;
    return ths_spawn(node, master, .name = "master", .mailbox = 16384,
                     .start = THS_MSG(master_args, .victim = options->victim, .kill_at = options->kill_at,
                                      .counters = options->counters, .rounds = options->rounds,
                                      .late_ms = options->late_ms, .stall_ms = options->stall_ms));
}
