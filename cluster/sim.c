/* The simulator's nodes, clock, memory and scheduler. The network is transport_sim.c.
 *
 * A task that said there is nothing to do is not asked again until something happened on its node: another task of it worked,
 * it was woken, a piece arrived, or its deadline came. When all tasks are that quiet the clock jumps. Every step that
 * worked takes STEP_NS, so that a node that is always busy does not stop time for the others. */

#include "thiasos/sim.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster_internal.h"
#include "cluster/transport_sim.h"
#include "node/base/prng.h"
#include "node/runtime.h"

enum {
    TASKS_MAX = 32, /* of one node */
    WORKERS = 2,    /* of one node: enough for all that more than one of them brings about */
    PORT = 7400
};

#define STEP_NS UINT64_C(200)
#define DRIVE_NS UINT64_C(10000000)           /* the farthest jump of the clock while somebody blocks */
#define EPOCH_MS UINT64_C(1767225600000)      /* 2026-01-01, when all stories begin */
#define STOP_GRACE_MS 2000

/* A block of a node's memory. They are kept in a list because a crash frees them all, without a word. */
struct block {
    _Alignas(16) struct block *prev;
    struct block *next;
};

struct sim_task {
    struct thsi_task *task;
    bool hot;             /* worth asking */
    uint64_t deadline_ns; /* if not hot: when it is again */
};

struct sim_node {
    struct ths_env env;   /* first */
    struct thsi_exec exec;
    struct ths_sim *sim;
    unsigned number;
    char name[16];
    struct ths_node *node; /* NULL: crashed */
    struct block *blocks;
    struct thsi_prng random;
    uint64_t boots;
    bool paused;
    bool doomed;           /* to crash when the present step is over */
    uint64_t seen_ns;      /* the network's deadline that made its tasks hot last */
    struct sim_task tasks[TASKS_MAX];
    unsigned tasks_count;
};

struct ths_sim {
    struct ths_sim_options options;
    uint64_t now_ns;
    uint64_t hash;
    struct thsi_prng picks, draws;
    struct thsi_simnet *net;
    bool stepping;
    char *story;
    size_t story_len, story_cap;
    char hash_text[17];
    struct sim_node *nodes; /* [0] is number 1 */
};

/* ---- The trace ------------------------------------------------------------------------------------------------------ */

static void trace(struct ths_sim *sim, uint64_t value)
{
    sim->hash = thsi_splitmix64(&sim->hash) ^ (value * UINT64_C(0x9e3779b97f4a7c15));
}

static void trace_bytes(struct ths_sim *sim, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a, eight bytes at a time */

    trace(sim, len);
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        sum = (sum ^ word) * UINT64_C(0x100000001b3);
        sum ^= sum >> 29;
    }
    for (; len > 0; len--)
        sum = (sum ^ *at++) * UINT64_C(0x100000001b3);
    trace(sim, sum);
}

static void taken(void *arg, unsigned host, unsigned from, const struct thsi_transport_event *event)
{
    struct ths_sim *sim = arg;

    trace(sim, (uint64_t)host << 32 | (uint64_t)from << 16 | (uint64_t)event->type << 1 | event->refused);
    trace(sim, event->link);
    trace(sim, sim->now_ns);
    trace_bytes(sim, event->data, event->len);
}

/* ---- The environment of a node -------------------------------------------------------------------------------------- */

static struct ths_sim *sim_of(struct ths_env *env)
{
    return ((struct sim_node *)env)->sim;
}

static uint64_t now_ns(struct ths_env *env)
{
    return sim_of(env)->now_ns;
}

static uint64_t wall_ms(struct ths_env *env)
{
    return EPOCH_MS + sim_of(env)->now_ns / 1000000;
}

static void fill_random(struct ths_env *env, void *out, size_t len)
{
    thsi_prng_fill(&((struct sim_node *)env)->random, out, len);
}

