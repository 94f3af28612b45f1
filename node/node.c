/* Node: puts the parts together and takes them apart in reverse. */

#include "node/node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/blocking.h"
#include "node/send.h"
#include "node/watchdog.h"

/* An end counted at the very moment when the node begins to stop may be told to nobody: an actor's end has no fence. */
static const uint64_t LOOK_AGAIN_NS = 50000000;

/* ---- Start ------------------------------------------------------------------------------ */

/* The name of the options, the environment or the host. False: none that is valid. */
static bool choose_name(struct ths_node *node, const struct ths_node_options *options)
{
    const char *name = options->name ? options->name : getenv("THIASOS_NAME");
    char host[THS_NAME_SIZE] = "";

    if (!name || !name[0]) {
        if (gethostname(host, sizeof host - 1) != 0)
            return false;
        name = host;
    }
    if (!thsi_name_valid(name) || strpbrk(name, ":/"))
        return false;
    (void)snprintf(node->name, sizeof node->name, "%s", name);
    return true;
}

static uint64_t draw_uid(struct ths_env *env)
{
    uint64_t uid = 0;

    while (uid == 0)
        env->random(env, &uid, sizeof uid);
    return uid;
}

static void init_shared(struct thsi_shared_ctx *shared, struct ths_node *node)
{
    (void)pthread_mutex_init(&shared->lock, NULL);
    thsi_pool_init(&shared->pool, &node->depot);
    shared->ctx.node = node;
    shared->ctx.pool = &shared->pool;
    shared->ctx.stats = &shared->stats;
    shared->ctx.until_stamp = 1;
    shared->ctx.lock = &shared->lock;
}

static void fini_shared(struct thsi_shared_ctx *shared)
{
    thsi_pool_fini(&shared->pool);
    (void)pthread_mutex_destroy(&shared->lock);
}

static unsigned count_workers(struct ths_node *node, const struct ths_node_options *options)
{
    unsigned workers = options->workers ? options->workers : node->exec->cpus(node->exec);

    return workers <= THSI_WORKERS_MAX ? workers : THSI_WORKERS_MAX;
}

static void fini_parts(struct ths_node *node)
{
    thsi_supervisors_fini(&node->supervisors, node->env);
    thsi_crashes_fini(&node->crashes, node->env);
    thsi_questions_fini(&node->questions);
    fini_shared(&node->network);
    fini_shared(&node->outside);
    thsi_holds_fini(&node->holds);
    thsi_inboxes_fini(&node->inboxes);
    thsi_names_fini(&node->behaviours);
    thsi_names_fini(&node->names);
    thsi_depot_fini(&node->depot);
    (void)pthread_mutex_destroy(&node->injector.lock);
    thsi_shares_fini(&node->shares);
    (void)pthread_mutex_destroy(&node->foreign_lock);
    (void)pthread_mutex_destroy(&node->waiters_lock);
    (void)node->env->memory(node->env, node->foreign, 0);
    (void)node->env->memory(node->env, node->exits, 0);
    (void)pthread_mutex_destroy(&node->cycles.lock);
    (void)pthread_mutex_destroy(&node->cancels.lock);
    thsi_ask_table_fini(&node->asks);
    thsi_table_fini(&node->table);
    (void)node->env->memory(node->env, node, 0);
}

static struct ths_node *create(struct thsi_exec *exec, struct ths_env *env, const struct ths_node_options *options)
{
    struct ths_node *node = env->memory(env, NULL, sizeof *node);

    if (!node)
        return NULL;
    memset((void *)node, 0, sizeof *node);
    node->env = env;
    node->exec = exec;
    node->uid = draw_uid(env);
    if (thsi_table_init(&node->table, env, options->actors_max) != THS_OK) {
        (void)env->memory(env, node, 0);
        return NULL;
    }
    thsi_ask_table_init(&node->asks, env);
    (void)pthread_mutex_init(&node->cancels.lock, NULL);
    (void)pthread_mutex_init(&node->cycles.lock, NULL);
    thsi_depot_init(&node->depot, env);
    thsi_injector_init(&node->injector);
    thsi_names_init(&node->names, env);
    thsi_names_init(&node->behaviours, env);
    thsi_holds_init(&node->holds, env);
    thsi_inboxes_init(&node->inboxes);
    thsi_supervisors_init(&node->supervisors);
    thsi_crashes_init(&node->crashes);
    thsi_questions_init(&node->questions);
    thsi_shares_init(&node->shares, env);
    (void)pthread_mutex_init(&node->foreign_lock, NULL);
    (void)pthread_mutex_init(&node->waiters_lock, NULL);
    init_shared(&node->outside, node);
    init_shared(&node->network, node);
    return node;
}

