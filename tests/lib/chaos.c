/* The actors. Each operation is a message from the test's thread to some actor, which then does the thing itself; between
 * operations the simulator runs a few steps, so that much is under way at any time. */

#include "tests/lib/chaos_internal.h"

#include <stdio.h>
#include <string.h>

/* What is asked for in an ask. */
enum wish { REPLY, REPLY_TWICE, SILENCE, FAILURE, STOPPING, REPLY_LATER, REPLY_OF_ANOTHER, WISHES };

enum { SLOTS = 4, TIMERS = 4, GATHERS = 2 };

THS_MESSAGE(chaos_item, "chaos.item", 1, u32(from), u32(to), u32(number))
THS_MESSAGE(chaos_wish, "chaos.wish", 1, u32(from), u32(to), u32(number), u32(wish))
THS_MESSAGE(chaos_wish_of_all, "chaos.wish_of_all", 1, u32(from), u32(number), u32(wish))
THS_MESSAGE(chaos_reply, "chaos.reply", 1, u32(number))
THS_MESSAGE(chaos_tick, "chaos.tick", 1, u32(life), u32(incarnation), u32(number))

struct chaos_world chaos;

/* A life's state: more than fits into the slot, so that it comes from the pool and may be used memory. */
struct chaos {
    uint32_t life, incarnation;
    uint32_t asks[SLOTS];          /* open ask of each reply handler; 0: none */
    ths_ask_id ask_ids[SLOTS];
    struct ths_asked deferred;     /* to be answered with the next operation or tick */
    uint32_t deferred_number;
    struct {
        ths_timer_id id;
        uint32_t number;
    } timers[TIMERS];
    uint32_t gathers[GATHERS];     /* open ask of several of each handler; 0: none */
    ths_ask_id gather_ids[GATHERS];
    void *block;                   /* allocated last, NULL: none */
    uint32_t block_size;
};

struct keeper {
    char none;
};

/* Some do not want to stop. */
static bool is_stubborn(uint32_t life)
{
    return life % 6 == 5;
}

/* The number of the next item of a pair. */
static uint16_t *next_number(uint32_t from, uint32_t to)
{
    if (chaos.pair_of[from][to % 64] != to) {
        chaos.pair_of[from][to % 64] = to;
        chaos.pairs[from][to % 64] = 0;
        /* A receiver that was here before is forgotten, with its numbers: none of it is sent to again (see pick_other). */
    }
    return &chaos.pairs[from][to % 64];
}

/* ---- What an actor does -------------------------------------------------------------------------------------------- */

static void send_items(struct ths_ctx *ctx, const struct chaos *self, uint32_t to, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint16_t *last = next_number(self->life, to);
        enum ths_err err = ths_try_tell(ctx, chaos_ref_of(to), chaos_item, .from = self->life, .to = to,
                                         .number = (uint32_t)*last + 1);

        *last = (uint16_t)(*last + (err == THS_OK));
        NOTE(ctx, SENT, .life = self->life, .other = to, .number = (uint32_t)*last + (err != THS_OK), .code = (uint8_t)err);
    }
}

static void answered(struct ths_ctx *ctx, struct chaos *self, unsigned slot, enum ths_err err, const struct chaos_reply *reply)
{
    NOTE(ctx, ANSWERED, .life = self->life, .incarnation = self->incarnation, .number = self->asks[slot], .code = (uint8_t)err,
         .extra = reply ? reply->number : 0);
    self->asks[slot] = 0;
}

THS_ON_REPLY(chaos, reply_0, chaos_reply) { answered(ctx, self, 0, err, reply); }
THS_ON_REPLY(chaos, reply_1, chaos_reply) { answered(ctx, self, 1, err, reply); }
THS_ON_REPLY(chaos, reply_2, chaos_reply) { answered(ctx, self, 2, err, reply); }
THS_ON_REPLY(chaos, reply_3, chaos_reply) { answered(ctx, self, 3, err, reply); }

