/* Supervisor: random histories of its decision, and a checker that knows what is promised and not how it is kept.
 *
 * The world plays the actors: it answers starts or lets them fail, crashes and ends what runs, obeys orders late or never,
 * and gives orders as users do. The checker holds against each action: never two actors of a child, nothing begins before what
 * it must wait for, nothing stops before what must stop first, failures are counted exactly, delays lie within their
 * bounds, nothing is killed before its time, every order is answered once. Two arguments: number of seeds, the first one. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/supervisor.h"
#include "tests/lib/test_env.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

enum { KIDS = 64, FAILURES = 64, STEPS = 600, STOP_MS = 50, PATIENCE_MS = 3000, ORDERS = 256 };

enum told { NOTHING, TO_HALT, TO_END, TO_STOP };

/* What the world knows of a child. */
struct kid {
    bool exists, runs;        /* has an actor; an incarnation of it has begun, or is about to */
    bool starting, beginning; /* the answer to START or RESTART is out */
    bool killed, stopped;
    bool by_order, fresh;     /* halted, started by order */
    bool in_turn;             /* must begin in the order of the specifications */
    bool goes_along;          /* ran when another failed with which it goes down: before that one begins again */
    enum told told;
    uint32_t slot, start_id, attempts;
    uint64_t told_ms, since_ms, begun_ms;
    uint64_t earliest_ns, latest_ns; /* of the next beginning; 0: no bounds */
};

static struct test_env env;
static struct thsi_supervisor sup;
static struct thsi_supervisor_config config;
static struct kid kids[KIDS];
static uint64_t now_ms, failures[FAILURES], failures_count;
static uint32_t next_slot, next_order, open_orders;
static bool open[ORDERS], gave_up, done, stopping;
static uint64_t states_seen[THSI_CHILD_FREE + 1], actions_seen[THSI_SUPERVISOR_DONE + 1], seeds = 2000, first_seed = 1;

/* The last of the story, told when it ends badly. */
static char story[8192];

static void note(const char *format, ...)
{
    char line[128];
    size_t used = strlen(story), len;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    len = strlen(line);
    if (used + len + 1 > sizeof story) {
        memmove(story, story + sizeof story / 2, used - sizeof story / 2 + 1);
        used = strlen(story);
    }
    memcpy(story + used, line, len + 1);
}

