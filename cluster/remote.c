/* The peers: found by uid, parked for, made members, buried. */

#include "cluster/remote_types.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ARENA_FIRST (64u * 1024)

struct thsi_remote *thsi_remote_create(struct thsi_runtime *runtime, struct thsi_frames *frames,
                                       const struct thsi_remote_hooks *hooks)
{
    struct ths_env *env = runtime->env;
    struct thsi_remote *remote = env->memory(env, NULL, sizeof *remote);

    if (!remote)
        return NULL;
    memset(remote, 0, sizeof *remote);
    remote->arena.base = env->memory(env, NULL, ARENA_FIRST);
    if (!remote->arena.base) {
        (void)env->memory(env, remote, 0);
        return NULL;
    }
    remote->arena.cap = ARENA_FIRST;
    remote->arena.env = env;
    remote->runtime = runtime;
    remote->frames = frames;
    remote->hooks = *hooks;
    (void)pthread_mutex_init(&remote->mutex, NULL);
    return remote;
}

/* What came in pieces is given up. */
static void drop_pieces(struct thsi_remote *remote, struct thsi_peer *peer)
{
    if (!peer->pieces)
        return;
    remote->pieces -= peer->pieces->bytes;
    thsi_reassembly_fini(peer->pieces);
    peer->pieces = remote->runtime->env->memory(remote->runtime->env, peer->pieces, 0);
}

void thsi_remote_destroy(struct thsi_remote *remote)
{
    struct ths_env *env = remote->runtime->env;

    for (unsigned i = 0; i < remote->peers_count; i++) {
        struct thsi_peer *peer = remote->peers[i];
        if (peer->state != THSI_PEER_FREE)
            thsi_outbox_fini(&peer->outbox);
        drop_pieces(remote, peer);
        thsi_remote_drop_credit(remote, peer);
        (void)env->memory(env, peer->types_out, 0);
        thsi_remote_types_forget(remote, peer);
        (void)pthread_mutex_destroy(&peer->mutex);
        (void)env->memory(env, peer, 0);
    }
    (void)pthread_mutex_destroy(&remote->mutex);
    (void)env->memory(env, remote->arena.base, 0);
    (void)env->memory(env, remote, 0);
}

/* ---- Finding ---------------------------------------------------------------------------- */

static unsigned cache_place(uint64_t uid)
{
    return (unsigned)(uid % THSI_PEER_CACHE);
}

/* Index of @uid in the table, or -1. Under the remote's mutex. */
static int index_of(const struct thsi_remote *remote, uint64_t uid)
{
    for (unsigned i = 0; i < remote->peers_count; i++)
        if (remote->uids[i] == uid)
            return (int)i;
    return -1;
}

/* Lock the peer at @index, and leave the remote's mutex. Acquire and release of the cache: whoever finds the pointer
 * there finds an initialised mutex behind it. */
static struct thsi_peer *hand_over(struct thsi_remote *remote, int index)
{
    struct thsi_peer *peer = remote->peers[index];

    (void)pthread_mutex_lock(&peer->mutex);
    atomic_store_explicit(&remote->cache[cache_place(peer->uid)], peer, memory_order_release);
    (void)pthread_mutex_unlock(&remote->mutex);
    return peer;
}

static struct thsi_peer *lock_cached(struct thsi_remote *remote, uint64_t uid)
{
    struct thsi_peer *peer = atomic_load_explicit(&remote->cache[cache_place(uid)], memory_order_acquire);

    if (!peer)
        return NULL;
    (void)pthread_mutex_lock(&peer->mutex);
    if (peer->uid == uid)
        return peer;
    (void)pthread_mutex_unlock(&peer->mutex);
    return NULL;
}

struct thsi_peer *thsi_remote_lock(struct thsi_remote *remote, uint64_t uid)
{
    struct thsi_peer *peer = uid ? lock_cached(remote, uid) : NULL;
    int index;

    if (peer || !uid)
        return peer;
    (void)pthread_mutex_lock(&remote->mutex);
    index = index_of(remote, uid);
    if (index >= 0)
        return hand_over(remote, index);
    (void)pthread_mutex_unlock(&remote->mutex);
    return NULL;
}

static bool is_buried(const struct thsi_remote *remote, uint64_t uid)
{
    for (unsigned i = 0; i < THSI_BURIED_MAX; i++)
        if (remote->buried[i] == uid)
            return true;
    return false;
}