/* The number of an ask says which handler it has: an answer to another is an error by itself. */
static void ask(struct ths_ctx *ctx, struct chaos *self, uint32_t to, uint32_t bits)
{
    const struct ths_reply_to *handlers[SLOTS] = { &reply_0, &reply_1, &reply_2, &reply_3 };
    uint32_t timeout_ms = 1 + bits % 300;
    unsigned slot = 0;

    while (slot < SLOTS && self->asks[slot])
        slot++;
    if (slot == SLOTS)
        return;
    self->asks[slot] = ++chaos.asks;
    NOTE(ctx, ASKED, .life = self->life, .incarnation = self->incarnation, .other = to, .number = self->asks[slot],
         .extra = timeout_ms);
    self->ask_ids[slot] = ths_ask(ctx, chaos_ref_of(to), chaos_wish, *handlers[slot], timeout_ms, .from = self->life, .to = to,
            .number = self->asks[slot], .wish = bits / 512 % WISHES);
}

static void monitor(struct ths_ctx *ctx, uint32_t life, uint32_t other)
{
    uint32_t number = chaos_new_monitor(life, other, 0);

    if (!number)
        return;
    NOTE(ctx, MONITORED, .life = life, .other = other, .number = number);
    chaos.monitors[number].id = ths_monitor(ctx, chaos_ref_of(other)).value;
}

static void demonitor(struct ths_ctx *ctx, const struct chaos *self, uint32_t skip)
{
    for (uint32_t i = chaos.monitors_count; i-- > 1;) {
        struct chaos_monitor *entry = &chaos.monitors[i];

        if (entry->life != self->life || entry->over || entry->id == CHAOS_SOME_MONITOR || skip-- % 4 > 0)
            continue;
        entry->over = true;
        ths_demonitor(ctx, (ths_monitor_id){ entry->id });
        NOTE(ctx, DEMONITORED, .life = self->life, .other = entry->other, .number = i);
        return;
    }
}

static void set_timer(struct ths_ctx *ctx, struct chaos *self, unsigned slot, uint32_t delay_ms)
{
    if (self->timers[slot].number)
        return;
    self->timers[slot].number = ++chaos.timers;
    NOTE(ctx, TIMER_SET, .life = self->life, .incarnation = self->incarnation, .number = chaos.timers, .extra = delay_ms);
    self->timers[slot].id = ths_after(ctx, delay_ms, chaos_tick, .life = self->life, .incarnation = self->incarnation,
                                      .number = chaos.timers);
}

static void cancel_timer(struct ths_ctx *ctx, struct chaos *self)
{
    unsigned slot = 0;

    while (slot < TIMERS && !self->timers[slot].number)
        slot++;
    if (slot == TIMERS)
        return;
    ths_cancel(ctx, self->timers[slot].id);
    NOTE(ctx, TIMER_CANCELLED, .life = self->life, .number = self->timers[slot].number);
    self->timers[slot].number = 0;
}

/* Note that @life is to end, and why; the note comes before the deed. */
static void order(struct ths_ctx *ctx, uint32_t life, enum ths_reason reason, uint32_t cause)
{
    NOTE(ctx, ORDERED, .life = life, .code = (uint8_t)reason, .number = cause);
}

/* ---- Several at once ---- */

static void results_came(struct ths_ctx *ctx, struct chaos *self, unsigned slot, const struct ths_result *results, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct chaos_reply *reply = results[i].reply;

        NOTE(ctx, RESULT, .life = self->life, .incarnation = self->incarnation, .number = self->gathers[slot], .extra = i,
             .code = (uint8_t)results[i].err, .other = reply ? reply->number : 0);
    }
    NOTE(ctx, RESULTS, .life = self->life, .incarnation = self->incarnation, .number = self->gathers[slot], .extra = count);
    self->gathers[slot] = 0;
}