#define check(condition)                                                                            \
    do {                                                                                            \
        if (!(condition)) {                                                                         \
            (void)fprintf(stderr, "%s\nseed %" PRIu64 ": %s\n", story, first_seed, #condition);    \
            fail();                                                                                 \
        }                                                                                           \
    } while (0)

static uint64_t draw(uint64_t below)
{
    uint64_t bits;

    env.env.random(&env.env, &bits, sizeof bits);
    return bits % below;
}

static uint32_t position(uint32_t child)
{
    return sup.plans[sup.children[child].plan].position;
}

static const struct thsi_child_plan *plan_of(uint32_t child)
{
    return &sup.plans[sup.children[child].plan].plan;
}

static bool is_child(uint32_t child)
{
    return child < sup.children_count && sup.children[child].state != THSI_CHILD_FREE;
}

/* ---- The rules of failures ------------------------------------------------------------------ */

static bool comes_back(uint32_t child, enum ths_reason reason)
{
    switch (plan_of(child)->restart) {
    case THS_PERMANENT:
        return true;
    case THS_TRANSIENT:
        return reason != THS_REASON_NORMAL && reason != THS_REASON_SHUTDOWN;
    case THS_TEMPORARY:
        break;
    }
    return false;
}

/* Whether it goes down with others anyway. */
static bool goes_down(uint32_t child)
{
    return stopping || sup.phase == THSI_SUPERVISOR_STOPS ||
           (sup.phase == THSI_SUPERVISOR_HALTS && position(child) >= sup.halt_from);
}

/* Count a failure now. Returns whether it is one too many. */
static bool is_one_too_many(void)
{
    uint32_t recent = 0;

    for (uint64_t i = 0; i < failures_count; i++)
        recent += now_ms - failures[i] <= config.within_ms;
    if (recent >= config.restarts)
        return true;
    check(failures_count < FAILURES);
    failures[failures_count++] = now_ms;
    for (uint64_t i = 0; i < failures_count;) {
        if (now_ms - failures[i] > config.within_ms)
            failures[i] = failures[--failures_count];
        else
            i++;
    }
    return false;
}

/* The bounds of the delay before restart number @attempt. */
static void set_bounds(struct kid *kid)
{
    uint64_t ms = config.backoff_ms ? config.backoff_ms : 50;
    uint32_t doublings = kid->attempts - 1;

    if (!config.backoff_ms)
        doublings = kid->attempts < 2 ? 0 : kid->attempts - 2;
    while (doublings-- > 0 && ms < config.backoff_max_ms)
        ms *= 2;
    if (ms > config.backoff_max_ms)
        ms = config.backoff_max_ms;
    if (kid->attempts == 1 && !config.backoff_ms)
        ms = 0;
    kid->earliest_ns = now_ms * MS + ms * MS / 2;
    kid->latest_ns = now_ms * MS + ms * MS;
}

static bool is_alone(void)
{
    return config.strategy == THS_ONE_FOR_ONE || config.strategy == THS_DYNAMIC;
}

/* It failed by itself: what the next step must and must not do about it. */
static bool expect_restart(uint32_t child, bool started)
{
    struct kid *kid = &kids[child];

    if (is_one_too_many())
        return true;
    if (started && now_ms - kid->since_ms >= config.within_ms)
        kid->attempts = 0;
    if (!started && kid->attempts == 0 && !config.backoff_ms)
        kid->attempts = 1;
    kid->attempts++;
    kid->earliest_ns = kid->latest_ns = 0;
    if (is_alone())
        set_bounds(kid);
    else if (started)
        kid->in_turn = true;
    for (uint32_t i = 0; i < sup.children_count && !is_alone() && started; i++)
        kids[i].goes_along |= i != child && is_child(i) && kids[i].runs && kids[i].told == NOTHING &&
                              (config.strategy == THS_ONE_FOR_ALL || position(i) > position(child));
    return false;
}

/* ---- Each action ------------------------------------------------------------------------------ */

static void check_turn(uint32_t child)
{
    const struct kid *kid = &kids[child];

    check(!stopping && !gave_up);
    check(kid->earliest_ns == 0 || now_ms * MS >= kid->earliest_ns);
    for (uint32_t i = 0; i < sup.children_count; i++)
        check(!is_child(i) || !kids[i].goes_along);
    for (uint32_t i = 0; kid->in_turn && i < sup.children_count; i++)
        check(!is_child(i) || position(i) >= position(child) || !kids[i].in_turn);
}

/* Nothing of a later specification may still run, or with @gone be there. */
static void check_later(uint32_t child, bool gone)
{
    for (uint32_t i = 0; i < sup.children_count; i++) {
        if (is_child(i) && position(i) > position(child) && kids[i].told != TO_END && !kids[i].stopped)
            check(gone ? !kids[i].exists : !kids[i].runs || kids[i].by_order);
    }
}

static void tell(uint32_t child, enum told told)
{
    struct kid *kid = &kids[child];

    check(kid->exists);
    if (told == TO_HALT || told == TO_STOP)
        check(kid->runs);
    if (stopping && !kid->stopped)
        check_later(child, true);
    else if (told == TO_HALT && !kid->by_order)
        check_later(child, false);
    if (!is_alone() && !kid->by_order)
        kid->in_turn = told == TO_HALT && plan_of(child)->restart != THS_TEMPORARY;
    if (kid->told != TO_STOP || told != TO_END) { /* one that was asked has the time that it had */
        kid->told_ms = now_ms;
        kid->killed = false;
    }
    kid->told = told;
    kid->beginning = kid->goes_along = false;
}

static void carry_out(const struct thsi_supervisor_action *action)
{
    static const char *const verbs[] = { "start", "restart", "halt", "ask", "finish", "drain", "kill",
                                         "abandon", "wait", "give-up", "answer", "forget", "done" };
    struct kid *kid = action->child < KIDS ? &kids[action->child] : NULL;

    actions_seen[action->type]++;
    note(" %s %d", verbs[action->type], action->child == THSI_NO_CHILD ? -1 : (int)action->child);
    switch (action->type) {
    case THSI_SUPERVISOR_START:
        check(!kid->exists && !kid->starting); /* never two of one child */
        check_turn(action->child);
        kid->starting = true;
        kid->start_id = action->start_id;
        kid->begun_ms = now_ms;
        kid->earliest_ns = kid->latest_ns = 0;
        break;
    case THSI_SUPERVISOR_RESTART:
        check(kid->exists && !kid->runs && ths_ref_equal(action->who, (ths_ref){ 1, kid->slot, 1 }));
        check_turn(action->child);
        kid->runs = kid->beginning = true;
        kid->told = NOTHING;
        kid->killed = false;
        kid->start_id = action->start_id;
        kid->since_ms = kid->begun_ms = now_ms;
        kid->earliest_ns = kid->latest_ns = 0;
        break;
    case THSI_SUPERVISOR_HALT:
        tell(action->child, TO_HALT);
        break;
    case THSI_SUPERVISOR_ASK:
        check(plan_of(action->child)->orderly);
        tell(action->child, TO_STOP);
        break;
    case THSI_SUPERVISOR_FINISH:
        check(action->child != THSI_NO_CHILD); /* no start is given up here */
        tell(action->child, TO_END);
        kid->in_turn = false;
        break;
    case THSI_SUPERVISOR_KILL:
        check(kid->told != NOTHING && (!kid->killed || plan_of(action->child)->orderly) && now_ms >= kid->told_ms + STOP_MS);
        kid->killed = true;
        kid->told_ms = now_ms;
        break;
    case THSI_SUPERVISOR_ABANDON:
        check(kid->killed && now_ms >= kid->told_ms + STOP_MS);
        kid->exists = kid->runs = kid->killed = false;
        kid->told = NOTHING;
        break;
    case THSI_SUPERVISOR_GIVE_UP:
        gave_up = true;
        break;
    case THSI_SUPERVISOR_ANSWER:
        check(open[action->order_id % ORDERS]);
        open[action->order_id % ORDERS] = false;
        open_orders--;
        break;
    case THSI_SUPERVISOR_FORGET:
        break;
    case THSI_SUPERVISOR_DONE:
        check(stopping || gave_up || config.auto_shutdown != THS_SHUTDOWN_NEVER);
        check((action->reason == THS_REASON_CRASHED) == gave_up);
        for (uint32_t i = 0; i < sup.children_count; i++)
            check(!kids[i].exists && !kids[i].starting);
        done = true;
        break;
    case THSI_SUPERVISOR_DRAIN:
    case THSI_SUPERVISOR_WAIT:
        check(false); /* nothing is spread */
        break;
    }
}

static void step(struct thsi_supervisor_event event, bool gives_up)
{
    static const char *const events[] = { "time", "started", "start-failed", "halted", "down", "members", "order", "stop" };
    bool before = gave_up;
    struct thsi_supervisor_update update;

    note("\n%" PRIu64 " %s %d %s%d:", now_ms, events[event.type], event.child == THSI_NO_CHILD ? -1 : (int)event.child,
         event.type == THSI_SUPERVISOR_ORDER ? "order " : "reason ",
         event.type == THSI_SUPERVISOR_ORDER ? (int)event.order : (int)event.reason);

    event.now_ns = now_ms * MS;
    env.env.random(&env.env, &event.random, sizeof event.random);
    thsi_supervisor_step(&sup, &event, &update);
    thsi_supervisor_check(&sup);
    for (size_t i = 0; i < update.actions_count; i++)
        carry_out(&update.actions[i]);
    check(gave_up == (before || gives_up)); /* exactly when the window says so */
    stopping |= sup.phase == THSI_SUPERVISOR_STOPS || sup.phase == THSI_SUPERVISOR_IS_DONE;
    for (uint32_t i = 0; i < sup.children_count; i++) {
        states_seen[sup.children[i].state]++;
        /* What is due begins, unless something before it is waited for. */
        if (is_alone() && !stopping && kids[i].latest_ns && now_ms * MS >= kids[i].latest_ns) {
            bool blocked = kids[i].stopped || kids[i].told != NOTHING;
            for (uint32_t j = 0; j < sup.children_count; j++)
                blocked |= is_child(j) && kids[j].in_turn;
            check(blocked || !is_child(i) || kids[i].runs || kids[i].starting);
        }
    }
}

/* ---- The world --------------------------------------------------------------------------------- */

static void say_started(uint32_t child)
{
    struct kid *kid = &kids[child];
    bool in_place = kid->beginning;

    if (!in_place)
        kid->slot = ++next_slot;
    kid->exists = kid->runs = true;
    kid->starting = kid->beginning = kid->in_turn = kid->by_order = kid->fresh = false;
    kid->since_ms = now_ms;
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_STARTED, .child = child, .start_id = kid->start_id,
                                         .who = { 1, kid->slot, 1 } }, false);
}

