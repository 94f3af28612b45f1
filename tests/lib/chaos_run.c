/* The run of a chaos test: one operation after the other, drawn from the seed. */

#include "tests/lib/chaos_internal.h"

#include <string.h>

#include "tests/lib/tables.h"

enum { LIVING_MIN = 8, LIVING_MAX = 28, SETTLE_MS = 40000, CUT_MS = 400, LOST_MS = 4500, JOIN_MS = 4000 };

/* How often, of all of them together. */
static const uint8_t weights[OPERATIONS] = { [SPAWN] = 6, [SEND] = 26, [ASK] = 14, [LINK] = 6, [UNLINK] = 6, [MONITOR] = 9,
                                             [DEMONITOR] = 5, [TRAP] = 4, [STOP] = 1, [SHUTDOWN] = 1, [FAIL] = 2, [KILL] = 1,
                                             [ASK_TO_STOP] = 1, [TIMER] = 9, [CANCEL] = 5, [TAKE_BACK] = 2, [DRAIN] = 1,
                                             [STOP_BY_FORCE] = 1, [STOP_WITH_DEADLINE] = 1, [ASK_ALL] = 4, [EAT] = 6,
                                             [HOLD] = 2, [RELEASE] = 3, [SPAWN_AT] = 2 };

/* Nodes that are cut off, and when that is over. */
static struct {
    unsigned a, b;          /* from each other, 1 and more; 0: no such cut */
    uint64_t heal_at_ms;
    unsigned isolated;      /* from all others, so that it is taken for dead, and crashes then; 0: none */
    uint64_t crash_at_ms;
    unsigned crashed;       /* 0: none */
    uint64_t restart_at_ms;
    uint64_t joined_at_ms;  /* one that was started again is a member by then */
} trouble;