THS_ON_RESULTS(chaos, results_0, chaos_reply) { results_came(ctx, self, 0, results, count); }
THS_ON_RESULTS(chaos, results_1, chaos_reply) { results_came(ctx, self, 1, results, count); }

/* The first is @other, the rest are among those that came before it. */
static void ask_all(struct ths_ctx *ctx, struct chaos *self, uint32_t other, uint32_t bits)
{
    const struct ths_results_to *handlers[GATHERS] = { &results_0, &results_1 };
    uint32_t timeout_ms = 1 + bits % 200, count = 1 + bits / 256 % HISTORY_GATHERED;
    unsigned slot = self->gathers[0] ? 1 : 0;
    ths_ref refs[HISTORY_GATHERED];

    if (self->gathers[slot])
        return;
    self->gathers[slot] = ++chaos.gathers;
    NOTE(ctx, ASKED_ALL, .life = self->life, .incarnation = self->incarnation, .number = chaos.gathers, .other = count,
         .extra = timeout_ms);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t life = other > 2 + 3 * i ? other - 3 * i : 2 + i;

        refs[i] = chaos_ref_of(life);
        NOTE(ctx, ASKED_ONE, .life = self->life, .number = chaos.gathers, .other = life, .extra = i);
    }
    self->gather_ids[slot] = ths_ask_all(ctx, refs, count, chaos_wish_of_all, *handlers[slot], timeout_ms, .from = self->life,
                                         .number = chaos.gathers, .wish = bits / 4096 % 8);
}

/* ---- Memory ---- */

/* Over the limit the actor gets none, and ends. */
static void eat(struct ths_ctx *ctx, struct chaos *self, uint32_t bits)
{
    uint32_t bytes = 1 + bits % 3000, limit = chaos.history->lives[self->life].limit;
    size_t used = ths_memory_used(ctx);
    void *block;

    if (bits / 4096 % 4 == 0 && self->block) {
        ths_free(ctx, self->block);
        NOTE(ctx, FREED, .life = self->life, .extra = self->block_size);
        self->block = NULL;
        return;
    }
    if (limit && used + bytes > limit)
        order(ctx, self->life, THS_REASON_QUOTA, 0);
    block = ths_alloc(ctx, bytes);
    NOTE(ctx, ATE, .life = self->life, .incarnation = self->incarnation, .number = (uint32_t)used, .extra = bytes,
         .code = block != NULL);
    if (!block)
        return;
    memset(block, 1, bytes);
    self->block = block;
    self->block_size = bytes;
}

/* ---- Holds ---- */

/* Of those that are held, the newest before @other. */
static uint32_t pick_held(uint32_t other)
{
    uint32_t life = other;

    while (life > 2 && other - life < 40 && !chaos.history->lives[life].held)
        life--;
    return chaos.history->lives[life].held ? life : other;
}

static void hold(struct ths_ctx *ctx, const struct chaos *self, uint32_t other)
{
    enum ths_err err = ths_hold(ctx, chaos_ref_of(other));

    NOTE(ctx, HELD, .life = self->life, .other = other, .code = (uint8_t)err);
}

static void release(struct ths_ctx *ctx, const struct chaos *self, uint32_t other)
{
    enum ths_err err = ths_release(ctx, chaos_ref_of(other));

    NOTE(ctx, RELEASED, .life = self->life, .other = other, .code = (uint8_t)err, .extra = is_stubborn(other));
}

/* ---- Taken back ---- */

static void take_back_all(struct ths_ctx *ctx, struct chaos *self)
{
    for (unsigned slot = 0; slot < GATHERS; slot++) {
        if (!self->gathers[slot] || !ths_ask_cancel(ctx, self->gather_ids[slot]))
            continue;
        NOTE(ctx, GATHER_CANCELLED, .life = self->life, .number = self->gathers[slot]);
        self->gathers[slot] = 0;
    }
}