static void say_start_failed(uint32_t child)
{
    struct kid *kid = &kids[child];
    enum ths_err err = draw(2) ? THS_CRASHED : THS_NAME_TAKEN;
    bool tried_again = !kid->fresh && !kid->stopped && (err != THS_CRASHED || comes_back(child, THS_REASON_CRASHED));
    bool gives_up = false;

    kid->starting = false;
    kid->fresh &= goes_down(child);
    if (!goes_down(child) && tried_again)
        gives_up = expect_restart(child, false);
    else if (!goes_down(child) || plan_of(child)->restart == THS_TEMPORARY)
        kid->in_turn = false;
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_START_FAILED, .child = child, .err = err,
                                         .start_id = kid->start_id }, gives_up);
}

/* Its incarnation or with @down its actor ends. */
static void say_ended(uint32_t child, enum ths_reason reason, bool down)
{
    struct kid *kid = &kids[child];
    bool by_itself = kid->told == NOTHING && !goes_down(child), gives_up = false;

    if (by_itself && comes_back(child, reason))
        gives_up = expect_restart(child, true);
    else if (by_itself)
        kid->in_turn = false;
    kid->runs = kid->beginning = kid->goes_along = false;
    if (down)
        kid->exists = false;
    if (down || kid->told != TO_STOP) {
        kid->told = NOTHING;
        kid->killed = false;
    }
    step((struct thsi_supervisor_event){ .type = down ? THSI_SUPERVISOR_DOWN : THSI_SUPERVISOR_HALTED, .child = child,
                                         .reason = reason, .who = { 1, kid->slot, 1 } }, gives_up);
}