struct ths_node *ths_node_start_on(struct thsi_exec *exec, const struct ths_node_options *options)
{
    struct ths_env *env = options->env ? options->env : ths_env_os();
    struct ths_node *node = create(exec, env, options);
    const char *why = "memory is out";
    struct thsi_workers_options workers;
    enum ths_err err;

    if (!node)
        goto fail;
    if (!choose_name(node, options)) {
        why = "the name is not 1 to 63 of A-Z a-z 0-9 _ . -";
        goto fail_parts;
    }
    thsi_runtime_init(node);
    workers = (struct thsi_workers_options){
        .count = count_workers(node, options), .pin = options->pin_workers,
        .blocking_max = options->blocking_max ? options->blocking_max : THSI_BLOCKING_DEFAULT,
        .slice_ms = options->slice_ms, .stuck_ms = options->stuck_ms,
        .blocking_quiet_ms = options->blocking_quiet_ms,
    };
    err = thsi_workers_start(node, &workers);
    if (err == THS_OK)
        return node;
    why = err == THS_NOMEM ? "memory is out" : "a thread could not be started";

fail_parts:
    fini_parts(node);
fail:
    {
        const struct ths_log_line line = { .level = THS_LOG_ERROR, .wall_ms = env->wall_ms(env), .component = "node",
                                           .node = options->name ? options->name : "", .text = why };
        env->log(env, &line);
    }
    return NULL;
}

struct ths_node *ths_node_start(const struct ths_node_options *options)
{
    return ths_node_start_on(thsi_exec_os(), options);
}

const char *ths_node_name(const struct ths_node *node)
{
    return node->name;
}

uint64_t ths_node_uid(const struct ths_node *node)
{
    return node->uid;
}

/* ---- Stop ------------------------------------------------------------------------------- */

static void tell_one(struct ths_ctx *ctx, ths_ref whom, enum thsi_signal_kind kind)
{
    const struct thsi_signal signal = { .kind = kind, .to = whom, .id = THSI_EXIT_NODE_STOPS,
                                        .reason = THS_REASON_SHUTDOWN, .text = "the node stops" };

    (void)thsi_send_signal(ctx, &signal);
}

void thsi_tell_stopping(struct ths_ctx *ctx, ths_ref whom)
{
    tell_one(ctx, whom, THSI_EXIT);
}

/* Send @kind to every living actor. */
static void tell_all(struct ths_node *node, enum thsi_signal_kind kind)
{
    uint32_t used = thsi_table_used(&node->table);
    struct ths_ctx *ctx = &node->outside.ctx;

    for (uint32_t slot = 0; slot < used; slot++) {
        const struct thsi_actor *actor = thsi_table_at(&node->table, slot);
        /* Sequentially consistent: see ths_node_stop. */
        uint32_t generation = atomic_load_explicit(&actor->generation, memory_order_seq_cst);

        thsi_enter(ctx);
        tell_one(ctx, (ths_ref){ node->uid, slot, generation }, kind);
        thsi_leave(ctx);
    }
}

/* Spawns that looked at `stopping` before it was set are over when this returns. Those of handlers are no concern: the
 * spawner itself has not ended. */
static void let_spawns_finish(struct ths_node *node)
{
    struct ths_ctx *shared[] = { &node->outside.ctx, &node->network.ctx };

    for (int i = 0; i < 2; i++) {
        thsi_enter(shared[i]);
        thsi_leave(shared[i]);
    }
}

