/* The actors. Each operation is a message from the test's thread to some actor, which then does the thing itself; between
 * operations the simulator runs a few steps, so that much is under way at any time. */

#include "tests/lib/chaos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/tables.h"

enum operation {
    SPAWN, SEND, ASK, LINK, UNLINK, MONITOR, DEMONITOR, TRAP, STOP, SHUTDOWN, FAIL, KILL, ASK_TO_STOP, TIMER, CANCEL,
    TAKE_BACK, DRAIN, STOP_BY_FORCE, STOP_WITH_DEADLINE, OPERATIONS
};

/* In how many of 100. */
static const uint8_t weights[OPERATIONS] = { [SPAWN] = 6, [SEND] = 26, [ASK] = 14, [LINK] = 6, [UNLINK] = 6, [MONITOR] = 9,
                                             [DEMONITOR] = 5, [TRAP] = 4, [STOP] = 1, [SHUTDOWN] = 1, [FAIL] = 2, [KILL] = 1,
                                             [ASK_TO_STOP] = 1, [TIMER] = 9, [CANCEL] = 5,
                                             [TAKE_BACK] = 2, [DRAIN] = 1, [STOP_BY_FORCE] = 1 };

/* What is asked for in an ask. */
enum wish { REPLY, REPLY_TWICE, SILENCE, FAILURE, STOPPING, REPLY_LATER, REPLY_OF_ANOTHER, WISHES };

enum { SLOTS = 4, TIMERS = 4, SMALL_MAILBOX = 6, LIVING_MIN = 8, LIVING_MAX = 28, SETTLE_MS = 40000, MONITORS = 2048 };

THS_MESSAGE(chaos_begin, "chaos.begin", 1, u32(life), boolean(fails))
THS_MESSAGE(chaos_do, "chaos.do", 1, u32(operation), u32(other), u32(number), u32(more))
THS_MESSAGE(chaos_item, "chaos.item", 1, u32(from), u32(to), u32(number))
THS_MESSAGE(chaos_wish, "chaos.wish", 1, u32(from), u32(to), u32(number), u32(wish))
THS_MESSAGE(chaos_reply, "chaos.reply", 1, u32(number))
THS_MESSAGE(chaos_tick, "chaos.tick", 1, u32(life), u32(incarnation), u32(number))
THS_MESSAGE(chaos_watch, "chaos.watch", 1, u32(life), u32(supervisor))

struct monitor {
    uint32_t life, other;
    uint64_t id;
    bool over;
};

static struct {
    struct history *history;
    struct ths_sim *sim;
    struct ths_node *nodes[8];
    ths_ref keeper;
    uint32_t asks, timers, causes;
    struct monitor monitors[MONITORS];
    uint32_t monitors_count;
    uint16_t pairs[HISTORY_LIVES][64]; /* next number for each receiver, by its life modulo 64, of the last life there */
    uint32_t pair_of[HISTORY_LIVES][64];
    uint32_t linked[HISTORY_LIVES];  /* whom it linked to last */
    uint32_t present[HISTORY_LIVES]; /* of a child's first life: the one that it has now */
    bool gone[HISTORY_LIVES];
    bool over; /* what the stop of the nodes brings about is not of the history */
} chaos;

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
};

struct keeper {
    char none;
};

static void note(enum history_kind kind, struct history_event event)
{
    if (chaos.over)
        return;
    event.kind = (uint8_t)kind;
    history_add(chaos.history, event);
}

