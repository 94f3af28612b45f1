/* What threads outside of actors may do with a node: wait for actors, find them, ask them, list them.
 *
 * Asking and finding are done by a short-lived actor each, see outside.h. */

#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "node/outside.h"
#include "node/send.h"
#include "thiasos/ask.h"
#include "thiasos/lifecycle.h"

void thsi_outside_wait(struct ths_node *node, _Atomic uint32_t *word, uint64_t deadline_ns)
{
    uint64_t now_ns;

    /* Acquire: receives what the waker wrote before it set the word. */
    while (!atomic_load_explicit(word, memory_order_acquire) && (now_ns = thsi_now_ns(node)) < deadline_ns) {
        if (node->exec->drive)
            node->exec->drive(node->exec);
        else
            node->exec->park(node->exec, word, 0, now_ns, deadline_ns);
    }
}

/* Release: passes on what was written for the waiter before. */
void thsi_outside_wake(struct ths_node *node, _Atomic uint32_t *word)
{
    atomic_store_explicit(word, 1, memory_order_release);
    node->exec->wake(node->exec, word);
}

static uint64_t deadline_in(struct ths_node *node, unsigned timeout_ms)
{
    return thsi_now_ns(node) + (uint64_t)timeout_ms * 1000000u;
}

/* ---- Waiting for an end ----------------------------------------------------------------- */

/* The entry of @ref, or NULL; newest first, since an end is mostly asked for at once. Under waiters_lock. */
static struct thsi_exit *find_exit(const struct ths_node *node, ths_ref ref)
{
    for (size_t i = 1; node->exits && i <= THSI_EXITS_KEPT; i++) {
        struct thsi_exit *exit = &node->exits[(node->exits_next - i) % THSI_EXITS_KEPT];

        if (ths_ref_equal(exit->ref, ref))
            return exit;
    }
    return NULL;
}

void thsi_outside_ending(struct ths_node *node, ths_ref ref, enum ths_reason reason)
{
    struct ths_env *env = node->env;

    (void)pthread_mutex_lock(&node->waiters_lock);
    if (!node->exits) {
        node->exits = env->memory(env, NULL, THSI_EXITS_KEPT * sizeof node->exits[0]);
        if (node->exits)
            memset(node->exits, 0, THSI_EXITS_KEPT * sizeof node->exits[0]);
    }
    if (node->exits) /* without memory, who asks later hears NO_ACTOR */
        node->exits[node->exits_next++ % THSI_EXITS_KEPT] = (struct thsi_exit){ .ref = ref, .reason = reason };
    (void)pthread_mutex_unlock(&node->waiters_lock);
}

void thsi_outside_ended(struct ths_node *node, ths_ref ref, enum ths_reason reason, uint32_t flags)
{
    if (flags & (THSI_FLAG_WAITED | THSI_FLAG_SERVES)) {
        struct thsi_exit *exit;

        (void)pthread_mutex_lock(&node->waiters_lock);
        exit = flags & THSI_FLAG_WAITED ? find_exit(node, ref) : NULL;
        if (exit)
            exit->complete = true;
        for (struct thsi_waiter *waiter = node->waiters; waiter; waiter = waiter->next) {
            if (!ths_ref_equal(waiter->ref, ref))
                continue;
            waiter->reason = reason;
            thsi_outside_wake(node, &waiter->word); /* it cannot go away: it needs the lock to leave the list */
        }
        (void)pthread_mutex_unlock(&node->waiters_lock);
    }
    /* Relaxed: who misses it wakes nobody, and the stopper looks again after a while. The word's change and the counters read
     * after it keep their order by its sequential consistency (await_all_ended). */
    if (atomic_load_explicit(&node->stopping, memory_order_relaxed)) {
        (void)atomic_fetch_add_explicit(&node->ended_word, 1, memory_order_seq_cst);
        node->exec->wake(node->exec, &node->ended_word);
    }
}

static void enter_waiters(struct ths_node *node, struct thsi_waiter *waiter)
{
    (void)pthread_mutex_lock(&node->waiters_lock);
    waiter->next = node->waiters;
    node->waiters = waiter;
    (void)pthread_mutex_unlock(&node->waiters_lock);
}

static void leave_waiters(struct ths_node *node, struct thsi_waiter *waiter)
{
    struct thsi_waiter **at = &node->waiters;

    (void)pthread_mutex_lock(&node->waiters_lock);
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
    (void)pthread_mutex_unlock(&node->waiters_lock);
}

/* Put @waiter in, unless the end is known already. */
static bool join_waiters(struct ths_node *node, struct thsi_waiter *waiter)
{
    const struct thsi_exit *exit;
    bool known;

    (void)pthread_mutex_lock(&node->waiters_lock);
    exit = find_exit(node, waiter->ref);
    known = exit && exit->complete;
    if (known) {
        waiter->reason = exit->reason;
    } else {
        waiter->next = node->waiters;
        node->waiters = waiter;
    }
    (void)pthread_mutex_unlock(&node->waiters_lock);
    return !known;
}