/* Wait until no actor is left, at most until @deadline_ns. */
static bool await_all_ended(struct ths_node *node, uint64_t deadline_ns)
{
    struct ths_node_stats stats;

    for (;;) {
        /* Before the counters are read: an end after this changes the word, and the park does not sleep. Who ends while it
         * does not yet see `stopping` does not change it; hence we look again after a while. */
        uint32_t seen = atomic_load_explicit(&node->ended_word, memory_order_seq_cst);
        uint64_t now_ns = thsi_now_ns(node);

        ths_node_stats(node, &stats);
        if (stats.actors == 0)
            return true;
        if (now_ns >= deadline_ns)
            return false;
        if (node->exec->drive)
            node->exec->drive(node->exec);
        else
            node->exec->park(node->exec, &node->ended_word, seen, now_ns,
                             deadline_ns - now_ns < LOOK_AGAIN_NS ? deadline_ns : now_ns + LOOK_AGAIN_NS);
    }
}

/* What nobody will ever take out: sent to actors when they had ended already. After the workers. */
static void drop_messages(struct ths_node *node)
{
    uint32_t used = thsi_table_used(&node->table);

    for (uint32_t slot = 0; slot < used; slot++) {
        struct thsi_actor *actor = thsi_table_at(&node->table, slot);
        struct thsi_message *message;

        (void)thsi_mailbox_claim(&actor->mailbox);
        while ((message = thsi_mailbox_pop(&actor->mailbox, &actor->tail)) != NULL)
            thsi_message_free(&node->outside.pool, message);
    }
}

void ths_node_stop(struct ths_node *node, unsigned grace_ms)
{
    if (!node)
        return;
    if (node->runtime.stopping)
        node->runtime.stopping(&node->runtime);
    /* Sequentially consistent, and so is the round's look at each generation: a spawn raises the generation and then looks at
     * `stopping`, so the round finds its actor, or it finds the round (Dekker). */
    atomic_store_explicit(&node->stopping, true, memory_order_seq_cst);
    let_spawns_finish(node);
    tell_all(node, THSI_EXIT);
    if (!await_all_ended(node, thsi_now_ns(node) + (uint64_t)grace_ms * 1000000u)) {
        /* Published by the kill orders that follow (thsi_orders_add releases, thsi_orders_obey acquires). */
        atomic_store_explicit(&node->killing, true, memory_order_seq_cst);
        tell_all(node, THSI_KILL);
        /* An actor ends at the end of its present handler; what else could be done about one that does not return? */
        (void)await_all_ended(node, UINT64_MAX);
    }
    if (node->runtime.stopped)
        node->runtime.stopped(&node->runtime);
    thsi_workers_join(node);
    drop_messages(node);
    thsi_workers_fini(node);
    fini_parts(node);
}

/* ---- Counters --------------------------------------------------------------------------- */

/* Acquire: see thsi_count. */
static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_acquire);
}

static void add_stats(struct ths_node_stats *sum, const struct thsi_stats *stats)
{
    /* Ended before spawned: so that an actor that comes and goes between the two cannot make the sum negative. */
    sum->ended += read_counter(&stats->ended);
    sum->crashed += read_counter(&stats->crashed);
    sum->restarted += read_counter(&stats->restarted);
    sum->messages += read_counter(&stats->messages);
    sum->steals += read_counter(&stats->steals);
    sum->parks += read_counter(&stats->parks);
    sum->wakes += read_counter(&stats->wakes);
    sum->crash_records_lost += read_counter(&stats->crash_records_lost);
    for (unsigned i = 0; i < THSI_ERRS; i++)
        sum->dead_letters[i] += read_counter(&stats->dead_letters[i]);
}

static void add_worker(void *sum, struct ths_ctx *ctx)
{
    add_stats(sum, ctx->stats);
}

static void add_spawned(void *sum, struct ths_ctx *ctx)
{
    *(uint64_t *)sum += read_counter(&ctx->stats->spawned);
}

void ths_node_stats(const struct ths_node *node, struct ths_node_stats *out)
{
    memset(out, 0, sizeof *out);
    add_stats(out, &node->outside.stats);
    add_stats(out, &node->network.stats);
    thsi_workers_each(node, add_worker, out);
    out->spawned = read_counter(&node->outside.stats.spawned) + read_counter(&node->network.stats.spawned);
    thsi_workers_each(node, add_spawned, &out->spawned);
    thsi_watchdog_stats(node, out);
    thsi_blocking_stats(node, out);
    out->actors = out->spawned - out->ended;
}