/* Make the peer of @uid in a free place. Returns its index, or -1. Under the remote's mutex. */
static int add(struct thsi_remote *remote, uint64_t uid, enum thsi_peer_state state)
{
    struct ths_env *env = remote->runtime->env;
    int index = index_of(remote, 0);
    struct thsi_peer *peer;

    if (index < 0) {
        if (remote->peers_count == THSI_PEERS_MAX)
            return -1;
        peer = env->memory(env, NULL, sizeof *peer);
        if (!peer)
            return -1;
        memset(peer, 0, sizeof *peer);
        (void)pthread_mutex_init(&peer->mutex, NULL);
        index = (int)remote->peers_count++;
        remote->peers[index] = peer;
    }
    peer = remote->peers[index];
    (void)pthread_mutex_lock(&peer->mutex);
    assert(peer->state == THSI_PEER_FREE);
    peer->uid = uid;
    peer->state = state;
    peer->rights = THSI_RIGHTS_ALL;
    peer->parked_until_ns = env->now_ns(env) + THSI_PARKED_NS;
    thsi_outbox_init(&peer->outbox, env, remote->frames);
    peer->outbox.plain = state == THSI_PEER_UNKNOWN; /* what is parked may have to be answered record by record */
    (void)pthread_mutex_unlock(&peer->mutex);
    remote->uids[index] = uid;
    remote->unknown_count += state == THSI_PEER_UNKNOWN;
    return index;
}

enum ths_err thsi_remote_lock_or_park(struct thsi_remote *remote, uint64_t uid, struct thsi_peer **peer)
{
    enum ths_err err = THS_OK;
    int index;

    *peer = lock_cached(remote, uid);
    if (*peer)
        return THS_OK;
    (void)pthread_mutex_lock(&remote->mutex);
    index = index_of(remote, uid);
    if (index < 0 && is_buried(remote, uid))
        err = THS_NODE_LOST;
    else if (index < 0 && remote->unknown_count == THSI_UNKNOWN_MAX)
        err = THS_UNKNOWN_NODE;
    else if (index < 0) {
        index = add(remote, uid, THSI_PEER_UNKNOWN);
        err = index < 0 ? THS_NOMEM : THS_OK;
    }
    if (err == THS_OK)
        *peer = hand_over(remote, index);
    else
        (void)pthread_mutex_unlock(&remote->mutex);
    return err;
}

struct thsi_peer *thsi_remote_find(struct thsi_remote *remote, uint64_t uid)
{
    struct thsi_peer *peer = thsi_remote_lock(remote, uid);
    bool member = peer && peer->state == THSI_PEER_MEMBER;

    if (peer)
        (void)pthread_mutex_unlock(&peer->mutex);
    return member ? peer : NULL;
}

/* ---- The driver's list ------------------------------------------------------------------ */

void thsi_remote_unlock_dirty(struct thsi_remote *remote, struct thsi_peer *peer)
{
    struct thsi_peer *head;
    /* Without a link there is nothing the driver could do, but for unknown nodes, whose deadline it must learn of. */
    bool list = !peer->listed && (peer->linked || peer->state == THSI_PEER_UNKNOWN);

    if (list)
        peer->listed = true;
    (void)pthread_mutex_unlock(&peer->mutex);
    if (!list)
        return;
    head = atomic_load_explicit(&remote->dirty, memory_order_relaxed);
    do {
        peer->next_dirty = head;
        /* Release: the driver that takes the list sees next_dirty of every peer in it. */
    } while (!atomic_compare_exchange_weak_explicit(&remote->dirty, &head, peer, memory_order_release,
                                                    memory_order_relaxed));
    if (!head)
        remote->hooks.wake(remote->hooks.arg);
}

struct thsi_peer *thsi_remote_dirty(struct thsi_remote *remote)
{
    /* Acquire: pairs with the release of the pushes. The load first keeps an idle driver off the line. */
    if (!atomic_load_explicit(&remote->dirty, memory_order_relaxed))
        return NULL;
    return atomic_exchange_explicit(&remote->dirty, NULL, memory_order_acquire);
}

bool thsi_remote_clean(struct thsi_peer *peer)
{
    bool clean;

    (void)pthread_mutex_lock(&peer->mutex);
    clean = !peer->linked || thsi_outbox_is_empty(&peer->outbox);
    peer->listed = !clean;
    (void)pthread_mutex_unlock(&peer->mutex);
    return clean;
}

/* ---- Members ---------------------------------------------------------------------------- */