/* Something happens to child @child, if anything can. */
static void happens(uint32_t child)
{
    static const enum ths_reason reasons[] = { THS_REASON_NORMAL, THS_REASON_SHUTDOWN, THS_REASON_KILLED,
                                               THS_REASON_CRASHED, THS_REASON_CRASHED };
    struct kid *kid = &kids[child];
    bool late = draw(4) == 0;

    if (kid->starting)
        draw(5) ? say_started(child) : say_start_failed(child);
    else if (kid->told == TO_HALT && !late)
        say_ended(child, kid->killed ? THS_REASON_KILLED : THS_REASON_SHUTDOWN, draw(8) == 0);
    else if (kid->told == TO_STOP && kid->runs && !late)
        say_ended(child, THS_REASON_SHUTDOWN, draw(2));
    else if (kid->told == TO_END && !late)
        say_ended(child, THS_REASON_SHUTDOWN, true);
    else if (kid->told == NOTHING && kid->beginning)
        draw(5) ? say_started(child) : say_ended(child, THS_REASON_CRASHED, false);
    else if (kid->told == NOTHING && kid->runs && draw(6) == 0)
        say_ended(child, reasons[draw(5)], draw(4) == 0);
}

/* Nobody is so slow that its start is given up: that is another test's. */
static void time_passes(uint64_t ms)
{
    for (uint32_t i = 0; i < sup.children_count; i++) {
        if ((kids[i].starting || kids[i].beginning) && now_ms + ms - kids[i].begun_ms > PATIENCE_MS)
            say_started(i);
    }
    now_ms += ms;
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_TIME_PASSED }, false);
}

static void give(enum thsi_child_order order, uint32_t plan, uint32_t child)
{
    uint32_t id = ++next_order;
    uint32_t first = child != THSI_NO_CHILD ? child : sup.plans[plan].first;
    uint32_t end = child != THSI_NO_CHILD ? child + 1 : first + sup.plans[plan].plan.count;
    bool stop = order == THSI_CHILD_ORDER_STOP || order == THSI_CHILD_ORDER_REMOVE;

    check(!open[id % ORDERS]);
    open[id % ORDERS] = true;
    open_orders++;
    for (uint32_t i = first; i < end; i++) {
        struct kid *kid = &kids[i];
        kid->stopped = stop;
        kid->by_order = !stop && kid->runs;
        kid->fresh = stop ? kid->fresh && kid->starting : kid->fresh || sup.children[i].state == THSI_CHILD_ENDED;
        kid->earliest_ns = kid->latest_ns = 0;
        if (stop)
            kid->in_turn = false;
    }
    step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_ORDER, .order = order, .plan = plan, .child = child,
                                         .order_id = id }, false);
}