static void take_back(struct ths_ctx *ctx, struct chaos *self)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (!self->asks[slot])
            continue;
        if (ths_ask_cancel(ctx, self->ask_ids[slot])) {
            NOTE(ctx, ASK_CANCELLED, .life = self->life, .number = self->asks[slot]);
            self->asks[slot] = 0;
        }
        return;
    }
}

static void answer_deferred(struct ths_ctx *ctx, struct chaos *self)
{
    if (self->deferred.id)
        (void)ths_reply_to(ctx, &self->deferred, chaos_reply, .number = self->deferred_number);
}

static void ask_to_stop(struct ths_ctx *ctx, uint32_t life, bool force, unsigned deadline_ms)
{
    NOTE(ctx, ORDERED, .life = life, .code = THS_REASON_SHUTDOWN, .extra = is_stubborn(life) && !force);
    if (deadline_ms)
        NOTE(ctx, ORDERED, .life = life, .code = THS_REASON_KILLED);
    (void)ths_stop_actor(ctx, chaos_ref_of(life), .force = force, .deadline_ms = deadline_ms);
}

static void fail(struct ths_ctx *ctx, const struct chaos *self)
{
    uint32_t cause = ++chaos.causes;

    order(ctx, self->life, THS_REASON_CRASHED, cause);
    ths_fail(ctx, "c%u", cause);
}

static void stop(struct ths_ctx *ctx, const struct chaos *self)
{
    order(ctx, self->life, THS_REASON_NORMAL, 0);
    ths_stop(ctx);
}

THS_ON(chaos, chaos_do)
{
    uint32_t other = msg->other;

    answer_deferred(ctx, self);
    switch ((enum chaos_operation)msg->operation) {
    case SPAWN: chaos_spawn(ctx, self->life, msg->number); break;
    case SEND: send_items(ctx, self, other, 1 + (msg->number % 8 ? msg->number % 4 : 9)); break;
    case ASK: ask(ctx, self, other, msg->number); break;
    case LINK:
        chaos.linked[self->life] = other;
        NOTE(ctx, LINKED, .life = self->life, .other = other);
        ths_link(ctx, chaos_ref_of(other));
        break;
    case UNLINK:
        if (chaos.linked[self->life])
            other = chaos.linked[self->life];
        NOTE(ctx, UNLINKED, .life = self->life, .other = other);
        ths_unlink(ctx, chaos_ref_of(other));
        break;
    case MONITOR: monitor(ctx, self->life, other); break;
    case DEMONITOR: demonitor(ctx, self, msg->number % 4); break;
    case TRAP:
        NOTE(ctx, TRAPS, .life = self->life, .code = msg->number & 1);
        ths_trap_exits(ctx, msg->number & 1);
        break;
    case STOP: stop(ctx, self); break;
    case SHUTDOWN:
        order(ctx, self->life, THS_REASON_SHUTDOWN, 0);
        ths_shutdown(ctx);
        break;
    case FAIL: fail(ctx, self); break;
    case KILL:
        order(ctx, other, THS_REASON_KILLED, 0);
        ths_kill(ctx, chaos_ref_of(other));
        break;
    case ASK_TO_STOP: ask_to_stop(ctx, other, false, 0); break;
    case STOP_BY_FORCE: ask_to_stop(ctx, other, true, 0); break;
    case STOP_WITH_DEADLINE: ask_to_stop(ctx, other, false, 1 + msg->number % 50); break;
    case TAKE_BACK:
        take_back(ctx, self);
        if (msg->number % 4 == 0)
            take_back_all(ctx, self);
        break;
    case ASK_ALL: ask_all(ctx, self, other, msg->number); break;
    case EAT: eat(ctx, self, msg->number); break;
    case HOLD: hold(ctx, self, pick_held(other)); break;
    case RELEASE: release(ctx, self, pick_held(other)); break;
    case SPAWN_AT: chaos_spawn_at(ctx, self->life, msg->number); break;
    case DRAIN:
        NOTE(ctx, ORDERED, .life = other, .code = THS_REASON_NORMAL, .extra = 2);
        (void)ths_drain(ctx, chaos_ref_of(other));
        break;
    case TIMER: /* two at a time: when one rings the other is on its way */
        set_timer(ctx, self, msg->number % TIMERS, msg->number / 16 % 80);
        if (msg->number / 2048 % 2)
            set_timer(ctx, self, (msg->number + 1) % TIMERS, msg->number / 16 % 80);
        break;
    case CANCEL: cancel_timer(ctx, self); break;
    default: break;
    }
}

