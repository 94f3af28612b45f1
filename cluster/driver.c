#include "cluster/driver.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "cluster/buried.h"

#define EVENTS_PER_STEP 64u
#define WAIT_NS_MAX UINT64_C(60000000000)

/* ---- Waking ----------------------------------------------------------------------------- */

void thsi_driver_wake(struct thsi_driver *driver)
{
    /* Both sides exchange, so one of them reads what the other wrote: either this sees that the driver sleeps, or the
     * driver, which falls asleep later, sees what the caller did before. */
    if (atomic_exchange(&driver->asleep, 0))
        driver->transport->interrupt(driver->transport);
}

static void wake(void *arg)
{
    thsi_driver_wake(arg);
}

static void frames_back(void *arg)
{
    struct thsi_driver *driver = arg;

    atomic_store_explicit(&driver->frames_back, 1, memory_order_relaxed);
    thsi_driver_wake(driver);
}

void thsi_driver_order(struct thsi_driver *driver, uint32_t order)
{
    (void)atomic_fetch_or(&driver->orders, order);
    thsi_driver_wake(driver);
    thsi_driver_wake_guard(driver); /* it may have to do it */
}

/* ---- One step --------------------------------------------------------------------------- */

void thsi_driver_enter(struct thsi_driver *driver, enum thsi_driver_phase phase)
{
    struct thsi_exec *exec = driver->runtime->exec;

    /* Release: who sees the phase sees all that was done before. */
    atomic_store_explicit(&driver->phase, phase, memory_order_release);
    exec->wake(exec, &driver->phase);
}

/* No node is a neighbour any more. */
static void leave_all(struct thsi_driver *driver)
{
    if (thsi_driver_phase_now(driver) >= THSI_DRIVER_LEFT)
        return;
    thsi_driver_enter(driver, THSI_DRIVER_LEFT); /* first, so that nothing new is sent or accepted */
    thsi_driver_part(driver);
}

static bool take_orders(struct thsi_driver *driver)
{
    const struct thsi_membership_event leave = { .type = THSI_MEMBERSHIP_LEAVE };
    uint32_t orders = atomic_load_explicit(&driver->orders, memory_order_relaxed) &
                      (THSI_ORDER_LEAVE | THSI_ORDER_DROP | THSI_ORDER_KEYS | THSI_ORDER_TRUST);

    if (orders == 0)
        return false;
    (void)atomic_fetch_and(&driver->orders, ~orders);
    if (orders & THSI_ORDER_KEYS)
        thsi_driver_take_keys(driver);
    if (orders & THSI_ORDER_TRUST)
        thsi_driver_take_trust(driver);
    if (orders & THSI_ORDER_DROP) {
        leave_all(driver);
    } else if ((orders & THSI_ORDER_LEAVE) && thsi_driver_phase_now(driver) == THSI_DRIVER_RUNNING) {
        enum ths_err err;
        thsi_driver_enter(driver, THSI_DRIVER_LEAVING);
        err = thsi_driver_step_membership(driver, &leave);
        (void)err; /* leaving is never refused */
    }
    return true;
}

/* What membership said of this node itself, once the step that said it is done with. */
static void act_on_self(struct thsi_driver *driver)
{
    if (driver->self_buried != THS_OK) {
        thsi_note(driver->runtime, THS_LOG_ERROR, "member",
                  driver->self_buried == THS_SUPERSEDED
                      ? "a newer boot of %s has taken its place: this one leaves the cluster"
                      : "%s was declared dead by the others, who could not reach it: it leaves the cluster",
                  driver->self.name);
        driver->self_buried = THS_OK;
        leave_all(driver);
        if (driver->bury_exits)
            thsi_buried_start(driver->runtime);
    }
    if (driver->left_done) {
        driver->left_done = false;
        leave_all(driver);
    }
}