/* What was parked counts as the peer's own from now on. Under the peer's mutex. */
static void forget_parked(struct thsi_remote *remote, struct thsi_peer *peer)
{
    (void)atomic_fetch_sub_explicit(&remote->parked, peer->parked, memory_order_relaxed);
    (void)atomic_fetch_sub_explicit(&remote->parked_bytes, peer->parked_bytes, memory_order_relaxed);
    peer->parked = 0;
    peer->parked_bytes = 0;
}

struct thsi_peer *thsi_remote_member(struct thsi_remote *remote, uint64_t uid, const char *name)
{
    struct thsi_peer *peer;
    int index;

    (void)pthread_mutex_lock(&remote->mutex);
    index = index_of(remote, uid);
    if (index < 0)
        index = add(remote, uid, THSI_PEER_MEMBER);
    if (index < 0) {
        (void)pthread_mutex_unlock(&remote->mutex);
        return NULL;
    }
    peer = remote->peers[index];
    (void)pthread_mutex_lock(&peer->mutex);
    if (peer->state == THSI_PEER_UNKNOWN) {
        remote->unknown_count--;
        peer->state = THSI_PEER_MEMBER;
        peer->outbox.plain = false;
        forget_parked(remote, peer);
    }
    (void)snprintf(peer->name, sizeof peer->name, "%s", name);
    (void)pthread_mutex_unlock(&peer->mutex);
    (void)pthread_mutex_unlock(&remote->mutex);
    return peer;
}

/* Make the place free again. Under both mutexes. */
static void release(struct thsi_remote *remote, int index)
{
    struct thsi_peer *peer = remote->peers[index];
    struct ths_env *env = remote->runtime->env;

    forget_parked(remote, peer);
    remote->unknown_count -= peer->state == THSI_PEER_UNKNOWN;
    remote->uids[index] = 0;
    thsi_outbox_fini(&peer->outbox);
    drop_pieces(remote, peer);
    thsi_remote_drop_credit(remote, peer);
    peer->types_out = env->memory(env, peer->types_out, 0);
    thsi_remote_types_forget(remote, peer);
    peer->types_out_count = 0;
    peer->control_seen = 0;
    peer->link = NULL;
    peer->linked = false;
    peer->uid = 0;
    peer->state = THSI_PEER_FREE;
}

void thsi_remote_bury(struct thsi_remote *remote, uint64_t uid, struct thsi_outbox_loss *loss)
{
    int index;

    memset(loss, 0, sizeof *loss);
    (void)pthread_mutex_lock(&remote->mutex);
    if (!is_buried(remote, uid)) {
        remote->buried[remote->buried_next] = uid;
        remote->buried_next = (remote->buried_next + 1) % THSI_BURIED_MAX;
    }
    index = index_of(remote, uid);
    if (index >= 0) {
        struct thsi_peer *peer = remote->peers[index];
        (void)pthread_mutex_lock(&peer->mutex);
        thsi_outbox_clear(&peer->outbox, loss);
        release(remote, index);
        (void)pthread_mutex_unlock(&peer->mutex);
    }
    (void)pthread_mutex_unlock(&remote->mutex);
}

bool thsi_remote_link_down(struct thsi_remote *remote, struct thsi_peer *peer, struct thsi_outbox_loss *loss)
{
    enum ths_err err;

    drop_pieces(remote, peer);
    (void)pthread_mutex_lock(&peer->mutex);
    peer->linked = false;
    thsi_remote_drop_credit(remote, peer);
    err = thsi_outbox_link_lost(&peer->outbox, loss);
    (void)pthread_mutex_unlock(&peer->mutex);
    return err == THS_OK;
}

/* ---- Unknown nodes ---------------------------------------------------------------------- */

bool thsi_remote_answer_kind(const struct thsi_envelope *asked, struct thsi_signal *answer)
{
    switch ((int)asked->kind) {
    case THSI_RECORD_ASK:
    case THSI_RECORD_LOOKUP:
    case THSI_RECORD_SPAWN:
        answer->kind = THSI_REPLY;
        return true;
    case THSI_RECORD_STOP:
        answer->kind = THSI_REPLY;
        return asked->id != 0; /* else it was no question */
    case THSI_RECORD_MONITOR:
        answer->kind = THSI_DOWN;
        return true;
    case THSI_RECORD_LINK:
        answer->kind = THSI_EXIT;
        answer->id = 0; /* no order */
        return true;
    case THSI_RECORD_TELL:
        answer->kind = THSI_REFUSED;
        answer->id = 1;
        return true;
    default:
        return false;
    }
}

