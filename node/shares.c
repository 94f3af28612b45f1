#include "node/shares.h"

#include <assert.h>

struct share {
    uint64_t uid;
    uint32_t count;
    bool refused; /* more, once */
};

void thsi_shares_init(struct thsi_shares *shares, struct ths_env *env)
{
    (void)pthread_mutex_init(&shares->lock, NULL);
    shares->map = (struct thsi_map){ .env = env }; /* its seed is drawn when there is something to keep */
}

void thsi_shares_fini(struct thsi_shares *shares)
{
    const struct thsi_map_entry *entry;
    size_t at = 0;

    while ((entry = thsi_map_next(&shares->map, &at)))
        (void)shares->map.env->memory(shares->map.env, entry->value, 0);
    thsi_map_fini(&shares->map);
    (void)pthread_mutex_destroy(&shares->lock);
}

/* NULL: no memory. Under the lock. */
static struct share *share_of(struct thsi_shares *shares, uint64_t uid)
{
    struct ths_env *env = shares->map.env;
    struct share *share = thsi_map_get(&shares->map, &uid, sizeof uid);

    if (share)
        return share;
    share = env->memory(env, NULL, sizeof *share);
    if (!share)
        return NULL;
    if (shares->map.cap == 0)
        thsi_map_init(&shares->map, env);
    *share = (struct share){ .uid = uid };
    if (thsi_map_put(&shares->map, &share->uid, sizeof share->uid, share) != THS_OK)
        share = env->memory(env, share, 0);
    return share;
}

enum ths_err thsi_shares_take(struct thsi_shares *shares, uint64_t uid, uint32_t max, bool *first)
{
    enum ths_err err = THS_OK;
    struct share *share;

    *first = false;
    (void)pthread_mutex_lock(&shares->lock);
    share = share_of(shares, uid);
    if (!share) {
        err = THS_NOMEM;
    } else if (share->count >= max) {
        err = THS_TOO_MANY;
        *first = !share->refused;
        share->refused = true;
    } else {
        share->count++;
    }
    (void)pthread_mutex_unlock(&shares->lock);
    return err;
}

void thsi_shares_give_back(struct thsi_shares *shares, uint64_t uid)
{
    struct ths_env *env = shares->map.env;
    struct share *share;

    (void)pthread_mutex_lock(&shares->lock);
    share = thsi_map_get(&shares->map, &uid, sizeof uid);
    assert(share && share->count > 0);
    if (--share->count == 0) {
        (void)thsi_map_remove(&shares->map, &uid, sizeof uid);
        (void)env->memory(env, share, 0);
    }
    (void)pthread_mutex_unlock(&shares->lock);
}