static void take_event(struct thsi_driver *driver, const struct thsi_transport_event *event)
{
    struct thsi_driver_link *link;

    if (event->type == THSI_LINK_DATA) {
        thsi_driver_data(driver, event->link, event->data, event->len);
        return;
    }
    if (event->type == THSI_LINK_ACCEPTED) {
        thsi_driver_accepted(driver, event->link, event->peer);
        return;
    }
    link = thsi_driver_find(driver, event->link);
    if (!link)
        return;
    if (event->type == THSI_LINK_DIALED)
        thsi_driver_dialed(driver, link);
    else if (event->type == THSI_LINK_CLOSED)
        thsi_driver_close(driver, link, event->refused ? THSI_END_REFUSED : THSI_END_LOST, false);
    else if (event->type == THSI_LINK_WRITABLE)
        thsi_driver_flush(driver, link);
}

static bool take_events(struct thsi_driver *driver)
{
    struct thsi_transport_event event;
    unsigned count = 0;

    while (count < EVENTS_PER_STEP && driver->transport->next(driver->transport, &event)) {
        take_event(driver, &event);
        (void)thsi_driver_run_events(driver);
        count++;
    }
    return count > 0;
}

static bool take_resolved(struct thsi_driver *driver)
{
    struct thsi_resolution resolution;

    if (!thsi_resolver_next(driver->resolver, &resolution))
        return false;
    thsi_driver_resolved(driver, &resolution);
    return true;
}

/* Timers that are due. Returns the earliest that is not. */
static uint64_t take_time(struct thsi_driver *driver)
{
    uint64_t due_ns;

    if (driver->now_ns >= thsi_driver_members_deadline(driver))
        thsi_driver_pass_time(driver);
    if (driver->now_ns >= driver->ack_due_ns)
        thsi_driver_send_acks(driver);
    if (driver->now_ns >= driver->shake_due_ns)
        thsi_driver_check_handshakes(driver);
    if (driver->now_ns >= driver->expire_due_ns)
        driver->expire_due_ns = thsi_remote_expire(driver->remote, driver->now_ns);
    if (driver->now_ns >= driver->keys_due_ns)
        thsi_driver_check_keys(driver);
    if (driver->now_ns >= driver->trust_due_ns)
        thsi_driver_check_trust(driver);
    (void)thsi_driver_run_events(driver);
    due_ns = thsi_driver_members_deadline(driver);
    if (driver->ack_due_ns < due_ns)
        due_ns = driver->ack_due_ns;
    if (driver->shake_due_ns < due_ns)
        due_ns = driver->shake_due_ns;
    if (driver->keys_due_ns < due_ns)
        due_ns = driver->keys_due_ns;
    if (driver->trust_due_ns < due_ns)
        due_ns = driver->trust_due_ns;
    return driver->expire_due_ns < due_ns ? driver->expire_due_ns : due_ns;
}

/* Whether something came between the last look and the decision to sleep. */
static bool has_work(struct thsi_driver *driver)
{
    return atomic_load(&driver->remote->dirty) || atomic_load(&driver->remote->rooms) ||
           atomic_load(&driver->orders) || atomic_load(&driver->frames_back) ||
           atomic_load(&driver->wanted) || thsi_resolver_ready(driver->resolver);
}

bool thsi_driver_step(struct thsi_task *task, uint64_t *deadline_ns)
{
    struct thsi_driver *driver = (struct thsi_driver *)task;
    struct ths_env *env = driver->runtime->env;
    bool any;

    atomic_store_explicit(&driver->asleep, 0, memory_order_relaxed);
    atomic_store_explicit(&driver->frames_back, 0, memory_order_relaxed);
    driver->now_ns = env->now_ns(env);
    any = take_orders(driver);
    any |= take_events(driver);
    any |= thsi_driver_take_frames(driver);
    any |= take_resolved(driver);
    thsi_remote_grant(driver->remote);
    *deadline_ns = take_time(driver);
    any |= thsi_driver_take_dirty(driver); /* last: all of the above may have put something into outboxes */
    any |= thsi_driver_run_events(driver);
    act_on_self(driver);
    if (any)
        return true;
    if (driver->waiting > 0)
        thsi_frames_want(driver->frames);
    (void)atomic_exchange(&driver->asleep, 1); /* pairs with the one in thsi_driver_wake */
    if (!has_work(driver))
        return false;
    atomic_store(&driver->asleep, 0);
    return true;
}