/* ---- What happens to it -------------------------------------------------------------------------------------------- */

THS_ON(chaos, ths_started)
{
    static const struct chaos zero;

    /* The life comes with the start message; here its state must be fresh. */
    self->incarnation = memcmp(self, &zero, sizeof zero) == 0 ? msg->incarnation : msg->incarnation | UINT32_C(1) << 31;
}

THS_ON(chaos, chaos_begin)
{
    struct history_life *lives = chaos.history->lives;
    bool dirty = self->incarnation >> 31 || ths_memory_used(ctx) > 0;
    uint32_t before = 0;

    self->incarnation &= INT32_MAX;
    self->life = chaos.present[msg->life] ? chaos.present[msg->life] : msg->life;
    /* A child that ended for good while it was halted is another actor now, and a life of its own. */
    if (!ths_ref_is_nobody(chaos_ref_of(self->life)) && !ths_ref_equal(chaos_ref_of(self->life), ths_self(ctx))) {
        before = self->life;
        self->life = chaos_new_life();
        lives[self->life] = lives[msg->life];
        chaos.present[msg->life] = self->life;
    }
    lives[self->life].ref = ths_self(ctx);
    NOTE(ctx, STARTED, .life = self->life, .incarnation = self->incarnation, .other = before, .code = dirty);
    if (self->incarnation == 1 && (lives[msg->life].supervisor || chaos.watched[msg->life]))
        ths_tell(ctx, chaos.keeper, chaos_watch, .life = self->life);
    if (msg->fails)
        fail(ctx, self);
}

THS_ON(chaos, chaos_item)
{
    if (msg->to != self->life)
        NOTE(ctx, STRAY, .life = self->life, .other = msg->to);
    else
        NOTE(ctx, RECEIVED, .life = self->life, .incarnation = self->incarnation, .other = msg->from, .number = msg->number);
}

THS_ON(chaos, chaos_wish)
{
    enum ths_err second = THS_OK;
    uint32_t another = 2 + msg->number % (chaos.history->lives_count - 2);

    /* By its ref: with a bug another life may have the same, and the request would come back for ever. */
    if (msg->wish == REPLY_OF_ANOTHER && msg->to == self->life && !ths_ref_equal(chaos_ref_of(another), ths_self(ctx))) {
        (void)ths_forward(ctx, chaos_ref_of(another));
        return;
    }
    if (msg->to != self->life && msg->wish != REPLY_OF_ANOTHER)
        NOTE(ctx, STRAY, .life = self->life, .other = msg->to);
    if (msg->wish == REPLY_LATER && !self->deferred.id) {
        self->deferred = ths_defer(ctx);
        self->deferred_number = msg->number;
    }
    if (msg->wish == REPLY || msg->wish == REPLY_TWICE || msg->wish == REPLY_OF_ANOTHER)
        (void)ths_reply(ctx, chaos_reply, .number = msg->number);
    if (msg->wish == REPLY_TWICE)
        second = ths_reply(ctx, chaos_reply, .number = msg->number + 1000000);
    NOTE(ctx, SERVED, .life = self->life, .other = msg->from, .number = msg->number, .code = (uint8_t)second,
         .extra = msg->wish);
    if (msg->wish == FAILURE)
        fail(ctx, self);
    if (msg->wish == STOPPING)
        stop(ctx, self);
}