/* Answer one parked record as if the node had. */
static void answer_parked(struct thsi_remote *remote, const struct thsi_envelope *envelope, uint64_t uid)
{
    struct thsi_signal answer = {
        .from = { uid, envelope->to.slot, envelope->to.generation },
        .to = { envelope->asker_node ? envelope->asker_node : remote->runtime->uid, envelope->from.slot,
                envelope->from.generation },
        .id = envelope->id,
        .err = THS_UNKNOWN_NODE,
        .reason = THS_REASON_NODE_LOST,
        .certainty = THS_ASSUMED,
        .text = "the node never became known",
    };

    if (thsi_remote_answer_kind(envelope, &answer))
        (void)remote->runtime->deliver(remote->runtime, &answer);
}

/* Of a record in pieces the first one says who is to be answered, but for a request that was passed on, whose asker has
 * a deadline. */
static void answer_piece(struct thsi_remote *remote, const struct thsi_envelope *piece, uint64_t uid)
{
    struct thsi_arena texts = { .base = remote->texts, .cap = sizeof remote->texts };
    struct thsi_envelope envelope;
    struct thsi_unpacker unpacker;

    if (!(piece->piece & THSI_FRAGMENT_FIRST))
        return;
    thsi_unpacker_init(&unpacker, piece->bytes, piece->bytes_len);
    if (thsi_envelope_unpack(&envelope, &unpacker, &texts) == THS_OK && !thsi_envelope_is_passed_on(&envelope))
        answer_parked(remote, &envelope, uid);
}

static void answer_frame(struct thsi_remote *remote, struct thsi_outframe *frame, uint64_t uid)
{
    struct thsi_envelope envelope;
    struct thsi_unpacker unpacker;
    void *none;

    thsi_unpacker_init(&unpacker, thsi_outframe_payload(frame), frame->len);
    while (unpacker.at < unpacker.end) {
        struct thsi_arena texts = { .base = remote->texts, .cap = sizeof remote->texts };
        enum ths_err err = thsi_envelope_unpack(&envelope, &unpacker, &texts);
        if (err == THS_OK && envelope.fields_left > 0)
            err = thsi_envelope_unpack_body(&envelope, &unpacker, NULL, NULL, &none);
        assert(err == THS_OK); /* we packed it ourselves */
        if (err != THS_OK)
            return;
        if (envelope.kind == THSI_RECORD_FRAGMENT)
            answer_piece(remote, &envelope, uid);
        else
            answer_parked(remote, &envelope, uid);
    }
}

/* Take all frames of an expired peer and free its place; NULL: it is not expired. Under the remote's mutex. */
static struct thsi_outframe *take_expired(struct thsi_remote *remote, int index, uint64_t now_ns, uint64_t *next_ns)
{
    struct thsi_peer *peer = remote->peers[index];
    struct thsi_outframe *first = NULL, **last = &first;

    (void)pthread_mutex_lock(&peer->mutex);
    if (peer->state == THSI_PEER_UNKNOWN && peer->parked_until_ns <= now_ns) {
        while ((*last = thsi_outbox_take(&peer->outbox, THSI_TAKE_ALL)) != NULL)
            last = &(*last)->next;
        release(remote, index);
    } else if (peer->state == THSI_PEER_UNKNOWN && peer->parked_until_ns < *next_ns) {
        *next_ns = peer->parked_until_ns;
    }
    (void)pthread_mutex_unlock(&peer->mutex);
    return first;
}

uint64_t thsi_remote_expire(struct thsi_remote *remote, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    (void)pthread_mutex_lock(&remote->mutex);
    for (unsigned i = 0; i < remote->peers_count && remote->unknown_count > 0; i++) {
        uint64_t uid = remote->uids[i];
        struct thsi_outframe *frame = uid ? take_expired(remote, (int)i, now_ns, &next_ns) : NULL;
        if (!frame)
            continue;
        (void)pthread_mutex_unlock(&remote->mutex);
        while (frame) {
            struct thsi_outframe *next = frame->next;
            answer_frame(remote, frame, uid);
            thsi_frames_put(remote->frames, frame);
            frame = next;
        }
        (void)pthread_mutex_lock(&remote->mutex);
    }
    (void)pthread_mutex_unlock(&remote->mutex);
    return next_ns;
}

size_t thsi_remote_parked(const struct thsi_remote *remote)
{
    return atomic_load_explicit(&remote->parked, memory_order_relaxed);
}