static void *memory(struct ths_env *env, void *ptr, size_t size)
{
    struct sim_node *node = (struct sim_node *)env;
    struct block *block = ptr ? (struct block *)ptr - 1 : NULL, *moved = NULL;

    if (block) { /* out of the list: it may move */
        *(block->prev ? &block->prev->next : &node->blocks) = block->next;
        if (block->next)
            block->next->prev = block->prev;
    }
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (size <= SIZE_MAX - sizeof *block)
        moved = realloc(block, size + sizeof *block);
    if (!moved && !block)
        return NULL;
    if (moved)
        block = moved;
    block->prev = NULL;
    block->next = node->blocks;
    if (block->next)
        block->next->prev = block;
    node->blocks = block;
    return moved ? moved + 1 : NULL;
}

static void log_line(struct ths_env *env, const struct ths_log_line *line)
{
    struct ths_sim *sim = sim_of(env);
    char text[1024];
    int len;

    len = snprintf(text, sizeof text, "[%llu] %s %s: %s\n", (unsigned long long)(sim->now_ns / 1000000), line->node,
                   line->component, line->text);
    if (len < 0)
        return;
    if ((size_t)len >= sizeof text) { /* cut, but still a line */
        len = (int)sizeof text - 1;
        text[len - 1] = '\n';
    }
    trace_bytes(sim, text, (size_t)len);
    if (line->level < THS_LOG_INFO)
        return;
    if (sim->story_len + (size_t)len + 1 > sim->story_cap) {
        size_t cap = 2 * sim->story_cap + sizeof text;
        char *grown = realloc(sim->story, cap);
        if (!grown)
            return;
        sim->story = grown;
        sim->story_cap = cap;
    }
    memcpy(sim->story + sim->story_len, text, (size_t)len + 1);
    sim->story_len += (size_t)len;
}

/* ---- The exec of a node --------------------------------------------------------------------------------------------- */

static struct sim_node *node_of(struct thsi_exec *exec)
{
    return (struct sim_node *)((char *)exec - offsetof(struct sim_node, exec));
}

static void heat(struct sim_node *node)
{
    for (unsigned i = 0; i < node->tasks_count; i++)
        node->tasks[i].hot = true;
}

static void heat_all(struct ths_sim *sim)
{
    for (unsigned i = 0; i < sim->options.nodes; i++)
        heat(&sim->nodes[i]);
}

static unsigned cpus(struct thsi_exec *exec)
{
    (void)exec;
    return WORKERS;
}

static enum ths_err start(struct thsi_exec *exec, struct thsi_task *task)
{
    struct sim_node *node = node_of(exec);

    if (node->tasks_count == TASKS_MAX)
        return THS_NOMEM;
    node->tasks[node->tasks_count++] = (struct sim_task){ task, true, 0 };
    return THS_OK;
}

static void join(struct thsi_exec *exec, struct thsi_task *task)
{
    struct sim_node *node = node_of(exec);
    unsigned i = 0;

    while (i < node->tasks_count && node->tasks[i].task != task)
        i++;
    if (i == node->tasks_count)
        return;
    node->tasks_count--;
    memmove(&node->tasks[i], &node->tasks[i + 1], (node->tasks_count - i) * sizeof node->tasks[0]);
}

static void park(struct thsi_exec *exec, _Atomic uint32_t *word, uint32_t expected, uint64_t now, uint64_t deadline)
{
    (void)exec;
    (void)word;
    (void)expected;
    (void)now;
    (void)deadline;
}

static void wake(struct thsi_exec *exec, _Atomic uint32_t *word)
{
    (void)word;
    heat(node_of(exec));
}

static void node_crash(struct sim_node *node)
{
    struct block *block;

    node->doomed = false;
    if (!node->node)
        return;
    trace(node->sim, node->number);
    node->node = NULL;
    node->tasks_count = 0;
    thsi_simnet_crash(node->sim->net, node->number);
    while ((block = node->blocks)) { /* As the kernel does it: no code of the node runs any more. */
        node->blocks = block->next;
        free(block);
    }
}

