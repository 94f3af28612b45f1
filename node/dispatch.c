#include "node/dispatch.h"

#include <pthread.h>
#include <stdlib.h>

#include "thiasos/lifecycle.h"

static pthread_mutex_t prepare_lock = PTHREAD_MUTEX_INITIALIZER;

static uint32_t places_for(unsigned entries)
{
    uint32_t places = 4;

    while (places < 2 * entries)
        places *= 2;
    return places;
}

static void put(struct thsi_dispatch *dispatch, const struct thsi_type_info *info, ths_handler *handler)
{
    uint32_t at = info->id & dispatch->mask;

    while (dispatch->entries[at].info)
        at = (at + 1) & dispatch->mask;
    dispatch->entries[at] = (struct thsi_dispatch_entry){ info, handler, 0 };
}

static ths_handler *handler_of(const struct thsi_dispatch *dispatch, const struct thsi_type_info *info)
{
    const struct thsi_dispatch_entry *entry = thsi_dispatch_find(dispatch, info);

    return entry ? entry->handler : NULL;
}

static struct thsi_dispatch *make(const struct ths_behaviour *behaviour)
{
    uint32_t places = places_for(behaviour->entries_count);
    const struct thsi_type_info *started = thsi_type_intern(&ths_started_type);
    const struct thsi_type_info *stopping = thsi_type_intern(&ths_stopping_type);
    const struct thsi_type_info *finally = thsi_type_intern(&ths_finally_type);
    const struct thsi_type_info *any = thsi_type_intern(&ths_any_type);
    struct thsi_dispatch *dispatch = calloc(1, sizeof *dispatch + places * sizeof dispatch->entries[0]);

    if (!dispatch || !started || !stopping || !finally || !any)
        goto fail;
    dispatch->behaviour = behaviour;
    dispatch->state_size = (uint32_t)behaviour->state_size;
    dispatch->mask = places - 1;
    for (unsigned i = 0; i < behaviour->entries_count; i++) {
        const struct thsi_type_info *info = thsi_type_intern(behaviour->entries[i].type);

        if (!info)
            goto fail;
        if (info == any)
            dispatch->any = (struct thsi_dispatch_entry){ info, behaviour->entries[i].handler, 0 };
        else
            put(dispatch, info, behaviour->entries[i].handler);
    }
    dispatch->started = handler_of(dispatch, started);
    dispatch->stopping = handler_of(dispatch, stopping);
    dispatch->finally = handler_of(dispatch, finally);
    return dispatch;

fail:
    free(dispatch);
    return NULL;
}

const struct thsi_dispatch *thsi_dispatch_prepare(struct ths_behaviour *behaviour)
{
    struct thsi_dispatch *dispatch;

    (void)pthread_mutex_lock(&prepare_lock);
    dispatch = behaviour->prepared;
    if (!dispatch) {
        dispatch = make(behaviour);
        /* Release: publishes the table to threads that find its address without the lock. */
        __atomic_store_n(&behaviour->prepared, dispatch, __ATOMIC_RELEASE);
    }
    (void)pthread_mutex_unlock(&prepare_lock);
    return dispatch;
}