/* NOTE(ctx, STARTED, .life = 1): with the time of the running actor's node. */
#define NOTE(ctx, what, ...) \
    note(HISTORY_##what, (struct history_event){ .at_ns = ths_now_ms(ctx) * 1000000, __VA_ARGS__ })
#define NOTE_OUTSIDE(what, ...) \
    note(HISTORY_##what, (struct history_event){ .at_ns = ths_sim_now_ms(chaos.sim) * 1000000, __VA_ARGS__ })

static uint32_t new_life(void)
{
    struct history *history = chaos.history;

    return history->lives_count < HISTORY_LIVES ? history->lives_count++ : 0;
}

static ths_ref ref_of(uint32_t life)
{
    return chaos.history->lives[life].ref;
}

/* The life of a ref; 0: none. Newest first. */
static uint32_t life_of(ths_ref ref)
{
    for (uint32_t i = chaos.history->lives_count; i-- > 1;)
        if (ths_ref_equal(chaos.history->lives[i].ref, ref))
            return i;
    return 0;
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

static void chaos_spawn(struct ths_ctx *ctx, uint32_t by, uint32_t options_bits);

static void send_items(struct ths_ctx *ctx, const struct chaos *self, uint32_t to, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint16_t *last = next_number(self->life, to);
        enum ths_err err = ths_try_tell(ctx, ref_of(to), chaos_item, .from = self->life, .to = to, .number = (uint32_t)*last + 1);

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
    self->ask_ids[slot] = ths_ask(ctx, ref_of(to), chaos_wish, *handlers[slot], timeout_ms, .from = self->life, .to = to,
            .number = self->asks[slot], .wish = bits / 512 % WISHES);
}

static void monitor(struct ths_ctx *ctx, uint32_t life, uint32_t other)
{
    struct monitor *entry = &chaos.monitors[chaos.monitors_count];

    if (chaos.monitors_count == MONITORS - 1)
        return;
    NOTE(ctx, MONITORED, .life = life, .other = other, .number = chaos.monitors_count);
    *entry = (struct monitor){ life, other, ths_monitor(ctx, ref_of(other)).value, false };
    chaos.monitors_count++;
}

static void demonitor(struct ths_ctx *ctx, const struct chaos *self, uint32_t skip)
{
    for (uint32_t i = chaos.monitors_count; i-- > 1;) {
        struct monitor *entry = &chaos.monitors[i];

        if (entry->life != self->life || entry->over || skip-- % 4 > 0)
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

/* Some do not want to stop. */
static bool is_stubborn(uint32_t life)
{
    return life % 6 == 5;
}

static void ask_to_stop(struct ths_ctx *ctx, uint32_t life, bool force, unsigned deadline_ms)
{
    NOTE(ctx, ORDERED, .life = life, .code = THS_REASON_SHUTDOWN, .extra = is_stubborn(life) && !force);
    if (deadline_ms)
        NOTE(ctx, ORDERED, .life = life, .code = THS_REASON_KILLED);
    (void)ths_stop_actor(ctx, ref_of(life), .force = force, .deadline_ms = deadline_ms);
}

/* Note that @life is to end, and why; the note comes before the deed. */
static void order(struct ths_ctx *ctx, uint32_t life, enum ths_reason reason, uint32_t cause)
{
    NOTE(ctx, ORDERED, .life = life, .code = (uint8_t)reason, .number = cause);
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
    switch ((enum operation)msg->operation) {
    case SPAWN: chaos_spawn(ctx, self->life, msg->number); break;
    case SEND: send_items(ctx, self, other, 1 + (msg->number % 8 ? msg->number % 4 : 9)); break;
    case ASK: ask(ctx, self, other, msg->number); break;
    case LINK:
        chaos.linked[self->life] = other;
        NOTE(ctx, LINKED, .life = self->life, .other = other);
        ths_link(ctx, ref_of(other));
        break;
    case UNLINK:
        if (chaos.linked[self->life])
            other = chaos.linked[self->life];
        NOTE(ctx, UNLINKED, .life = self->life, .other = other);
        ths_unlink(ctx, ref_of(other));
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
        ths_kill(ctx, ref_of(other));
        break;
    case ASK_TO_STOP: ask_to_stop(ctx, other, false, 0); break;
    case STOP_BY_FORCE: ask_to_stop(ctx, other, true, 0); break;
    case STOP_WITH_DEADLINE: ask_to_stop(ctx, other, false, 1 + msg->number % 50); break;
    case TAKE_BACK: take_back(ctx, self); break;
    case DRAIN:
        NOTE(ctx, ORDERED, .life = other, .code = THS_REASON_NORMAL, .extra = 2);
        (void)ths_drain(ctx, ref_of(other));
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
    bool dirty = self->incarnation >> 31;
    uint32_t before = 0;

    self->incarnation &= INT32_MAX;
    self->life = chaos.present[msg->life] ? chaos.present[msg->life] : msg->life;
    /* A child that ended for good while it was halted is another actor now, and a life of its own. */
    if (!ths_ref_is_nobody(ref_of(self->life)) && !ths_ref_equal(ref_of(self->life), ths_self(ctx))) {
        before = self->life;
        self->life = new_life();
        lives[self->life] = lives[msg->life];
        chaos.present[msg->life] = self->life;
    }
    lives[self->life].ref = ths_self(ctx);
    NOTE(ctx, STARTED, .life = self->life, .incarnation = self->incarnation, .other = before, .code = dirty);
    if (self->incarnation == 1 && lives[msg->life].supervisor)
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
    if (msg->wish == REPLY_OF_ANOTHER && msg->to == self->life && !ths_ref_equal(ref_of(another), ths_self(ctx))) {
        (void)ths_forward(ctx, ref_of(another));
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

static void went_down(struct ths_ctx *ctx, uint32_t life, const struct ths_down *down)
{
    uint32_t number = 0;

    for (uint32_t i = 1; i < chaos.monitors_count; i++) {
        if (chaos.monitors[i].life == life && chaos.monitors[i].id == down->monitor) {
            number = i;
            chaos.monitors[i].over = true;
        }
    }
    NOTE(ctx, DOWN, .life = life, .other = life_of(down->who), .code = down->reason, .number = number);
}

THS_ON(chaos, ths_down)
{
    went_down(ctx, self->life, msg);
}

THS_ON(chaos, ths_exited)
{
    NOTE(ctx, EXITED, .life = self->life, .other = life_of(msg->who), .code = msg->reason);
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
              chaos_wish, chaos_tick)

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
    chaos.gone[life_of(msg->who)] = true;
    went_down(ctx, HISTORY_KEEPER, msg);
}

THS_BEHAVIOUR(keeper, chaos_watch, ths_down)

/* ---- Spawning ------------------------------------------------------------------------------------------------------ */

static void chaos_spawn(struct ths_ctx *ctx, uint32_t by, uint32_t bits)
{
    struct history *history = chaos.history;
    uint32_t life = new_life();
    char name[16];
    struct ths_spawn_options options = { .start = THS_MSG(chaos_begin, .life = life, .fails = bits / 8192 % 16 == 0),
                                         .trap_exits = bits % 8 == 0,
                                         .mailbox = bits / 8 % 4 == 0 ? SMALL_MAILBOX : 0 };
    enum ths_err err;

    if (!life)
        return;
    history->lives[life].name = bits / 32 % 4 == 0 ? 1 + bits / 128 % (HISTORY_NAMES - 1) : 0;
    (void)snprintf(name, sizeof name, "n%u", history->lives[life].name);
    options.name = history->lives[life].name ? name : NULL;
    options.link = by && bits / 2048 % 4 == 0;
    err = thsp_try_spawn(ctx, &chaos_behaviour, &options, &history->lives[life].ref);
    note(HISTORY_SPAWNED, (struct history_event){ .at_ns = ths_sim_now_ms(chaos.sim) * 1000000, .life = life, .other = by,
                                                  .number = history->lives[life].name, .code = (uint8_t)err });
    if (err != THS_OK)
        return;
    if (options.trap_exits)
        NOTE_OUTSIDE(TRAPS, .life = life, .code = 1);
    if (options.link)
        NOTE_OUTSIDE(LINKED, .life = by, .other = life);
    (void)thsp_tell(ctx, chaos.keeper, &chaos_watch_type, &(struct chaos_watch){ .life = life });
}

static void supervise(struct ths_node *node, uint32_t bits)
{
    struct history *history = chaos.history;
    static const char *const places[HISTORY_CHILDREN] = { "a", "b", "c", "d" };
    struct ths_child children[HISTORY_CHILDREN];
    struct chaos_begin begins[HISTORY_CHILDREN];
    uint32_t number = history->supervisors_count;
    struct history_supervisor *it = &history->supervisors[number];
    struct ths_supervisor_options options = { .strategy = bits % 2 ? THS_ONE_FOR_ALL : THS_ONE_FOR_ONE,
                                              .restarts = 1 + bits / 2 % 6, .within_ms = 2000 };

    if (number == HISTORY_SUPERVISORS || history->lives_count + HISTORY_CHILDREN > HISTORY_LIVES)
        return;
    history->supervisors_count++;
    *it = (struct history_supervisor){ .strategy = options.strategy, .restarts = options.restarts,
                                       .within_ms = options.within_ms, .children_count = 1 + bits / 16 % HISTORY_CHILDREN };
    for (unsigned i = 0; i < it->children_count; i++) {
        uint32_t life = new_life();

        history->lives[life].supervisor = number;
        history->lives[life].place = i;
        it->children[i] = life;
        begins[i] = (struct chaos_begin){ .life = life };
        children[i] = (struct ths_child){ .name = places[i], .behaviour = "chaos",
                                          .start = { &chaos_begin_type, &begins[i] } };
    }
    NOTE_OUTSIDE(SUPERVISED, .number = number);
    it->ref = thsp_supervise(thsp_of_node(node), children, it->children_count, &options, NULL);
    (void)ths_tell(node, chaos.keeper, chaos_watch, .supervisor = number);
}

/* ---- The run ------------------------------------------------------------------------------------------------------- */

static uint32_t draw(uint64_t below)
{
    return (uint32_t)ths_sim_random(chaos.sim, below);
}

/* A life that may be acted upon: mostly one that lives. 0: there is none. */
static uint32_t pick(bool also_gone)
{
    uint32_t count = chaos.history->lives_count - 1 - HISTORY_KEEPER;
    uint32_t recent = count < 48 ? count : 48;

    for (unsigned tries = 0; recent > 0 && tries < 24; tries++) {
        uint32_t life = chaos.history->lives_count - 1 - draw(recent);

        if (ths_ref_is_nobody(ref_of(life)))
            continue;
        if (!chaos.gone[life] || (also_gone && draw(8) == 0))
            return life;
    }
    return 0;
}

static uint32_t living(void)
{
    uint32_t count = 0;

    for (uint32_t i = 2; i < chaos.history->lives_count; i++)
        count += !chaos.gone[i] && !ths_ref_is_nobody(ref_of(i));
    return count;
}

static enum operation draw_operation(uint32_t alive)
{
    uint32_t at = draw(100);
    unsigned operation = 0;

    while (operation + 1 < OPERATIONS && at >= weights[operation])
        at -= weights[operation++];
    if (operation == SPAWN && alive > LIVING_MAX)
        return KILL;
    return (enum operation)operation;
}

/* A sender knows its receivers by their life modulo 64; two of them that collide never live within 48 lives of each other. */
static void operate(unsigned nodes)
{
    uint32_t alive = living();
    struct ths_node *node = chaos.nodes[draw(nodes)];
    uint32_t who = pick(false), other = pick(true);
    uint32_t special = draw(200);

    if (alive < LIVING_MIN || who == 0 || other == 0) {
        chaos_spawn(thsp_of_node(node), 0, draw(1 << 20));
        return;
    }
    if (special < 2) {
        supervise(node, draw(1 << 20));
    } else if (special == 2 && chaos.history->supervisors_count > 1) {
        uint32_t number = 1 + draw(chaos.history->supervisors_count - 1);
        bool in_peace = draw(2) == 0;

        if (in_peace)
            ths_sim_run_ms(chaos.sim, SETTLE_MS);
        NOTE_OUTSIDE(SUPERVISOR_ORDERED, .number = number, .extra = in_peace);
        if (in_peace || draw(2) == 0)
            ths_ask_to_stop(node, chaos.history->supervisors[number].ref);
        else
            ths_kill(node, chaos.history->supervisors[number].ref);
        if (in_peace)
            ths_sim_run_ms(chaos.sim, SETTLE_MS);
    } else {
        ths_tell(node, ref_of(who), chaos_do, .operation = (uint32_t)draw_operation(alive), .other = other,
                 .number = draw(1 << 20));
    }
}

static void boot(struct ths_node *node, unsigned number, void *arg)
{
    (void)number, (void)arg;
    (void)ths_register(node, chaos);
}

struct living_count {
    struct chaos_end *end;
    uint32_t seen;
};

static void count_actor(void *arg, const struct ths_actor_info *info)
{
    struct living_count *count = arg;

    count->end->queued += info->queued;
    count->seen += life_of(info->ref) != 0;
}

static void look_at_the_end(unsigned nodes, struct chaos_end *end)
{
    struct living_count count = { end, 0 };
    uint32_t alive = 1; /* the keeper */

    for (unsigned i = 0; i < nodes; i++) {
        struct tables_left left;

        ths_node_actors(chaos.nodes[i], SIZE_MAX, count_actor, &count);
        tables_look(chaos.nodes[i], chaos.nodes, nodes, &left);
        end->dangling += left.dangling;
    }
    alive += living();
    end->actors_lost = alive > count.seen ? alive - count.seen : count.seen - alive;
}

bool chaos_run(const struct chaos_options *options, struct history *history, struct chaos_end *end)
{
    memset(&chaos, 0, sizeof chaos);
    memset(end, 0, sizeof *end);
    history_reset(history, options->seed);
    chaos.history = history;
    chaos.monitors_count = 1;
    chaos.sim = ths_sim_create(.seed = options->seed, .nodes = options->nodes, .alone = options->nodes == 1, .setup = boot);
    if (!chaos.sim)
        return false;
    for (unsigned i = 0; i < options->nodes; i++)
        chaos.nodes[i] = ths_sim_node(chaos.sim, i + 1);
    if (options->nodes > 1)
        ths_sim_run_ms(chaos.sim, 3000); /* they meet */
    chaos.keeper = ths_spawn(chaos.nodes[0], keeper, .mailbox = 1 << 20);
    history->lives[new_life()].ref = chaos.keeper;
    for (unsigned i = 0; i < options->operations; i++) {
        operate(options->nodes);
        for (uint32_t steps = draw(12); steps > 0; steps--)
            (void)ths_sim_step(chaos.sim);
        if (draw(16) == 0)
            ths_sim_run_ms(chaos.sim, draw(40));
    }
    ths_sim_run_ms(chaos.sim, SETTLE_MS);
    look_at_the_end(options->nodes, end);
    chaos.over = true;
    return true;
}

void chaos_stop(void)
{
    ths_sim_destroy(chaos.sim);
}