/* ---- The scheduler -------------------------------------------------------------------------------------------------- */

enum ran { NOTHING, ASKED, WORKED };

/* Make hot what has become due. Returns how many tasks are hot, and when the next one becomes so. */
static unsigned look(struct ths_sim *sim, uint64_t *next_ns)
{
    unsigned hot = 0;

    *next_ns = UINT64_MAX;
    for (unsigned i = 0; i < sim->options.nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        uint64_t arrival;
        if (node->paused || node->tasks_count == 0)
            continue;
        arrival = thsi_simnet_deadline_ns(sim->net, node->number);
        if (arrival <= sim->now_ns && arrival != node->seen_ns) {
            node->seen_ns = arrival; /* Once: a node need not take what comes for it. */
            heat(node);
        } else if (arrival > sim->now_ns && arrival < *next_ns) {
            *next_ns = arrival;
        }
        for (unsigned k = 0; k < node->tasks_count; k++) {
            struct sim_task *task = &node->tasks[k];
            task->hot = task->hot || task->deadline_ns <= sim->now_ns;
            hot += task->hot;
            if (!task->hot && task->deadline_ns < *next_ns)
                *next_ns = task->deadline_ns;
        }
    }
    return hot;
}

static struct sim_task *hot_task(struct ths_sim *sim, uint64_t which, struct sim_node **owner)
{
    for (unsigned i = 0; i < sim->options.nodes; i++) {
        struct sim_node *node = &sim->nodes[i];
        for (unsigned k = 0; !node->paused && k < node->tasks_count; k++) {
            if (node->tasks[k].hot && which-- == 0) {
                *owner = node;
                return &node->tasks[k];
            }
        }
    }
    abort(); /* `look` counted it */
}

/* Ask one task, or let the clock jump, to @limit_ns at most. NOTHING: the limit is reached, or nothing will ever happen. */
static enum ran run_one(struct ths_sim *sim, uint64_t limit_ns)
{
    uint64_t next_ns, deadline_ns = UINT64_MAX;
    unsigned hot;
    struct sim_node *node;
    struct sim_task *task;
    bool worked;

    while ((hot = look(sim, &next_ns)) == 0) {
        if (next_ns > limit_ns || next_ns == UINT64_MAX) {
            if (limit_ns != UINT64_MAX && sim->now_ns < limit_ns)
                sim->now_ns = limit_ns;
            return NOTHING;
        }
        sim->now_ns = next_ns;
    }
    if (sim->now_ns >= limit_ns)
        return NOTHING;
    task = hot_task(sim, thsi_prng_below(&sim->picks, hot), &node);
    task->hot = false;
    task->deadline_ns = UINT64_MAX;
    trace(sim, (uint64_t)node->number << 32 | (uint64_t)(task - node->tasks));
    trace(sim, sim->now_ns);
    sim->stepping = true;
    worked = task->task->step(task->task, &deadline_ns);
    sim->stepping = false;
    trace(sim, worked);
    if (worked) {
        sim->now_ns += STEP_NS;
        heat(node);
    } else { /* A deadline that has passed already would stop the clock. */
        task->deadline_ns = deadline_ns > sim->now_ns ? deadline_ns : sim->now_ns + 1000;
    }
    for (unsigned i = 0; i < sim->options.nodes; i++) {
        if (sim->nodes[i].doomed)
            node_crash(&sim->nodes[i]);
    }
    return worked ? WORKED : ASKED;
}

static void drive(struct thsi_exec *exec)
{
    struct sim_node *node = node_of(exec);
    struct ths_sim *sim = node->sim;
    uint64_t begin = sim->now_ns;

    heat(node); /* What it waits for may have been ordered from outside. */
    while (run_one(sim, begin + DRIVE_NS) == ASKED && sim->now_ns == begin) {
    }
}

