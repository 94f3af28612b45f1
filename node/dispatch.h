/* Dispatch: a behaviour prepared for running, so that a message finds its handler with one probe.
 *
 * Made once per behaviour and process, at its first use, and never freed: behaviours are static objects. */

#ifndef THSI_NODE_DISPATCH_H
#define THSI_NODE_DISPATCH_H

#include "node/base/message_table.h"
#include "thiasos/actor.h"

struct thsi_dispatch_entry {
    const struct thsi_type_info *info; /* NULL: free */
    ths_handler *handler;
    uint32_t tally_at;                 /* where its tally lies among those of a thread (tally.h). Written atomically */
};

struct thsi_dispatch {
    const struct ths_behaviour *behaviour;
    uint32_t state_size;
    uint32_t mask;                     /* places - 1; places are a power of two and at most half full */
    ths_handler *started;              /* handlers of lifecycle messages, NULL: none */
    ths_handler *stopping;
    ths_handler *finally;
    struct thsi_dispatch_entry any;    /* of ths_any, which is not among the others; handler NULL: none */
    struct thsi_dispatch_entry entries[];
};

/* What thsi_dispatch_of calls the first time. */
const struct thsi_dispatch *thsi_dispatch_prepare(struct ths_behaviour *behaviour);

/* The table of @behaviour; NULL when memory is out or the message table is full. Thread: any. */
static inline const struct thsi_dispatch *thsi_dispatch_of(struct ths_behaviour *behaviour)
{
    /* Acquire: receives the table that prepare wrote before it released its address here. */
    void *prepared = __atomic_load_n(&behaviour->prepared, __ATOMIC_ACQUIRE);

    return prepared ? (const struct thsi_dispatch *)prepared : thsi_dispatch_prepare(behaviour);
}

/* The entry of a message of type @info, or NULL. */
static inline const struct thsi_dispatch_entry *thsi_dispatch_find(const struct thsi_dispatch *dispatch,
                                                                    const struct thsi_type_info *info)
{
    uint32_t at = info->id & dispatch->mask;

    while (dispatch->entries[at].info != info) {
        if (!dispatch->entries[at].info)
            return NULL;
        at = (at + 1) & dispatch->mask;
    }
    return &dispatch->entries[at];
}

#endif /* THSI_NODE_DISPATCH_H */
