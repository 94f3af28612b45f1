#include "cluster/resolver.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* How long stopping waits for a lookup that is under way. */
#define STOP_NS UINT64_C(200000000)

struct thsi_resolver {
    struct thsi_task task;   /* first: the task is the resolver */
    struct ths_env *env;
    struct thsi_exec *exec;
    struct thsi_transport *transport;
    _Atomic uint32_t ring;   /* raised when there is something to do, parked on */
    _Atomic uint32_t ended;  /* the task's main has returned, or nearly */

    pthread_mutex_t mutex;   /* over all below */
    void (*wake)(void *arg);
    void *wake_arg;
    bool stopping;
    bool alone;              /* nobody waits for the task any more: it frees everything */
    unsigned asked_start, asked_count;
    unsigned found_start, found_count;
    struct thsi_resolution asked[THSI_RESOLVER_QUEUE];
    struct thsi_resolution found[THSI_RESOLVER_QUEUE];
    struct thsi_resolution current;
};

static void destroy(struct thsi_resolver *resolver)
{
    (void)pthread_mutex_destroy(&resolver->mutex);
    (void)resolver->env->memory(resolver->env, resolver, 0);
}

/* Take one request into current. False: none, or no room for its answer. */
static bool take(struct thsi_resolver *resolver)
{
    bool any;

    (void)pthread_mutex_lock(&resolver->mutex);
    any = !resolver->stopping && resolver->asked_count > 0 && resolver->found_count < THSI_RESOLVER_QUEUE;
    if (any) {
        resolver->current = resolver->asked[resolver->asked_start];
        resolver->asked_start = (resolver->asked_start + 1) % THSI_RESOLVER_QUEUE;
        resolver->asked_count--;
    }
    (void)pthread_mutex_unlock(&resolver->mutex);
    return any;
}

static void give(struct thsi_resolver *resolver)
{
    (void)pthread_mutex_lock(&resolver->mutex);
    if (!resolver->stopping) {
        resolver->found[(resolver->found_start + resolver->found_count++) % THSI_RESOLVER_QUEUE] = resolver->current;
        resolver->wake(resolver->wake_arg); /* under the mutex, so that stop cannot pass while it runs */
    }
    (void)pthread_mutex_unlock(&resolver->mutex);
}

static bool step(struct thsi_task *task, uint64_t *deadline_ns)
{
    struct thsi_resolver *resolver = (struct thsi_resolver *)task;
    struct thsi_resolution *current = &resolver->current;

    *deadline_ns = UINT64_MAX;
    if (!take(resolver))
        return false;
    current->count = resolver->transport->resolve(resolver->transport, current->address, current->found,
                                                  THSI_RESOLVED_MAX);
    give(resolver);
    return true;
}

static void run(struct thsi_task *task)
{
    struct thsi_resolver *resolver = (struct thsi_resolver *)task;
    struct thsi_exec *exec = resolver->exec;
    bool stopping = false, alone;
    uint64_t deadline_ns;

    while (!stopping) {
        /* Acquire: with a ring comes what it is rung for. */
        uint32_t ring = atomic_load_explicit(&resolver->ring, memory_order_acquire);
        if (!step(task, &deadline_ns)) {
            (void)pthread_mutex_lock(&resolver->mutex);
            stopping = resolver->stopping;
            (void)pthread_mutex_unlock(&resolver->mutex);
            if (!stopping)
                exec->park(exec, &resolver->ring, ring, resolver->env->now_ns(resolver->env), UINT64_MAX);
        }
    }
    (void)pthread_mutex_lock(&resolver->mutex);
    alone = resolver->alone;
    atomic_store(&resolver->ended, 1);
    exec->wake(exec, &resolver->ended);
    (void)pthread_mutex_unlock(&resolver->mutex);
    if (alone)
        destroy(resolver);
}