/* What a gather asks of each. */
THS_ON(chaos, chaos_wish_of_all)
{
    if (msg->wish < 5)
        (void)ths_reply(ctx, chaos_reply, .number = self->life);
    NOTE(ctx, SERVED_ONE, .life = self->life, .other = msg->from, .number = msg->number);
    if (msg->wish == 7 && self->life % 4 == 0)
        fail(ctx, self);
}

THS_ON(chaos, chaos_tick)
{
    answer_deferred(ctx, self);
    if (msg->life != self->life)
        NOTE(ctx, STRAY, .life = self->life, .other = msg->life);
    NOTE(ctx, TIMER_FIRED, .life = self->life, .incarnation = self->incarnation, .number = msg->number,
         .extra = msg->incarnation);
    for (unsigned i = 0; i < TIMERS; i++)
        if (self->timers[i].number == msg->number)
            self->timers[i].number = 0;
    if (msg->number % 4 == 0)
        cancel_timer(ctx, self);
    else if (msg->number % 32 == 1)
        fail(ctx, self);
}

/* Which of the monitors of @life; one whose id is not known is taken when no other will do. 0: none. */
static uint32_t monitor_of(uint32_t life, const struct ths_down *down)
{
    uint32_t some = 0;

    for (uint32_t i = 1; i < chaos.monitors_count; i++) {
        const struct chaos_monitor *entry = &chaos.monitors[i];

        if (entry->life != life)
            continue;
        if (entry->id == down->monitor)
            return i;
        if (entry->id == CHAOS_SOME_MONITOR && !entry->over && ths_ref_equal(chaos_ref_of(entry->other), down->who))
            some = i;
    }
    return some;
}

static void went_down(struct ths_ctx *ctx, uint32_t life, const struct ths_down *down)
{
    uint32_t number = monitor_of(life, down);

    chaos.monitors[number].over = true;
    NOTE(ctx, DOWN, .life = life, .other = chaos_life_of(down->who), .code = down->reason, .number = number);
}

THS_ON(chaos, ths_down)
{
    went_down(ctx, self->life, msg);
}

THS_ON(chaos, ths_exited)
{
    NOTE(ctx, EXITED, .life = self->life, .other = chaos_life_of(msg->who), .code = msg->reason);
}

THS_ON(chaos, ths_stopping)
{
    if (is_stubborn(self->life))
        NOTE(ctx, VETOED, .life = self->life, .code = (uint8_t)ths_veto(ctx));
}

THS_ON(chaos, ths_finally)
{
    uint32_t cause = 0;

    (void)sscanf(msg->text ? msg->text : "", "c%u", &cause);
    NOTE(ctx, ENDED, .life = self->life, .incarnation = self->incarnation, .code = msg->reason, .number = cause);
}

THS_BEHAVIOUR(chaos, ths_started, ths_stopping, ths_finally, ths_down, ths_exited, chaos_begin, chaos_do, chaos_item,
              chaos_wish, chaos_wish_of_all, chaos_tick)

/* ---- The keeper: watches all, and is left in peace ------------------------------------------------------------------ */

THS_ON(keeper, chaos_watch)
{
    if (msg->supervisor)
        (void)ths_monitor(ctx, chaos.history->supervisors[msg->supervisor].ref);
    else
        monitor(ctx, HISTORY_KEEPER, msg->life);
}

THS_ON(keeper, ths_down)
{
    for (uint32_t i = 1; i < chaos.history->supervisors_count; i++) {
        if (ths_ref_equal(chaos.history->supervisors[i].ref, msg->who)) {
            NOTE(ctx, SUPERVISOR_ENDED, .number = i, .code = msg->reason);
            return;
        }
    }
    chaos.gone[chaos_life_of(msg->who)] = true;
    went_down(ctx, HISTORY_KEEPER, msg);
}

THS_BEHAVIOUR(keeper, chaos_watch, ths_down)

struct ths_behaviour *const chaos_behaviour_of_actors = &chaos_behaviour;
struct ths_behaviour *const chaos_behaviour_of_keeper = &keeper_behaviour;
