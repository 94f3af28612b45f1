/* Mailboxes under pressure: what was refused here is said there, so that senders hear FULL where they are. */

#include "cluster/remote.h"

static struct thsi_credits *make(struct thsi_remote *remote, struct thsi_credits **credits)
{
    struct ths_env *env = remote->runtime->env;

    if (!*credits) {
        *credits = env->memory(env, NULL, sizeof **credits);
        if (*credits)
            thsi_credits_init(*credits);
    }
    return *credits;
}

void thsi_remote_drop_credit(struct thsi_remote *remote, struct thsi_peer *peer)
{
    struct ths_env *env = remote->runtime->env;

    peer->credits = env->memory(env, peer->credits, 0);
    peer->grants = env->memory(env, peer->grants, 0);
}

/* ---- The sender's side ------------------------------------------------------------------ */

enum ths_err thsi_remote_credit_came(struct thsi_remote *remote, struct thsi_peer *peer, const struct thsi_envelope *envelope)
{
    enum ths_err err = THS_OK;

    (void)pthread_mutex_lock(&peer->mutex);
    if (make(remote, &peer->credits))
        thsi_credits_set(peer->credits, envelope->from, envelope->id);
    else
        err = THS_NOMEM;
    (void)pthread_mutex_unlock(&peer->mutex);
    return err;
}

/* ---- The receiver's side ---------------------------------------------------------------- */

/* Tell the other side what @grant has left, or that there is no limit. False: it could not be told; tried again later. */
static bool say(struct thsi_remote *remote, struct thsi_peer *peer, struct thsi_credit *grant, uint64_t places)
{
    const struct thsi_envelope envelope = { .kind = THSI_RECORD_CREDIT, .from = grant->actor, .id = places };
    enum ths_err err;

    (void)pthread_mutex_lock(&peer->mutex);
    err = peer->linked ? thsi_outbox_put(&peer->outbox, THSI_CLASS_NODE, &envelope) : THS_CLOSED;
    thsi_remote_unlock_dirty(remote, peer);
    grant->owed = err != THS_OK;
    remote->owes_grants |= grant->owed;
    return err == THS_OK;
}

/* Peers are made by any thread, and never go. */
static unsigned count_peers(struct thsi_remote *remote)
{
    unsigned count;

    (void)pthread_mutex_lock(&remote->mutex);
    count = remote->peers_count;
    (void)pthread_mutex_unlock(&remote->mutex);
    return count;
}

/* Nodes that this mailbox is shared out to. */
static uint32_t count_sharers(struct thsi_remote *remote, struct thsi_actor_id actor)
{
    unsigned peers = count_peers(remote);
    uint32_t count = 0;

    for (unsigned i = 0; i < peers; i++) {
        struct thsi_credits *grants = remote->peers[i]->grants;
        count += grants && grants->count > 0 && thsi_credits_find(grants, actor);
    }
    return count;
}

/* All that was granted is used, or the mailbox was full: what may come now? */
static void look(struct thsi_remote *remote, struct thsi_peer *peer, struct thsi_credit *grant)
{
    struct thsi_runtime *runtime = remote->runtime;
    const ths_ref whom = { runtime->uid, grant->actor.slot, grant->actor.generation };
    uint64_t places = THSI_CREDIT_NO_LIMIT; /* one that has ended refuses by itself */
    struct thsi_room room;

    if (runtime->await_room(runtime, whom, &room) == THS_OK) {
        if (room.places == 0) {
            grant->waits = true;
            return;
        }
        places = thsi_credit_grant(room.places, room.capacity, count_sharers(remote, grant->actor), grant->waits);
    }
    if (!say(remote, peer, grant, places))
        return;
    grant->waits = false;
    if (places == THSI_CREDIT_NO_LIMIT)
        thsi_credits_remove(peer->grants, grant);
    else
        grant->left = (uint32_t)places;
}

/* A mailbox refused a message of @peer: nothing more until it has room. What finds no place in the table is refused like this
 * one, message by message. */
static void press(struct thsi_remote *remote, struct thsi_peer *peer, struct thsi_actor_id actor)
{
    struct thsi_runtime *runtime = remote->runtime;
    const ths_ref whom = { runtime->uid, actor.slot, actor.generation };
    struct thsi_credit *grant = make(remote, &peer->grants) ? thsi_credits_find(peer->grants, actor) : NULL;

    if (peer->grants && !grant && runtime->mark(runtime, whom) == THS_OK)
        grant = thsi_credits_add(peer->grants, actor);
    else if (!grant || (grant->left == 0 && grant->waits))
        return; /* what was on its way */
    if (!grant)
        return;
    grant->left = 0;
    grant->waits = true;
    if (say(remote, peer, grant, 0))
        look(remote, peer, grant);
}

void thsi_remote_pressed(struct thsi_remote *remote, struct thsi_peer *peer, struct thsi_actor_id actor)
{
    if (actor.generation != 0)
        press(remote, peer, actor);
}

void thsi_remote_used(struct thsi_remote *remote, struct thsi_peer *peer, struct thsi_actor_id actor)
{
    struct thsi_credit *grant = thsi_credits_find(peer->grants, actor);

    if (grant && grant->left > 0 && --grant->left == 0)
        look(remote, peer, grant);
}

void thsi_remote_look_for_room(struct thsi_remote *remote)
{
    /* Release: the driver that takes it sees the place that was given back. */
    if (!atomic_exchange_explicit(&remote->rooms, 1, memory_order_release))
        remote->hooks.wake(remote->hooks.arg);
}

void thsi_remote_grant(struct thsi_remote *remote)
{
    unsigned peers;

    if (!remote->owes_grants && !atomic_load_explicit(&remote->rooms, memory_order_relaxed))
        return;
    (void)atomic_exchange_explicit(&remote->rooms, 0, memory_order_acquire);
    remote->owes_grants = false;
    peers = count_peers(remote);
    for (unsigned i = 0; i < peers; i++) {
        struct thsi_peer *peer = remote->peers[i];
        for (unsigned k = 0; peer->grants && peer->grants->count > 0 && k < THSI_CREDITS_MAX; k++) {
            struct thsi_credit *grant = &peer->grants->entries[k];
            if (grant->actor.generation != 0 && (grant->waits || grant->owed))
                look(remote, peer, grant);
        }
    }
}