/* ---- Nodes ---------------------------------------------------------------------------------------------------------- */

static bool node_join(struct sim_node *node)
{
    struct ths_sim *sim = node->sim;
    struct thsi_transport *transport = thsi_simnet_transport(sim->net, node->number);
    char bind[64], why[256] = "";
    struct ths_cluster_options options = { .bind = bind, .advertise = bind + 6, .seeds = "nodes:7400", .cluster = "sim",
                                           .scopes = "default" };
    enum ths_err err;

    if (!transport)
        return false;
    (void)snprintf(bind, sizeof bind, "tcp://127.0.0.%u:%d", node->number, PORT);
    options.roles = sim->options.roles ? sim->options.roles(node->number) : "";
    if (!options.roles)
        options.roles = "";
    if (sim->options.joins)
        sim->options.joins(node->number, &options);
    err = thsi_cluster_join_on(node->node, &options, transport, why, sizeof why);
    if (err != THS_OK) {
        transport->destroy(transport);
        (void)fprintf(stderr, "sim: %s does not join: %s: %s\n", node->name, ths_err_text(err), why);
    }
    return err == THS_OK;
}

static bool node_boot(struct sim_node *node)
{
    struct ths_sim *sim = node->sim;
    struct ths_node_options options = { .name = node->name, .workers = WORKERS, .env = &node->env };

    node->boots++;
    node->seen_ns = UINT64_MAX;
    thsi_prng_init(&node->random, sim->options.seed, (uint64_t)node->number << 32 | node->boots);
    node->node = ths_node_start_on(&node->exec, &options);
    if (!node->node)
        return false;
    if (!sim->options.alone && !node_join(node)) {
        ths_node_stop(node->node, 0);
        node->node = NULL;
        return false;
    }
    if (sim->options.setup)
        sim->options.setup(node->node, node->number, sim->options.arg);
    return true;
}

static struct sim_node *numbered(struct ths_sim *sim, unsigned number)
{
    assert(number >= 1 && number <= sim->options.nodes);
    return &sim->nodes[number - 1];
}

struct ths_node *ths_sim_node(struct ths_sim *sim, unsigned number)
{
    return numbered(sim, number)->node;
}

void ths_sim_crash(struct ths_sim *sim, unsigned number)
{
    struct sim_node *node = numbered(sim, number);

    if (sim->stepping)
        node->doomed = true;
    else
        node_crash(node);
}

void ths_sim_restart(struct ths_sim *sim, unsigned number)
{
    assert(!sim->stepping);
    node_crash(numbered(sim, number));
    if (!node_boot(numbered(sim, number)))
        abort(); /* out of memory */
}

void ths_sim_pause(struct ths_sim *sim, unsigned number, bool on)
{
    numbered(sim, number)->paused = on;
}

void ths_sim_cut(struct ths_sim *sim, unsigned a, unsigned b)
{
    (void)numbered(sim, a);
    (void)numbered(sim, b);
    thsi_simnet_cut(sim->net, a, b);
}

void ths_sim_break(struct ths_sim *sim, unsigned a, unsigned b)
{
    (void)numbered(sim, a);
    (void)numbered(sim, b);
    thsi_simnet_break(sim->net, a, b);
}

void ths_sim_heal(struct ths_sim *sim, unsigned a, unsigned b)
{
    (void)numbered(sim, a);
    (void)numbered(sim, b);
    thsi_simnet_heal(sim->net, a, b);
}

/* ---- Running -------------------------------------------------------------------------------------------------------- */

bool ths_sim_run_until(struct ths_sim *sim, uint64_t ms, bool (*until)(void *arg), void *arg)
{
    uint64_t end = sim->now_ns + ms * 1000000;
    enum ran ran;

    if (until && until(arg))
        return true;
    heat_all(sim); /* The caller may have sent or spawned something. */
    while ((ran = run_one(sim, end)) != NOTHING) {
        if (ran == WORKED && until && until(arg))
            return true;
    }
    if (sim->now_ns < end)
        sim->now_ns = end;
    return until && until(arg);
}

