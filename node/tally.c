#include "node/tally.h"

#include <pthread.h>

#include "node/node.h"
#include "thiasos/observe.h"

/* ---- Numbers of the process ----------------------------------------------------------------------- */

enum { PLACES = 2 * THSI_TALLIES };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* over giving out numbers */
static struct thsi_tally_pair pairs[THSI_TALLIES];
static _Atomic uint32_t pairs_count = 1;
static _Atomic uint32_t places[PLACES]; /* numbers by hash, at most half full; 0: free */

uint32_t thsi_tally_count(void)
{
    /* Acquire: receives the pairs below it. */
    return atomic_load_explicit(&pairs_count, memory_order_acquire);
}

struct thsi_tally_pair thsi_tally_pair(uint32_t number)
{
    return pairs[number];
}

/* The pair's number, or 0 and *@at is where it belongs. */
static uint32_t find(const struct thsi_dispatch *dispatch, const struct thsi_type_info *info, uint32_t *at)
{
    uint32_t number, hash = (uint32_t)((uintptr_t)dispatch >> 6) * 0x9e3779b1u + (info ? info->id * 0x85ebca6bu : 0);

    /* Acquire: receives the pair. */
    for (*at = (hash >> 16) % PLACES;
         (number = atomic_load_explicit(&places[*at], memory_order_acquire)) != 0; *at = (*at + 1) % PLACES)
        if (pairs[number].dispatch == dispatch && pairs[number].info == info)
            break;
    return number;
}

uint32_t thsi_tally_number(const struct thsi_dispatch *dispatch, const struct thsi_type_info *info)
{
    uint32_t at, number = find(dispatch, info, &at);

    if (number != 0 || thsi_tally_count() == THSI_TALLIES)
        return number;
    (void)pthread_mutex_lock(&lock);
    number = find(dispatch, info, &at);
    if (number == 0 && thsi_tally_count() < THSI_TALLIES) {
        number = thsi_tally_count();
        pairs[number] = (struct thsi_tally_pair){ dispatch, info };
        /* Release, both: publish the pair. */
        atomic_store_explicit(&places[at], number, memory_order_release);
        atomic_store_explicit(&pairs_count, number + 1, memory_order_release);
    }
    (void)pthread_mutex_unlock(&lock);
    return number;
}

/* ---- One tally ------------------------------------------------------------------------------------ */

static void add(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more, memory_order_relaxed);
}

static void keep_most(_Atomic uint64_t *most, uint64_t value)
{
    if (value > atomic_load_explicit(most, memory_order_relaxed))
        atomic_store_explicit(most, value, memory_order_relaxed);
}

void thsi_tally_timed(struct thsi_tally *tally, uint64_t ns)
{
    add(&tally->busy_ns, ns * (tally->timed_mask + 1));
    keep_most(&tally->busy_max_ns, ns);
    add(&tally->handled, 1);
    if (atomic_load_explicit(&tally->handled, memory_order_relaxed) == THSI_TALLY_EVERY)
        tally->timed_mask = THSI_TALLY_EVERY - 1;
}

struct thsi_tally *thsi_tally_of(struct ths_ctx *ctx, const struct thsi_type_info *info)
{
    return &ctx->tallies[thsi_tally_number(ctx->actor->dispatch, info)];
}

void thsi_tally_call(struct ths_ctx *ctx, const struct thsi_dispatch_entry *entry, const void *body)
{
    struct thsi_tally *tally = thsi_tally_of(ctx, entry->info);
    uint64_t begun_ns;

    ctx->tally = tally;
    /* Relaxed: whoever gives it a number gives it the same. */
    __atomic_store_n(&((struct thsi_dispatch_entry *)entry)->tally_at, (uint32_t)((char *)tally - (char *)ctx->tallies),
                     __ATOMIC_RELAXED);
    begun_ns = thsi_now_ns(ctx->node);
    entry->handler(ctx, ctx->actor->state, body);
    thsi_tally_timed(tally, thsi_now_ns(ctx->node) - begun_ns);
}

uint64_t thsi_tally_begin(struct ths_ctx *ctx, const struct thsi_type_info *info)
{
    ctx->tally = thsi_tally_of(ctx, info);
    return thsi_tally_quick(ctx->tally) ? THSI_NOT_TIMED : thsi_now_ns(ctx->node);
}

void thsi_tally_end(struct ths_ctx *ctx, struct thsi_tally *tally, uint64_t begun_ns)
{
    if (begun_ns != THSI_NOT_TIMED)
        thsi_tally_timed(tally, thsi_now_ns(ctx->node) - begun_ns);
}

void thsi_tally_refused(struct ths_ctx *ctx, const struct thsi_type_info *info)
{
    add(&thsi_tally_of(ctx, info)->refused, 1);
}

void thsi_tally_expired(struct ths_ctx *ctx, const struct thsi_type_info *info)
{
    add(&thsi_tally_of(ctx, info)->expired, 1);
}

void thsi_tally_waited(struct ths_ctx *ctx, const struct thsi_message *message)
{
    struct thsi_tally *tally = thsi_tally_of(ctx, message->type);
    uint64_t sent_ns = thsi_message_stamp(message), now_ns = thsi_now_ns(ctx->node);
    uint64_t ns = now_ns > sent_ns ? now_ns - sent_ns : 0;

    add(&tally->waited, 1);
    add(&tally->waited_ns, ns);
    keep_most(&tally->waited_max_ns, ns);
}

void thsi_tally_crashed(struct ths_ctx *ctx)
{
    struct thsi_tally *tally = ctx->tally ? ctx->tally : thsi_tally_of(ctx, NULL);

    add(&tally->crashed, 1);
}

/* ---- Adding up ------------------------------------------------------------------------------------ */

struct sum {
    uint32_t number;
    struct ths_message_stats stats;
};

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void add_thread(void *arg, struct ths_ctx *ctx)
{
    struct sum *sum = arg;
    struct ths_message_stats *stats = &sum->stats;
    const struct thsi_tally *tally = &ctx->tallies[sum->number];

    stats->handled += get(&tally->handled);
    stats->busy_ns += get(&tally->busy_ns);
    stats->busy_max_ns = larger(stats->busy_max_ns, get(&tally->busy_max_ns));
    stats->waited += get(&tally->waited);
    stats->waited_ns += get(&tally->waited_ns);
    stats->waited_max_ns = larger(stats->waited_max_ns, get(&tally->waited_max_ns));
    stats->refused += get(&tally->refused);
    stats->expired += get(&tally->expired);
    stats->crashed += get(&tally->crashed);
}

void ths_message_stats(const struct ths_node *node, void (*visit)(void *arg, const struct ths_message_stats *stats), void *arg)
{
    uint32_t count = thsi_tally_count();

    for (uint32_t number = 0; number < count; number++) {
        struct thsi_tally_pair pair = thsi_tally_pair(number);
        struct sum sum = { .number = number, .stats.behaviour = pair.dispatch ? pair.dispatch->behaviour->name : "",
                           .stats.type = pair.info ? pair.info->name : "" };

        thsi_workers_each(node, add_thread, &sum);
        if (sum.stats.handled | sum.stats.refused | sum.stats.expired | sum.stats.crashed)
            visit(arg, &sum.stats);
    }
}