static void order(void)
{
    enum thsi_child_order what = THSI_CHILD_ORDER_START + (enum thsi_child_order)draw(4);
    const struct thsi_child_plan plan = { .restart = (enum ths_restart)draw(3), .count = 1 + (uint32_t)draw(2),
                                          .stop_ms = STOP_MS };
    bool dynamic = config.strategy == THS_DYNAMIC;
    uint32_t index, child = sup.children_count ? (uint32_t)draw(sup.children_count) : 0;

    if (open_orders > ORDERS / 2 || sup.phase == THSI_SUPERVISOR_STOPS)
        return;
    if (what == THSI_CHILD_ORDER_START) {
        enum ths_err err = thsi_supervisor_add(&sup, dynamic ? NULL : &plan, &index);
        check(err == THS_OK || err == THS_TOO_MANY);
        for (uint32_t i = dynamic ? index : sup.plans[err == THS_OK ? index : 0].first;
             err == THS_OK && i < (dynamic ? index + 1 : sup.plans[index].first + plan.count); i++)
            kids[i] = (struct kid){ .exists = false };
        if (err == THS_OK)
            give(what, index, dynamic ? index : THSI_NO_CHILD);
    } else if (is_child(child)) {
        give(what, sup.children[child].plan, dynamic || (what != THSI_CHILD_ORDER_REMOVE && draw(2)) ? child : THSI_NO_CHILD);
    }
}

static void begin(uint64_t seed)
{
    struct thsi_child_plan plans[4];

    test_env_init(&env, seed);
    memset(kids, 0, sizeof kids);
    memset(open, 0, sizeof open);
    now_ms = 1000;
    story[0] = '\0';
    failures_count = next_slot = next_order = open_orders = 0;
    gave_up = done = stopping = false;
    config = (struct thsi_supervisor_config){
        .self = 1, .strategy = (enum ths_strategy)draw(4), .children_max = 24, .restarts = 1 + (uint32_t)draw(30),
        .within_ms = 200 + (uint32_t)draw(3000), .backoff_ms = draw(2) ? 0 : 1 + (uint32_t)draw(40),
        .backoff_max_ms = 30 + (uint32_t)draw(300), .plans = plans,
        .auto_shutdown = draw(4) ? THS_SHUTDOWN_NEVER : (enum ths_auto_shutdown)draw(3),
    };
    config.plans_count = config.strategy == THS_DYNAMIC ? 1 : 1 + (uint32_t)draw(4);
    for (uint32_t p = 0; p < config.plans_count; p++) {
        plans[p] = (struct thsi_child_plan){ .restart = (enum ths_restart)draw(3), .count = 1 + (uint32_t)draw(3),
                                             .stop_ms = STOP_MS };
        plans[p].significant = plans[p].restart != THS_PERMANENT && draw(2);
        plans[p].orderly = config.strategy != THS_DYNAMIC && draw(4) == 0;
    }
    note("strategy %d, %u in %u ms, back-off %u to %u, auto %d\n", config.strategy, config.restarts, config.within_ms,
         config.backoff_ms, config.backoff_max_ms, config.auto_shutdown);
    for (uint32_t p = 0; p < config.plans_count; p++)
        note("plan %u: restart %d, %u, %s%s\n", p, plans[p].restart, plans[p].count, plans[p].significant ? "significant" : "",
             plans[p].orderly ? " orderly" : "");
    assert_int_equal(thsi_supervisor_init(&sup, &env.env, &config), THS_OK);
    config.plans = NULL;
    for (uint32_t i = 0; i < sup.children_count; i++)
        kids[i].in_turn = true;
    time_passes(0);
}

static void end(void)
{
    if (!stopping) {
        stopping = true;
        step((struct thsi_supervisor_event){ .type = THSI_SUPERVISOR_STOP }, false);
    }
    for (unsigned i = 0; i < 10000 && !done; i++) {
        if (draw(3) && sup.children_count)
            happens((uint32_t)draw(sup.children_count));
        else
            time_passes(draw(60));
    }
    check(done);
    thsi_supervisor_fini(&sup);
    test_env_assert_clean(&env);
}

static void random_histories_keep_what_is_promised(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < seeds; n++, first_seed++) {
        begin(first_seed);
        for (unsigned i = 0; i < STEPS && !done && !stopping; i++) {
            uint64_t what = draw(20);
            if (what == 0)
                order();
            else if (what < 14 && sup.children_count)
                happens((uint32_t)draw(sup.children_count));
            else
                time_passes(draw(60));
        }
        end();
    }
    for (size_t i = 0; i <= THSI_CHILD_FREE; i++)
        assert_true(states_seen[i] > seeds / 8);
    for (size_t i = 0; i <= THSI_SUPERVISOR_DONE; i++)
        assert_true(actions_seen[i] > seeds / 8 || i == THSI_SUPERVISOR_DRAIN || i == THSI_SUPERVISOR_WAIT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_histories_keep_what_is_promised) };

    seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : seeds;
    first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : first_seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
