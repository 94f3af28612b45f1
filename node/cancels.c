#include "node/cancels.h"

/* The place of this one, or how many there are. Under the lock, hence relaxed. */
static uint32_t find(struct thsi_cancels *cancels, ths_ref asker, uint64_t id)
{
    uint32_t count = atomic_load_explicit(&cancels->count, memory_order_relaxed);

    for (uint32_t i = 0; i < count; i++)
        if (cancels->noted[i].id == id && ths_ref_equal(cancels->noted[i].asker, asker))
            return i;
    return count;
}

void thsi_cancels_note(struct thsi_cancels *cancels, ths_ref asker, uint64_t id)
{
    uint32_t count;

    (void)pthread_mutex_lock(&cancels->lock);
    count = atomic_load_explicit(&cancels->count, memory_order_relaxed);
    if (count < THSI_CANCELS_MAX) {
        cancels->noted[count] = (struct thsi_cancel){ asker, id };
        atomic_store_explicit(&cancels->count, count + 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&cancels->lock);
}

void thsi_cancels_forget(struct thsi_cancels *cancels, ths_ref asker, uint64_t id)
{
    uint32_t count, at;

    (void)pthread_mutex_lock(&cancels->lock);
    count = atomic_load_explicit(&cancels->count, memory_order_relaxed);
    at = find(cancels, asker, id);
    if (at < count) {
        cancels->noted[at] = cancels->noted[count - 1];
        atomic_store_explicit(&cancels->count, count - 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&cancels->lock);
}

bool thsi_cancels_has_slow(struct thsi_cancels *cancels, ths_ref asker, uint64_t id)
{
    bool has;

    (void)pthread_mutex_lock(&cancels->lock);
    has = find(cancels, asker, id) < atomic_load_explicit(&cancels->count, memory_order_relaxed);
    (void)pthread_mutex_unlock(&cancels->lock);
    return has;
}
