#include "cluster/senders.h"

#include <string.h>

void thsi_senders_fini(struct thsi_senders *senders, struct ths_env *env)
{
    (void)env->memory(env, senders->entries, 0);
    memset(senders, 0, sizeof *senders);
}

static bool is_same(struct thsi_actor_id a, struct thsi_actor_id b)
{
    return a.slot == b.slot && a.generation == b.generation;
}

static bool reserve(struct thsi_senders *senders, struct ths_env *env)
{
    size_t used = senders->end - senders->start, cap = senders->cap > 0 ? senders->cap * 2 : 64;
    struct thsi_sender *entries;

    if (senders->end < senders->cap)
        return true;
    if (senders->start > 0 && senders->start >= used) {
        memmove(senders->entries, senders->entries + senders->start, used * sizeof *entries);
        senders->start = 0;
        senders->end = used;
        return true;
    }
    entries = env->memory(env, senders->entries, cap * sizeof *entries);
    if (!entries)
        return false;
    senders->entries = entries;
    senders->cap = cap;
    return true;
}

uint32_t thsi_senders_add(struct thsi_senders *senders, struct ths_env *env, struct thsi_actor_id from,
                          struct thsi_actor_id to, uint32_t own)
{
    for (uint32_t back = 1; back <= own && back <= THSI_SENDERS_RECENT; back++) {
        struct thsi_sender *entry = &senders->entries[senders->end - back];
        if (is_same(entry->to, to) && is_same(entry->from, from)) {
            entry->count++;
            return 0;
        }
    }
    if (!reserve(senders, env))
        return 0;
    senders->entries[senders->end++] = (struct thsi_sender){ from, to, 1 };
    return 1;
}

void thsi_senders_forget(struct thsi_senders *senders, size_t count)
{
    assert(count <= senders->taken);
    senders->taken -= count;
    senders->start += count;
    if (senders->start == senders->end)
        senders->start = senders->end = 0;
}

/* ---- What is told ----------------------------------------------------------------------- */

static uint64_t number_of(struct thsi_actor_id id)
{
    return (uint64_t)id.slot << 32 | id.generation;
}

static bool is_before(const struct thsi_sender *a, const struct thsi_sender *b)
{
    if (!is_same(a->from, b->from))
        return number_of(a->from) < number_of(b->from);
    return number_of(a->to) < number_of(b->to);
}

/* The entry at @at goes down the heap of @count until none below it is larger. */
static void sink(struct thsi_sender *entries, size_t at, size_t count)
{
    const struct thsi_sender sunk = entries[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < count && is_before(&entries[child], &entries[child + 1]))
            child++;
        if (child >= count || !is_before(&sunk, &entries[child]))
            break;
        entries[at] = entries[child];
        at = child;
    }
    entries[at] = sunk;
}

/* By a heap: in place, and never much slower than it has to be. */
static void sort(struct thsi_sender *entries, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sink(entries, i, count);
    for (size_t left = count; left > 1; left--) {
        const struct thsi_sender largest = entries[0];
        entries[0] = entries[left - 1];
        entries[left - 1] = largest;
        sink(entries, 0, left - 1);
    }
}

size_t thsi_senders_gather(struct thsi_sender *entries, size_t count)
{
    size_t kept = 0, receivers = 0;

    sort(entries, count);
    for (size_t i = 0; i < count; i++) {
        const struct thsi_sender next = entries[i];
        struct thsi_sender *last = kept > 0 ? &entries[kept - 1] : NULL;
        bool same_sender = last && is_same(last->from, next.from);

        receivers = same_sender ? receivers : 0;
        if (same_sender && (is_same(last->to, next.to) || receivers == THSI_SENDERS_RECEIVERS)) {
            if (!is_same(last->to, next.to))
                last->to = (struct thsi_actor_id){ 0, 0 };
            last->count += next.count;
            continue;
        }
        entries[kept++] = next;
        receivers++;
    }
    return kept;
}