/* Whether @ref is just ending, in a way that will be told. */
static bool is_ending(struct ths_node *node, ths_ref ref)
{
    bool ending;

    (void)pthread_mutex_lock(&node->waiters_lock);
    ending = find_exit(node, ref) != NULL;
    (void)pthread_mutex_unlock(&node->waiters_lock);
    return ending;
}

/* Whether @ref lives, having asked that its end be told. */
static bool ask_for_end(struct ths_node *node, ths_ref ref)
{
    enum ths_err err;
    struct thsi_actor *actor = ref.node == node->uid ? thsi_actor_find(node, ref, &err) : NULL;

    if (!actor)
        return false;
    /* Both orders: see end_for_good. */
    (void)atomic_fetch_or_explicit(&actor->flags, THSI_FLAG_WAITED, memory_order_acq_rel);
    return thsi_actor_find(node, ref, &err) != NULL;
}

/* Why the actor of @ref has ended, unless another has come to live in its place. */
static enum ths_reason last_reason(struct ths_node *node, ths_ref ref)
{
    const struct thsi_actor *actor = ref.node == node->uid ? thsi_table_at(&node->table, ref.slot) : NULL;
    uint32_t reason;

    /* Acquire: the reason was written before the generation. The second look tells whether it was still the reason that
     * was read; it comes after the read, which acquires what the next actor's spawn released. */
    if (!actor || !thsi_generation_lives(ref.generation) ||
        atomic_load_explicit(&actor->generation, memory_order_acquire) != ref.generation + 1)
        return THS_REASON_NO_ACTOR;
    reason = __atomic_load_n(&actor->incarnation, __ATOMIC_ACQUIRE);
    return thsi_actor_generation(actor) == ref.generation + 1 ? (enum ths_reason)reason : THS_REASON_NO_ACTOR;
}

enum ths_err ths_join(struct ths_node *node, ths_ref ref, unsigned timeout_ms, enum ths_reason *reason)
{
    struct thsi_waiter waiter = { .ref = ref, .reason = THS_REASON_NO_ACTOR };
    enum ths_err err = THS_OK;

    if (ref.node != node->uid && !ths_ref_is_nobody(ref)) {
        err = thsi_outside_join_remote(node, ref, timeout_ms, &waiter.reason);
    } else if (join_waiters(node, &waiter)) {
        if (ask_for_end(node, ref) || is_ending(node, ref)) {
            thsi_outside_wait(node, &waiter.word, deadline_in(node, timeout_ms));
            /* Acquire: receives the reason. */
            if (!atomic_load_explicit(&waiter.word, memory_order_acquire))
                err = THS_TIMEOUT;
        } else {
            waiter.reason = last_reason(node, ref);
        }
        leave_waiters(node, &waiter);
    }
    if (reason)
        *reason = waiter.reason;
    return err;
}

enum { WAIT_AGAIN_MS = 3600 * 1000 };

int ths_wait(struct ths_node *node, ths_ref ref)
{
    enum ths_reason reason = THS_REASON_NO_ACTOR;

    while (ths_join(node, ref, WAIT_AGAIN_MS, &reason) == THS_TIMEOUT) {
    }
    ths_node_stop(node, 5000);
    return reason == THS_REASON_NORMAL || reason == THS_REASON_SHUTDOWN ? 0 : 1;
}

/* ---- Asking ----------------------------------------------------------------------------- */

struct call {
    ths_ref to;
    struct ths_message request;
    unsigned timeout_ms;
    void (*got)(void *arg, struct ths_message reply);
    void *arg;
    enum ths_err err;
};

struct ths_caller {
    struct call *call;
};

static void call_answered(struct ths_ctx *ctx, void *self, enum ths_err err, const void *reply)
{
    struct ths_caller *caller = self;

    caller->call->err = err;
    if (err == THS_OK && caller->call->got)
        caller->call->got(caller->call->arg, *(const struct ths_message *)reply); /* of any type: a message */
    ths_stop(ctx);
}

THS_ON(ths_caller, ths_caller_start)
{
    static const struct ths_reply_to answered = { call_answered, NULL };

    self->call = (struct call *)(uintptr_t)msg->address;
    thsp_ask(ctx, self->call->to, self->call->request.type, self->call->request.body, &answered,
             self->call->timeout_ms);
}

THS_BEHAVIOUR(ths_caller, ths_caller_start)

