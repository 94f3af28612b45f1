/* Who has the network: a worker without work, or the driver's own thread. The states are drawn in driver.h. */

#include "cluster/driver.h"

/* How long the network may be without anybody: a worker that leaves it to run an actor comes back when it has run it. */
#define GUARD_NS UINT64_C(2000000)

/* ---- Workers ------------------------------------------------------------------------------ */

static struct thsi_driver *driver_of(struct thsi_poller *poller)
{
    return (struct thsi_driver *)((char *)poller - offsetof(struct thsi_driver, poller));
}

static bool begin(struct thsi_poller *poller, bool insist)
{
    struct thsi_driver *driver = driver_of(poller);

    if (pthread_mutex_trylock(&driver->turn) == 0) {
        atomic_store(&driver->wanted, 0);
        /* Relaxed: the thread only sees that it changes. */
        (void)atomic_fetch_add_explicit(&driver->visits, 1, memory_order_relaxed);
        return true;
    }
    /* Another worker keeps it; the thread gives it up. */
    if (insist && atomic_load(&driver->held)) {
        atomic_store(&driver->wanted, 1);
        thsi_driver_wake(driver);
    }
    return false;
}

static bool step(struct thsi_poller *poller, uint64_t *deadline_ns)
{
    struct thsi_driver *driver = driver_of(poller);

    /* After STOP the thread alone touches it: it is about to be taken apart. */
    if (atomic_load(&driver->orders) & THSI_ORDER_STOP) {
        *deadline_ns = UINT64_MAX;
        return false;
    }
    return thsi_driver_step(&driver->task, deadline_ns);
}

static void wait(struct thsi_poller *poller, uint64_t deadline_ns)
{
    struct thsi_driver *driver = driver_of(poller);

    atomic_store(&driver->waits_inside, 1);
    thsi_driver_wait(driver, deadline_ns);
    atomic_store(&driver->asleep, 0); /* what is sent from now on is found by the next step, whosever it is */
    atomic_store(&driver->waits_inside, 0); /* then `guard_asleep` is looked at in `end`: Dekker, with guard() */
}

static void end(struct thsi_poller *poller)
{
    struct thsi_driver *driver = driver_of(poller);

    (void)pthread_mutex_unlock(&driver->turn);
    if (atomic_load(&driver->guard_asleep))
        thsi_driver_wake_guard(driver);
}

static void poke(struct thsi_poller *poller)
{
    struct thsi_driver *driver = driver_of(poller);

    driver->transport->interrupt(driver->transport);
}

/* ---- The thread ---------------------------------------------------------------------------- */

void thsi_driver_wake_guard(struct thsi_driver *driver)
{
    struct thsi_exec *exec = driver->runtime->exec;

    (void)atomic_fetch_add(&driver->guard_word, 1);
    exec->wake(exec, &driver->guard_word);
}

static bool is_stopped(struct thsi_driver *driver)
{
    return atomic_load(&driver->orders) & THSI_ORDER_STOP;
}

/* Sleep for GUARD_NS, or for as long as a worker waits inside. */
static void guard(struct thsi_driver *driver)
{
    struct thsi_exec *exec = driver->runtime->exec;
    struct ths_env *env = driver->runtime->env;
    uint32_t word = atomic_load(&driver->guard_word);
    uint64_t now_ns = env->now_ns(env), until_ns = now_ns + GUARD_NS;

    if (is_stopped(driver))
        return;
    atomic_store(&driver->guard_asleep, 1);
    if (atomic_load(&driver->waits_inside))
        until_ns = UINT64_MAX; /* `end` wakes it */
    else
        atomic_store(&driver->guard_asleep, 0);
    exec->park(exec, &driver->guard_word, word, now_ns, until_ns);
    atomic_store(&driver->guard_asleep, 0);
}

/* Have the network until a worker wants it. */
static void hold(struct thsi_driver *driver)
{
    uint64_t deadline_ns;

    if (pthread_mutex_trylock(&driver->turn) != 0)
        return; /* a worker has come after all */
    atomic_store(&driver->held, 1);
    while (!is_stopped(driver) && !atomic_exchange(&driver->wanted, 0))
        if (!thsi_driver_step(&driver->task, &deadline_ns))
            thsi_driver_wait(driver, deadline_ns);
    atomic_store(&driver->held, 0);
    (void)pthread_mutex_unlock(&driver->turn);
}

void thsi_driver_run(struct thsi_task *task)
{
    struct thsi_driver *driver = (struct thsi_driver *)task;
    uint32_t seen = atomic_load(&driver->visits), visits;

    while (!is_stopped(driver)) {
        hold(driver);
        if (is_stopped(driver))
            break;
        driver->runtime->nudge(driver->runtime); /* whoever wanted it sleeps by now */
        do {
            seen = atomic_load(&driver->visits);
            guard(driver);
            visits = atomic_load(&driver->visits);
        } while (!is_stopped(driver) && (visits != seen || atomic_load(&driver->waits_inside)));
    }
    thsi_driver_enter(driver, THSI_DRIVER_STOPPED);
}

void thsi_driver_turn_init(struct thsi_driver *driver)
{
    (void)pthread_mutex_init(&driver->turn, NULL);
    driver->poller = (struct thsi_poller){ .begin = begin, .step = step, .wait = wait, .end = end, .poke = poke };
}