void thsi_driver_wait(struct thsi_driver *driver, uint64_t deadline_ns)
{
    struct ths_env *env = driver->runtime->env;
    uint64_t now_ns = env->now_ns(env);

    if (deadline_ns > now_ns)
        driver->transport->wait(driver->transport, deadline_ns - now_ns < WAIT_NS_MAX ? deadline_ns - now_ns : WAIT_NS_MAX);
}

/* ---- Life ------------------------------------------------------------------------------- */

static bool create_cores(struct thsi_driver *driver, const struct thsi_driver_options *options)
{
    struct ths_env *env = driver->runtime->env;
    struct thsi_membership_options membership = { .self = driver->self,
                                                  .cluster = driver->has_node_key ? NULL : driver->cluster,
                                                  .heartbeat_ms = options->heartbeat_ms, .suspect_ms = options->suspect_ms,
                                                  .bury_ms = options->bury_ms };
    uint64_t seed;

    env->random(env, &membership.seed, sizeof membership.seed);
    env->random(env, &seed, sizeof seed);
    driver->membership = thsi_membership_create(env, &membership, driver->now_ns);
    driver->groups = thsi_groups_create(env, driver->self.uid, driver->self.scopes, seed, driver->now_ns);
    if (!driver->membership || !driver->groups)
        return false;
    driver->self = *thsi_membership_self(driver->membership);
    return true;
}

static bool create_parts(struct thsi_driver *driver)
{
    const struct thsi_remote_hooks hooks = { .wake = wake, .gossip = thsi_driver_gossip, .bye = thsi_driver_bye,
                                             .keys = thsi_driver_keys_record,
                                             .arg = driver };

    driver->frames = thsi_frames_create(driver->runtime->env, frames_back, driver);
    if (!driver->frames)
        return false;
    driver->remote = thsi_remote_create(driver->runtime, driver->frames, &hooks);
    return driver->remote != NULL;
}

static void free_all(struct thsi_driver *driver)
{
    struct ths_env *env = driver->runtime->env;

    if (driver->membership)
        thsi_membership_destroy(driver->membership);
    if (driver->groups)
        thsi_groups_destroy(driver->groups);
    if (driver->remote)
        thsi_remote_destroy(driver->remote);
    if (driver->frames)
        thsi_frames_close(driver->frames);
    thsi_watchers_fini(&driver->watchers);
    thsi_keyring_wipe(&driver->keys);
    thsi_keyring_wipe(&driver->keys_next);
    thsi_identity_key_wipe(&driver->credential.key);
    thsi_trust_fini(&driver->trust);
    thsi_trust_fini(&driver->trust_next);
    (void)pthread_mutex_destroy(&driver->mutex);
    (void)pthread_mutex_destroy(&driver->turn);
    (void)env->memory(env, driver->links, 0);
    (void)env->memory(env, driver->events, 0);
    (void)env->memory(env, driver->packets, 0);
    (void)env->memory(env, driver, 0);
}

/* Who this node is to the others: by its own key, or by its name and the cluster's. */
static void take_identity(struct thsi_driver *driver, const struct thsi_driver_options *options)
{
    uint8_t static_public[THSI_KEY_SIZE];

    driver->has_node_key = options->credential != NULL;
    if (!driver->has_node_key) {
        thsi_cluster_node_id(driver->cluster, driver->self.name, driver->self.id);
        return;
    }
    driver->credential = *options->credential;
    driver->trust = *options->trust;
    thsi_trust_init(options->trust, driver->runtime->env);
    thsi_trust_init(&driver->trust_next, driver->runtime->env);
    if (thsi_static_of(driver->credential.key.public_key, static_public))
        thsi_static_node_id(static_public, driver->self.id);
}

