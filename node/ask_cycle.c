#include "node/ask_cycle.h"

#include <stdio.h>
#include <string.h>

#include "node/node.h"

enum {
    STEPS = 256, /* asks looked at in one walk */
    TRIES = 4    /* looks at a list that changes */
};

struct walk {
    struct ths_node *node;
    ths_ref self;
    ths_ref path[THSI_CYCLE_MAX]; /* from the one that was asked */
    unsigned length;
    unsigned steps;
};

/* The open ask with the number that *@at holds (counted from 1). NULL: it is 0; or it is none of @actor's any more, and then
 * *@changed becomes true. */
static const struct thsi_ask_entry *glance(struct ths_node *node, const struct thsi_actor *actor,
                                           const _Atomic uint32_t *at, bool *changed)
{
    /* Acquire: see the header; that of `used` receives the entry's chunk. */
    uint32_t number = atomic_load_explicit(at, memory_order_acquire);
    const struct thsi_ask_entry *entry = NULL;

    if (number > 0 && number <= atomic_load_explicit(&node->asks.used, memory_order_acquire))
        entry = thsi_ask_at(&node->asks, number - 1);
    if (entry && (atomic_load_explicit(&entry->id, memory_order_acquire) == 0 ||
                  atomic_load_explicit(&entry->actor, memory_order_relaxed) != actor))
        entry = NULL;
    *changed = number > 0 && !entry;
    return entry;
}

/* Whether @at waits for the actor where the walk began. Calls itself THSI_CYCLE_MAX deep at most. */
static bool leads_back(struct walk *walk, ths_ref at, unsigned depth)
{
    const struct thsi_actor *actor = at.node == walk->node->uid ? thsi_table_at(&walk->node->table, at.slot) : NULL;
    const struct thsi_ask_entry *entry;
    bool changed = true;

    if (ths_ref_equal(at, walk->self)) {
        walk->length = depth;
        return true;
    }
    if (!actor || depth == THSI_CYCLE_MAX || thsi_actor_generation(actor) != at.generation)
        return false;
    walk->path[depth] = at;
    for (int tries = 0; changed && tries < TRIES; tries++) {
        entry = glance(walk->node, actor, &actor->asks, &changed);
        while (entry && walk->steps++ < STEPS) {
            if (leads_back(walk, thsi_ask_glance_target(entry), depth + 1))
                return true;
            entry = glance(walk->node, actor, &entry->next, &changed);
        }
    }
    return false;
}

/* ---- Saying so -------------------------------------------------------------------------- */

static void append_name(struct ths_node *node, ths_ref who, char *text)
{
    size_t len = strlen(text);
    struct thsi_glance seen = { .behaviour = "actor" };
    char name[THS_NAME_SIZE];

    thsi_names_of(&node->names, who, name);
    if (name[0]) {
        (void)snprintf(text + len, THSI_CYCLE_TEXT - len, "%s", name);
        return;
    }
    (void)thsi_actor_glance(thsi_table_at(&node->table, who.slot), &seen);
    (void)snprintf(text + len, THSI_CYCLE_TEXT - len, "%.40s %u.%u", seen.behaviour, (unsigned)who.slot,
                   (unsigned)who.generation);
}

static void print(const struct walk *walk, char *text)
{
    text[0] = '\0';
    append_name(walk->node, walk->self, text);
    for (unsigned i = 0; i <= walk->length; i++) {
        (void)strcat(text, " -> "); /* fits: ten names and arrows take less than the room there is */
        append_name(walk->node, i < walk->length ? walk->path[i] : walk->self, text);
    }
}

/* The same for a cycle wherever it is entered. */
static uint64_t hash_of(const struct walk *walk)
{
    uint64_t hash = 0;

    for (unsigned i = 0; i <= walk->length; i++) {
        ths_ref who = i < walk->length ? walk->path[i] : walk->self;
        uint64_t mixed = ((uint64_t)who.slot << 32 | who.generation) * UINT64_C(0x9e3779b97f4a7c15);

        hash += mixed ^ mixed >> 29;
    }
    return hash;
}

static bool is_new(struct thsi_cycles *cycles, uint64_t hash)
{
    bool known = false;

    (void)pthread_mutex_lock(&cycles->lock);
    for (int i = 0; i < THSI_CYCLES_KEPT; i++)
        known = known || cycles->seen[i] == hash;
    if (!known)
        cycles->seen[cycles->next++ % THSI_CYCLES_KEPT] = hash;
    (void)pthread_mutex_unlock(&cycles->lock);
    return !known;
}

bool thsi_ask_find_cycle(struct ths_ctx *ctx, ths_ref target, char text[THSI_CYCLE_TEXT])
{
    struct walk walk = { .node = ctx->node, .self = thsi_actor_ref(ctx->node, ctx->actor) };

    if (!leads_back(&walk, target, 0))
        return false;
    print(&walk, text);
    if (is_new(&ctx->node->cycles, hash_of(&walk)))
        thsi_log(ctx->node, THS_LOG_WARN, "ask", "asks wait for each other: %s", text);
    return true;
}