bool ths_sim_step(struct ths_sim *sim)
{
    enum ran ran;

    heat_all(sim);
    while ((ran = run_one(sim, UINT64_MAX)) == ASKED) {
    }
    return ran == WORKED;
}

uint64_t ths_sim_now_ms(const struct ths_sim *sim)
{
    return sim->now_ns / 1000000;
}

uint64_t ths_sim_random(struct ths_sim *sim, uint64_t below)
{
    return thsi_prng_below(&sim->draws, below);
}

const char *ths_sim_trace_hash(struct ths_sim *sim)
{
    (void)snprintf(sim->hash_text, sizeof sim->hash_text, "%016llx", (unsigned long long)sim->hash);
    return sim->hash_text;
}

const char *ths_sim_story(struct ths_sim *sim)
{
    return sim->story ? sim->story : "";
}

/* ---- Life ----------------------------------------------------------------------------------------------------------- */

static void node_init(struct sim_node *node, struct ths_sim *sim, unsigned number)
{
    node->env = (struct ths_env){ now_ns, wall_ms, fill_random, memory, log_line };
    node->exec = (struct thsi_exec){ .cpus = cpus, .start = start, .join = join, .park = park, .wake = wake, .drive = drive };
    node->sim = sim;
    node->number = number;
    (void)snprintf(node->name, sizeof node->name, "n%u", number);
}

struct ths_sim *ths_sim_create_with(const struct ths_sim_options *options)
{
    struct thsi_simnet_options net = { 0 };
    struct ths_sim *sim = calloc(1, sizeof *sim);
    unsigned min_us = options->delay_us_min ? options->delay_us_min : 100;
    unsigned max_us = options->delay_us_max ? options->delay_us_max : 2000;

    assert(options->nodes >= 1 && options->nodes <= THSI_SIM_HOSTS_MAX);
    if (!sim)
        return NULL;
    sim->options = *options;
    sim->now_ns = 1000000000; /* Zero is too easily taken for "never". */
    thsi_prng_init(&sim->picks, options->seed, 1);
    thsi_prng_init(&sim->draws, options->seed, 2);
    net.hosts = options->nodes;
    net.seed = options->seed;
    net.delay_ns_min = (uint64_t)min_us * 1000;
    net.delay_ns_max = (uint64_t)(max_us > min_us ? max_us : min_us) * 1000;
    net.now_ns = &sim->now_ns;
    net.taken = taken;
    net.arg = sim;
    sim->net = thsi_simnet_create(&net);
    sim->nodes = calloc(options->nodes, sizeof *sim->nodes);
    if (!sim->net || !sim->nodes)
        goto failed;
    for (unsigned i = 0; i < options->nodes; i++)
        node_init(&sim->nodes[i], sim, i + 1);
    for (unsigned i = 0; i < options->nodes; i++) {
        if (!node_boot(&sim->nodes[i]))
            goto failed;
    }
    return sim;

failed:
    ths_sim_destroy(sim);
    return NULL;
}

void ths_sim_destroy(struct ths_sim *sim)
{
    if (!sim)
        return;
    for (unsigned a = 1; sim->nodes && a <= sim->options.nodes; a++) { /* Let them say goodbye. */
        for (unsigned b = 1; b < a; b++)
            thsi_simnet_heal(sim->net, a, b);
        sim->nodes[a - 1].paused = false;
    }
    for (unsigned i = 0; sim->nodes && i < sim->options.nodes; i++) {
        struct ths_node *node = sim->nodes[i].node;
        ths_node_stop(node, STOP_GRACE_MS); /* What it has not freed by then is left to the leak checker. */
        sim->nodes[i].node = NULL;
        sim->nodes[i].tasks_count = 0;
    }
    thsi_simnet_destroy(sim->net);
    free(sim->nodes);
    free(sim->story);
    free(sim);
}