struct thsi_driver *thsi_driver_create(struct thsi_runtime *runtime, struct thsi_transport *transport,
                                       const struct thsi_driver_options *options)
{
    struct ths_env *env = runtime->env;
    struct thsi_driver *driver = env->memory(env, NULL, sizeof *driver);

    if (!driver)
        return NULL;
    memset(driver, 0, sizeof *driver);
    driver->task = (struct thsi_task){ .name = "ths-network", .main = thsi_driver_run, .step = thsi_driver_step, .cpu = -1 };
    driver->runtime = runtime;
    driver->transport = transport;
    driver->keys = *options->keys;
    driver->fingerprints = thsi_handover_fingerprints(&driver->keys);
    driver->rekey = options->rekey;
    driver->bury_exits = options->bury_exits;
    driver->self = options->self;
    driver->seeds = *options->seeds;
    driver->now_ns = env->now_ns(env);
    driver->ack_due_ns = driver->shake_due_ns = driver->expire_due_ns = UINT64_MAX;
    driver->keys_due_ns = driver->trust_due_ns = UINT64_MAX;
    (void)snprintf(driver->cluster, sizeof driver->cluster, "%s", options->cluster);
    (void)pthread_mutex_init(&driver->mutex, NULL);
    thsi_driver_turn_init(driver);
    thsi_watchers_init(&driver->watchers, runtime);
    take_identity(driver, options);
    if (create_parts(driver) && create_cores(driver, options))
        return driver;
    free_all(driver);
    return NULL;
}

enum ths_err thsi_driver_start(struct thsi_driver *driver)
{
    struct thsi_exec *exec = driver->runtime->exec;
    enum ths_err err;

    driver->resolver = thsi_resolver_start(driver->runtime, driver->transport, wake, driver);
    if (!driver->resolver)
        return THS_NOMEM;
    err = exec->start(exec, &driver->task);
    if (err == THS_OK) {
        driver->runtime->set_poller(driver->runtime, &driver->poller);
        return THS_OK;
    }
    thsi_resolver_stop(driver->resolver);
    driver->resolver = NULL;
    return err;
}

/* Wait until @word, which only rises, is @least or more. */
static bool await(struct thsi_driver *driver, _Atomic uint32_t *word, uint32_t least, uint64_t timeout_ns)
{
    struct ths_env *env = driver->runtime->env;
    struct thsi_exec *exec = driver->runtime->exec;
    uint64_t now_ns = env->now_ns(env), until_ns = now_ns + timeout_ns;
    uint32_t seen;

    while ((seen = atomic_load_explicit(word, memory_order_acquire)) < least) {
        now_ns = env->now_ns(env);
        if (now_ns >= until_ns)
            return false;
        if (exec->drive)
            exec->drive(exec);
        else
            exec->park(exec, word, seen, now_ns, until_ns);
    }
    return true;
}

bool thsi_driver_await(struct thsi_driver *driver, enum thsi_driver_phase phase, uint64_t timeout_ns)
{
    return await(driver, &driver->phase, (uint32_t)phase, timeout_ns);
}

bool thsi_driver_change_keys(struct thsi_driver *driver, const struct thsi_keyring *keys, uint64_t timeout_ns)
{
    uint32_t number;

    (void)pthread_mutex_lock(&driver->mutex);
    driver->keys_next = *keys;
    number = ++driver->keys_given;
    (void)pthread_mutex_unlock(&driver->mutex);
    thsi_driver_order(driver, THSI_ORDER_KEYS);
    return await(driver, &driver->keys_taken, number, timeout_ns);
}

void thsi_driver_destroy(struct thsi_driver *driver, bool with_transport)
{
    struct thsi_exec *exec = driver->runtime->exec;

    if (driver->resolver) {
        driver->runtime->set_poller(driver->runtime, NULL);
        thsi_driver_order(driver, THSI_ORDER_STOP);
        exec->join(exec, &driver->task);
        thsi_resolver_stop(driver->resolver);
        thsi_driver_close_all(driver);
    }
    if (with_transport)
        driver->transport->destroy(driver->transport);
    free_all(driver);
}
