/* How the actors of the chaos test come to be, and what is written down of that. */

#include "tests/lib/chaos_internal.h"

#include <stdio.h>

enum { SMALL_MAILBOX = 6 };

void chaos_note(enum history_kind kind, struct history_event event)
{
    if (chaos.over)
        return;
    event.kind = (uint8_t)kind;
    history_add(chaos.history, event);
}

uint32_t chaos_new_life(void)
{
    struct history *history = chaos.history;

    return history->lives_count < HISTORY_LIVES ? history->lives_count++ : 0;
}

uint32_t chaos_life_of(ths_ref ref)
{
    for (uint32_t i = chaos.history->lives_count; i-- > 1;)
        if (ths_ref_equal(chaos_ref_of(i), ref))
            return i;
    return 0;
}

uint32_t chaos_new_monitor(uint32_t life, uint32_t other, uint64_t id)
{
    if (chaos.monitors_count == CHAOS_MONITORS - 1)
        return 0;
    chaos.monitors[chaos.monitors_count] = (struct chaos_monitor){ life, other, id, false };
    return chaos.monitors_count++;
}

static uint32_t boot_of(const struct ths_node *node)
{
    for (unsigned i = 0; i < chaos.nodes_count; i++)
        if (chaos.nodes[i] == node)
            return chaos.boots[i];
    return 0;
}

/* What both ways to spawn have in common, and the history knows. */
static struct ths_spawn_options options_of(struct history_life *life, bool by_actor, uint32_t bits)
{
    struct ths_spawn_options options = { .trap_exits = bits % 8 == 0, .mailbox = bits / 8 % 4 == 0 ? SMALL_MAILBOX : 0,
                                         .link = by_actor && bits / 2048 % 4 == 0, .held = bits / 512 % 4 == 0,
                                         .monitor = by_actor && bits / 32768 % 8 == 0,
                                         .memory_max = bits / 262144 % 2 == 0 ? CHAOS_LIMIT : 0 };

    life->held = options.held;
    life->limit = (uint32_t)options.memory_max;
    return options;
}

static void note_ties(uint32_t life, uint32_t by, const struct ths_spawn_options *options, uint32_t by_name)
{
    uint32_t number = options->monitor ? chaos_new_monitor(by, life, CHAOS_SOME_MONITOR) : 0;

    if (options->trap_exits)
        NOTE_OUTSIDE(TRAPS, .life = life, .code = 1);
    if (options->link)
        NOTE_OUTSIDE(LINKED, .life = by, .other = life, .extra = by_name);
    if (number)
        NOTE_OUTSIDE(MONITORED, .life = by, .other = life, .number = number, .extra = by_name);
}

void chaos_spawn(struct ths_ctx *ctx, uint32_t by, uint32_t bits)
{
    struct history *history = chaos.history;
    uint32_t life = chaos_new_life();
    struct ths_spawn_options options;
    char name[16];
    enum ths_err err;

    if (!life)
        return;
    options = options_of(&history->lives[life], by != 0, bits);
    options.start = THS_MSG(chaos_begin, .life = life, .fails = bits / 8192 % 16 == 0);
    history->lives[life].name = bits / 32 % 4 == 0 ? 1 + bits / 128 % (HISTORY_NAMES - 1) : 0;
    history->lives[life].boot = boot_of(ths_node_of(ctx));
    (void)snprintf(name, sizeof name, "n%u", history->lives[life].name);
    options.name = history->lives[life].name ? name : NULL;
    if (chaos.monitors_count >= CHAOS_MONITORS - 2)
        options.monitor = false;
    err = thsp_try_spawn(ctx, chaos_behaviour_of_actors, &options, &history->lives[life].ref);
    NOTE_OUTSIDE(SPAWNED, .life = life, .other = by, .number = history->lives[life].name, .code = (uint8_t)err);
    if (err != THS_OK)
        return;
    note_ties(life, by, &options, 0);
    (void)thsp_tell(ctx, chaos.keeper, &chaos_watch_type, &(struct chaos_watch){ .life = life });
}

static void answered(struct ths_ctx *ctx, void *self, enum ths_err err, const void *reply)
{
    (void)ctx, (void)self, (void)err, (void)reply;
}

static const struct ths_reply_to nobody_cares = { answered, NULL };

/* Its life begins with its first message; the keeper is told then. */
void chaos_spawn_at(struct ths_ctx *ctx, uint32_t by, uint32_t bits)
{
    unsigned node = bits % chaos.nodes_count;
    uint32_t life = chaos.nodes[node] ? chaos_new_life() : 0;
    struct ths_spawn_options options;
    char name[16];

    if (!life)
        return;
    (void)snprintf(name, sizeof name, "n%u", node + 1);
    chaos.history->lives[life].boot = chaos.boots[node];
    options = options_of(&chaos.history->lives[life], true, bits / 4);
    options.start = THS_MSG(chaos_begin, .life = life, .fails = bits / 4096 % 16 == 0);
    if (chaos.monitors_count >= CHAOS_MONITORS - 2)
        options.monitor = false;
    chaos.watched[life] = true;
    NOTE_OUTSIDE(SPAWNED, .life = life, .other = by, .code = THS_OK, .extra = 1);
    note_ties(life, by, &options, 1);
    thsp_spawn_at(ctx, chaos.nodes_count > 1 ? name : "", "chaos", &options, &nobody_cares, 1 + bits / 1024 % 64);
}

void chaos_supervise(struct ths_node *node, uint32_t bits)
{
    static const char *const places[HISTORY_CHILDREN] = { "a", "b", "c", "d" };
    static const enum ths_strategy strategies[] = { THS_ONE_FOR_ONE, THS_ONE_FOR_ALL, THS_REST_FOR_ONE };
    struct history *history = chaos.history;
    struct ths_child children[HISTORY_CHILDREN];
    struct chaos_begin begins[HISTORY_CHILDREN];
    uint32_t number = history->supervisors_count;
    struct history_supervisor *it = &history->supervisors[number];
    struct ths_supervisor_options options = { .strategy = strategies[bits % 3], .restarts = 1 + bits / 3 % 6, .within_ms = 2000 };

    if (number == HISTORY_SUPERVISORS || history->lives_count + HISTORY_CHILDREN > HISTORY_LIVES)
        return;
    history->supervisors_count++;
    *it = (struct history_supervisor){ .strategy = options.strategy, .restarts = options.restarts, .boot = boot_of(node),
                                       .within_ms = options.within_ms, .children_count = 1 + bits / 32 % HISTORY_CHILDREN };
    for (unsigned i = 0; i < it->children_count; i++) {
        uint32_t life = chaos_new_life();
        struct history_life *child = &history->lives[life];

        *child = (struct history_life){ .supervisor = number, .place = i, .boot = it->boot, .held = bits / 1024 % 4 == 0,
                                        .limit = bits / 4096 % 2 ? CHAOS_LIMIT : 0 };
        it->children[i] = life;
        begins[i] = (struct chaos_begin){ .life = life };
        children[i] = (struct ths_child){ .name = places[i], .behaviour = "chaos", .start = { &chaos_begin_type, &begins[i] },
                                          .spawn = { .memory_max = child->limit, .held = child->held } };
    }
    NOTE_OUTSIDE(SUPERVISED, .number = number);
    it->ref = thsp_supervise(thsp_of_node(node), children, it->children_count, &options, NULL);
    (void)ths_tell(chaos.nodes[0], chaos.keeper, chaos_watch, .supervisor = number);
}
