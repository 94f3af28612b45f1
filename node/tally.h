/* Tallies: what the messages of each type cost each behaviour, for include/thiasos/observe.h.
 *
 * A pair of behaviour and message type has a number in the process, given out at its first message and never taken back. Each
 * thread that runs actors has an array of tallies, one for each number, which it alone writes: no locked instruction. Readers
 * add them up. Number 0 is for all pairs that come when the numbers have run out.
 *
 * The entry of a behaviour's table keeps where its tally lies (0 until it has a number), so a message that is not timed costs
 * one addition: see thsi_tally_quick, which fails for the first ones of a pair and then for one in THSI_TALLY_EVERY. */

#ifndef THSI_NODE_TALLY_H
#define THSI_NODE_TALLY_H

#include <stdatomic.h>

#include "node/dispatch.h"

enum {
    THSI_TALLIES = 512,
    THSI_TALLY_EVERY = 256  /* messages of a pair of which one is timed; of the first that many each is */
};

#define THSI_NOT_TIMED UINT64_MAX

struct thsi_message;
struct ths_ctx;

/* Written by its thread, read by anybody; relaxed, since each is a number by itself. */
struct thsi_tally {
    _Alignas(16) _Atomic uint64_t handled;
    uint64_t timed_mask;         /* the next one is timed when this has no bit of `handled`. The thread's own */
    _Atomic uint64_t busy_ns;    /* each that was timed counts for all until the next */
    _Atomic uint64_t busy_max_ns;
    _Atomic uint64_t waited_ns, waited, waited_max_ns;
    _Atomic uint64_t refused, expired, crashed;
};

/* A pair's tally in each thread, and what it is called. */
struct thsi_tally_pair {
    const struct thsi_dispatch *dispatch; /* NULL: number 0 */
    const struct thsi_type_info *info;    /* NULL: no message was at hand */
};

/* Numbers given out so far, number 0 included; each lower one has a pair. Thread: any. */
uint32_t thsi_tally_count(void);
struct thsi_tally_pair thsi_tally_pair(uint32_t number);

/* The number of a pair, which it gets if there is one left; else 0. Thread: any. */
uint32_t thsi_tally_number(const struct thsi_dispatch *dispatch, const struct thsi_type_info *info);

/* Count one that is handled without being timed. False: it was not counted, since it is to be timed. */
static inline bool thsi_tally_quick(struct thsi_tally *tally)
{
    uint64_t handled = atomic_load_explicit(&tally->handled, memory_order_relaxed);

    if (__builtin_expect(!(handled & tally->timed_mask), 0))
        return false;
    atomic_store_explicit(&tally->handled, handled + 1, memory_order_relaxed);
    return true;
}

/* Count one, whose handler took @ns. */
void thsi_tally_timed(struct thsi_tally *tally, uint64_t ns);

/* The running actor's pair with @info, which is NULL when no message is at hand. Thread: @ctx's, which runs actors. */
struct thsi_tally *thsi_tally_of(struct ths_ctx *ctx, const struct thsi_type_info *info);

/* Call the handler of @entry as the one of the running actor, and time it. */
void thsi_tally_call(struct ths_ctx *ctx, const struct thsi_dispatch_entry *entry, const void *body);

/* A reply handler of the running actor is about to be called, for a reply of type @info, NULL: for none. Counts it and
 * returns when it begins, THSI_NOT_TIMED if it is not to be timed. / It has returned; @tally is what ctx->tally was before. */
uint64_t thsi_tally_begin(struct ths_ctx *ctx, const struct thsi_type_info *info);
void thsi_tally_end(struct ths_ctx *ctx, struct thsi_tally *tally, uint64_t begun_ns);

/* Of a message of the running actor that is not handled: it was not accepted, or its deadline had passed. */
void thsi_tally_refused(struct ths_ctx *ctx, const struct thsi_type_info *info);
void thsi_tally_expired(struct ths_ctx *ctx, const struct thsi_type_info *info);

/* A message that carries the time of its sending is about to be handled. */
void thsi_tally_waited(struct ths_ctx *ctx, const struct thsi_message *message);

/* The running actor has crashed in the handler that was called last. */
void thsi_tally_crashed(struct ths_ctx *ctx);

#endif /* THSI_NODE_TALLY_H */