/* Wait for the end of an actor that serves this thread, also when it is killed or the node stops in between. */
static void await_own(struct ths_node *node, ths_ref ref)
{
    struct thsi_actor *actor = thsi_table_at(&node->table, ref.slot);
    struct thsi_waiter waiter = { .ref = ref };

    enter_waiters(node, &waiter);
    /* Both orders: see end_for_good. Acquire: receives what the actor has left in the struct. */
    (void)atomic_fetch_or_explicit(&actor->flags, THSI_FLAG_SERVES, memory_order_acq_rel);
    if (atomic_load_explicit(&actor->generation, memory_order_acquire) == ref.generation)
        thsi_outside_wait(node, &waiter.word, UINT64_MAX);
    leave_waiters(node, &waiter);
}

enum ths_err thsi_outside_run(struct ths_node *node, struct ths_behaviour *behaviour, const void *address)
{
    const struct ths_spawn_options options = {
        .start = THS_MSG(ths_caller_start, .address = (uint64_t)(uintptr_t)address),
    };
    ths_ref ref;
    enum ths_err err = thsi_spawn_own(thsp_of_node(node), behaviour, &options, &ref);

    if (err == THS_OK)
        await_own(node, ref);
    return err;
}

enum ths_err ths_call(struct ths_node *node, ths_ref to, struct ths_message request, unsigned timeout_ms,
                      void (*got)(void *arg, struct ths_message reply), void *arg)
{
    struct call call = { .to = to, .request = request, .got = got, .arg = arg, .err = THS_CLOSED,
                         .timeout_ms = timeout_ms != THS_INHERIT ? timeout_ms : THS_INHERIT - 1 }; /* nothing to inherit */
    enum ths_err err = thsi_outside_run(node, &ths_caller_behaviour, &call);

    return err == THS_OK ? call.err : err;
}

/* ---- Finding ---------------------------------------------------------------------------- */

enum { LOOK_AGAIN_MS = 20, LOOK_LIMIT_MS = 1000 };

struct search {
    const char *name;
    uint64_t deadline_ms; /* of ths_now_ms */
    unsigned timeout_ms;
    ths_ref found;
};

THS_MESSAGE(ths_look_again, "ths.here.look_again", 1)

struct ths_finder {
    struct search *search;
};

static unsigned left_ms(struct ths_ctx *ctx, const struct search *search)
{
    uint64_t now_ms = ths_now_ms(ctx);

    return now_ms < search->deadline_ms ? (unsigned)(search->deadline_ms - now_ms) : 0;
}

/* A name may appear on a node, and a node in the cluster, without a word to those who wait: so look again and again. */
THS_ON_REPLY(ths_finder, look_answered, ths_found)
{
    unsigned left = left_ms(ctx, self->search);

    if (err == THS_OK)
        self->search->found = reply->who;
    if (err == THS_OK || left == 0)
        ths_stop(ctx);
    else
        (void)ths_after(ctx, left < LOOK_AGAIN_MS ? left : LOOK_AGAIN_MS, ths_look_again);
}

static void look(struct ths_ctx *ctx, struct ths_finder *self)
{
    unsigned left = left_ms(ctx, self->search);

    /* A question that is lost with a link is asked again. */
    ths_lookup(ctx, self->search->name, look_answered, left < LOOK_LIMIT_MS ? left : LOOK_LIMIT_MS);
}

THS_ON(ths_finder, ths_caller_start)
{
    self->search = (struct search *)(uintptr_t)msg->address;
    self->search->deadline_ms = ths_now_ms(ctx) + self->search->timeout_ms;
    look(ctx, self);
}

THS_ON(ths_finder, ths_look_again)
{
    look(ctx, self);
}

THS_BEHAVIOUR(ths_finder, ths_caller_start, ths_look_again)

ths_ref ths_whereis(struct ths_node *node, const char *name, unsigned timeout_ms)
{
    struct search search = { .name = name, .timeout_ms = timeout_ms };

    (void)thsi_outside_run(node, &ths_finder_behaviour, &search);
    return search.found;
}

/* ---- Listing ---------------------------------------------------------------------------- */

/* Read from another thread than the actor's: a glance at each slot. The name comes from the table of names, which has a
 * lock; the actor's own fields are read only where a torn view does no harm. */
void ths_node_actors(struct ths_node *node, size_t max,
                     void (*visit)(void *arg, const struct ths_actor_info *actor), void *arg)
{
    uint32_t used = thsi_table_used(&node->table);

    for (uint32_t slot = 0; slot < used && max > 0; slot++) {
        struct thsi_actor *actor = thsi_table_at(&node->table, slot);
        struct thsi_glance glance;
        char name[THS_NAME_SIZE];

        if (!thsi_actor_glance(actor, &glance))
            continue;
        thsi_names_of(&node->names, (ths_ref){ node->uid, slot, glance.generation }, name);
        const ths_ref ref = { node->uid, slot, glance.generation };
        const struct ths_actor_info info = { .ref = ref,
                                             .behaviour = glance.behaviour, .name = name, .queued = glance.queued,
                                             .incarnation = glance.incarnation,
                                             .mailbox_bytes = thsi_inboxes_bytes(node, ref) };
        visit(arg, &info);
        max--;
    }
}