struct thsi_resolver *thsi_resolver_start(struct thsi_runtime *runtime, struct thsi_transport *transport,
                                          void (*wake)(void *arg), void *wake_arg)
{
    struct ths_env *env = runtime->env;
    struct thsi_resolver *resolver = env->memory(env, NULL, sizeof *resolver);

    if (!resolver)
        return NULL;
    memset(resolver, 0, sizeof *resolver);
    resolver->task = (struct thsi_task){ .name = "ths-resolver", .main = run, .step = step, .cpu = -1 };
    resolver->env = env;
    resolver->exec = runtime->exec;
    resolver->transport = transport;
    resolver->wake = wake;
    resolver->wake_arg = wake_arg;
    (void)pthread_mutex_init(&resolver->mutex, NULL);
    if (runtime->exec->start(runtime->exec, &resolver->task) != THS_OK) {
        destroy(resolver);
        return NULL;
    }
    return resolver;
}

static void ring(struct thsi_resolver *resolver)
{
    /* Release: pairs with the acquire in run. */
    (void)atomic_fetch_add_explicit(&resolver->ring, 1, memory_order_release);
    resolver->exec->wake(resolver->exec, &resolver->ring);
}

/* Whether the task's main has come to its end; production waits for it, but not for ever. */
static bool await_end(struct thsi_resolver *resolver)
{
    struct ths_env *env = resolver->env;
    struct thsi_exec *exec = resolver->exec;
    uint64_t until_ns = env->now_ns(env) + STOP_NS, now_ns;

    if (exec->drive)
        return true; /* nobody runs main in the simulator */
    while (!atomic_load(&resolver->ended) && (now_ns = env->now_ns(env)) < until_ns)
        exec->park(exec, &resolver->ended, 0, now_ns, until_ns);
    return atomic_load(&resolver->ended);
}

void thsi_resolver_stop(struct thsi_resolver *resolver)
{
    bool ended;

    if (!resolver)
        return;
    (void)pthread_mutex_lock(&resolver->mutex);
    resolver->stopping = true;
    (void)pthread_mutex_unlock(&resolver->mutex);
    ring(resolver);
    ended = await_end(resolver);
    (void)pthread_mutex_lock(&resolver->mutex);
    ended = ended || atomic_load(&resolver->ended);
    resolver->alone = !ended;
    (void)pthread_mutex_unlock(&resolver->mutex);
    if (!ended)
        return; /* it hangs in DNS: not joined, its thread frees the resolver at its end */
    resolver->exec->join(resolver->exec, &resolver->task);
    destroy(resolver);
}

enum ths_err thsi_resolver_ask(struct thsi_resolver *resolver, uint64_t uid, const char *address)
{
    struct thsi_resolution *place;
    enum ths_err err = THS_FULL;

    (void)pthread_mutex_lock(&resolver->mutex);
    if (resolver->asked_count < THSI_RESOLVER_QUEUE) {
        place = &resolver->asked[(resolver->asked_start + resolver->asked_count++) % THSI_RESOLVER_QUEUE];
        place->uid = uid;
        place->count = 0;
        (void)snprintf(place->address, sizeof place->address, "%s", address);
        err = THS_OK;
    }
    (void)pthread_mutex_unlock(&resolver->mutex);
    if (err == THS_OK)
        ring(resolver);
    return err;
}

bool thsi_resolver_next(struct thsi_resolver *resolver, struct thsi_resolution *out)
{
    bool any, was_full;

    (void)pthread_mutex_lock(&resolver->mutex);
    any = resolver->found_count > 0;
    was_full = resolver->found_count == THSI_RESOLVER_QUEUE;
    if (any) {
        *out = resolver->found[resolver->found_start];
        resolver->found_start = (resolver->found_start + 1) % THSI_RESOLVER_QUEUE;
        resolver->found_count--;
    }
    (void)pthread_mutex_unlock(&resolver->mutex);
    if (was_full)
        ring(resolver);
    return any;
}

bool thsi_resolver_ready(struct thsi_resolver *resolver)
{
    bool ready;

    (void)pthread_mutex_lock(&resolver->mutex);
    ready = resolver->found_count > 0;
    (void)pthread_mutex_unlock(&resolver->mutex);
    return ready;
}