static uint32_t draw(uint64_t below)
{
    return (uint32_t)ths_sim_random(chaos.sim, below);
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------------- */

static void boot(struct ths_node *node, unsigned number, void *arg)
{
    (void)number, (void)arg;
    (void)thsp_register(node, chaos_behaviour_of_actors);
}

static void note_boot(unsigned number)
{
    chaos.nodes[number - 1] = ths_sim_node(chaos.sim, number);
    if (chaos.history->boots_count < HISTORY_BOOTS)
        chaos.boots[number - 1] = chaos.history->boots_count++;
}

static void heal(void)
{
    if (trouble.a)
        ths_sim_heal(chaos.sim, trouble.a, trouble.b);
    trouble.a = 0;
}

static void crash(unsigned number)
{
    uint32_t boot = chaos.boots[number - 1];

    NOTE_OUTSIDE(CRASHED, .number = boot);
    for (uint32_t i = 1; i < chaos.history->lives_count; i++)
        chaos.gone[i] |= chaos.history->lives[i].boot == boot;
    ths_sim_crash(chaos.sim, number);
    chaos.nodes[number - 1] = NULL;
    trouble.crashed = number;
    trouble.restart_at_ms = ths_sim_now_ms(chaos.sim) + draw(8000);
}

/* From all others: sooner or later each side takes the other for dead. It crashes before they could meet again. */
static void isolate(unsigned number)
{
    heal();
    NOTE_OUTSIDE(ISOLATED, .number = chaos.boots[number - 1]);
    for (unsigned i = 1; i <= chaos.nodes_count; i++)
        if (i != number && i != trouble.crashed)
            ths_sim_cut(chaos.sim, i, number);
    trouble.isolated = number;
    trouble.crash_at_ms = ths_sim_now_ms(chaos.sim) + draw(2 * LOST_MS);
}

/* What is due. */
static void get_over_trouble(void)
{
    uint64_t now_ms = ths_sim_now_ms(chaos.sim);
    unsigned number = trouble.isolated;

    if (trouble.a && now_ms >= trouble.heal_at_ms)
        heal();
    if (number && now_ms >= trouble.crash_at_ms) {
        trouble.isolated = 0;
        crash(number);
        for (unsigned i = 1; i <= chaos.nodes_count; i++)
            if (i != number)
                ths_sim_heal(chaos.sim, i, number);
    }
    if (trouble.crashed && !trouble.isolated && now_ms >= trouble.restart_at_ms) {
        ths_sim_restart(chaos.sim, trouble.crashed);
        note_boot(trouble.crashed);
        trouble.joined_at_ms = now_ms + JOIN_MS;
        trouble.crashed = 0;
    }
}

/* Time in which nothing new is begun. A cut that lasts would be more than one. */
static void run_ms(uint64_t ms)
{
    if (ms > CUT_MS)
        heal();
    ths_sim_run_ms(chaos.sim, ms);
    get_over_trouble();
}

/* One kind of trouble at a time, and never with the first node, where the keeper is. */
static void make_trouble(void)
{
    unsigned number = 2 + draw(chaos.nodes_count - 1), other = 1 + draw(chaos.nodes_count);

    if (trouble.a || trouble.isolated || trouble.crashed || ths_sim_now_ms(chaos.sim) < trouble.joined_at_ms)
        return;
    switch (draw(4)) {
    case 0:
        crash(number);
        break;
    case 1:
        isolate(number);
        break;
    default:
        if (number == other)
            other = 1;
        ths_sim_cut(chaos.sim, number, other);
        NOTE_OUTSIDE(CUT, .number = chaos.boots[number - 1], .extra = chaos.boots[other - 1]);
        trouble.a = number;
        trouble.b = other;
        trouble.heal_at_ms = ths_sim_now_ms(chaos.sim) + 1 + draw(CUT_MS);
        break;
    }
}

/* ---- Operations -------------------------------------------------------------------------------------------------------- */

/* A life that may be acted upon: mostly one that lives. 0: there is none. */
static uint32_t pick(bool also_gone)
{
    uint32_t count = chaos.history->lives_count - 1 - HISTORY_KEEPER;
    uint32_t recent = count < 48 ? count : 48;

    for (unsigned tries = 0; recent > 0 && tries < 24; tries++) {
        uint32_t life = chaos.history->lives_count - 1 - draw(recent);

        if (ths_ref_is_nobody(chaos_ref_of(life)))
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
        count += !chaos.gone[i] && !ths_ref_is_nobody(chaos_ref_of(i));
    return count;
}

static enum chaos_operation draw_operation(uint32_t alive)
{
    uint32_t all = 0, at;
    unsigned operation = 0;

    for (unsigned i = 0; i < OPERATIONS; i++)
        all += weights[i];
    at = draw(all);
    while (at >= weights[operation])
        at -= weights[operation++];
    if ((operation == SPAWN || operation == SPAWN_AT) && alive > LIVING_MAX)
        return KILL;
    return (enum chaos_operation)operation;
}

static void order_supervisor(struct ths_node *node)
{
    uint32_t number = 1 + draw(chaos.history->supervisors_count - 1);
    bool in_peace = draw(2) == 0 && !trouble.isolated;

    if (in_peace)
        run_ms(SETTLE_MS);
    NOTE_OUTSIDE(SUPERVISOR_ORDERED, .number = number, .extra = in_peace);
    if (in_peace || draw(2) == 0)
        ths_ask_to_stop(node, chaos.history->supervisors[number].ref);
    else
        ths_kill(node, chaos.history->supervisors[number].ref);
    if (in_peace)
        run_ms(SETTLE_MS);
}

static struct ths_node *draw_node(void)
{
    struct ths_node *node = chaos.nodes[draw(chaos.nodes_count)];

    return node ? node : chaos.nodes[0];
}

/* A sender knows its receivers by their life modulo 64; two of them that collide never live within 48 lives of each other. */
static void operate(void)
{
    uint32_t alive = living();
    struct ths_node *node = draw_node();
    uint32_t who = pick(false), other = pick(true);
    uint32_t special = draw(200);

    if (alive < LIVING_MIN || who == 0 || other == 0) {
        chaos_spawn(thsp_of_node(node), 0, draw(1 << 20));
        return;
    }
    if (special < 2)
        chaos_supervise(node, draw(1 << 20));
    else if (special == 2 && chaos.history->supervisors_count > 1)
        order_supervisor(chaos.nodes[0]);
    else if (special < 5 && chaos.nodes_count > 1)
        make_trouble();
    else
        ths_tell(node, chaos_ref_of(who), chaos_do, .operation = (uint32_t)draw_operation(alive), .other = other,
                 .number = draw(1 << 20));
}

/* ---- The run ----------------------------------------------------------------------------------------------------------- */

struct living_count {
    struct chaos_end *end;
    uint32_t seen;
};

static void count_actor(void *arg, const struct ths_actor_info *info)
{
    struct living_count *count = arg;

    count->end->queued += info->queued;
    count->seen += chaos_life_of(info->ref) != 0;
}

static void look_at_the_end(struct chaos_end *end)
{
    struct living_count count = { end, 0 };
    uint32_t alive = 1 + living(); /* the keeper */

    for (unsigned i = 0; i < chaos.nodes_count; i++) {
        struct tables_left left;

        ths_node_actors(chaos.nodes[i], SIZE_MAX, count_actor, &count);
        tables_look(chaos.nodes[i], chaos.nodes, chaos.nodes_count, &left);
        end->dangling += left.dangling;
    }
    end->actors_lost = alive > count.seen ? alive - count.seen : count.seen - alive;
}

/* Until there is no trouble left, and all has come to rest. */
static void settle(void)
{
    trouble.crash_at_ms = 0;
    do {
        trouble.restart_at_ms = 0;
        run_ms(CUT_MS);
    } while (trouble.a || trouble.isolated || trouble.crashed);
    run_ms(SETTLE_MS);
}

bool chaos_run(const struct chaos_options *options, struct history *history, struct chaos_end *end)
{
    memset(&chaos, 0, sizeof chaos);
    memset(&trouble, 0, sizeof trouble);
    memset(end, 0, sizeof *end);
    history_reset(history, options->seed);
    chaos.history = history;
    chaos.monitors_count = 1;
    chaos.nodes_count = options->nodes;
    chaos.sim = ths_sim_create(.seed = options->seed, .nodes = options->nodes, .alone = options->nodes == 1, .setup = boot);
    if (!chaos.sim)
        return false;
    for (unsigned i = 1; i <= options->nodes; i++)
        note_boot(i);
    if (options->nodes > 1)
        ths_sim_run_ms(chaos.sim, 3000); /* they meet */
    chaos.keeper = thsp_spawn(thsp_of_node(chaos.nodes[0]), chaos_behaviour_of_keeper,
                              &(struct ths_spawn_options){ .mailbox = 1 << 20 }, NULL);
    history->lives[chaos_new_life()] = (struct history_life){ .ref = chaos.keeper, .boot = chaos.boots[0] };
    for (unsigned i = 0; i < options->operations; i++) {
        operate();
        for (uint32_t steps = draw(12); steps > 0; steps--)
            (void)ths_sim_step(chaos.sim);
        if (draw(16) == 0)
            ths_sim_run_ms(chaos.sim, draw(40));
        get_over_trouble();
    }
    settle();
    look_at_the_end(end);
    chaos.over = true;
    return true;
}

void chaos_stop(void)
{
    ths_sim_destroy(chaos.sim);
}
