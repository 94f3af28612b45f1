/* The search: depth first, each state saved before it is left and restored for its next way on. */

#include "tests/model/explorer.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum {
    STACK = 32768,   /* of a fiber */
    BELOW = 256,     /* of the frame that switches, saved with what lies above it */
    STORES_MAX = 4,  /* in one buffer; with more, the next waits */
    WAYS_MAX = MODEL_FIBERS_MAX * (1 + STORES_MAX)
};

struct store {
    volatile void *at;
    uint64_t value;
    uint8_t size;
    bool release, consistent, holds; /* holds: of a read-modify-write */
};

/* What must be before an operation may be done. */
struct needs {
    bool room;                 /* its own buffer takes one more */
    bool all_out;              /* its own buffer is empty */
    bool consistent_out;       /* its own sequentially consistent stores are out */
    const volatile void *place; /* its own stores there are out, and no other fiber's read-modify-write holds it */
    const volatile void *lock; /* it is free */
    bool everybody_out;        /* all buffers are empty */
};

/* All of it belongs to the state. */
struct fiber {
    jmp_buf registers;
    uintptr_t top;              /* the lowest address of its stack that matters */
    const char *function, *operation; /* before which it stands */
    struct needs needs;
    const volatile void *sleeps_on;
    bool done;
    unsigned count;
    struct store stores[STORES_MAX];
};

/* One way on: fiber 0..3 does its operation, or its store number `store` - 1 leaves the buffer. */
struct way {
    uint8_t fiber, store;
};

struct frame {
    uint8_t *saved;
    size_t saved_size;
    struct way ways[WAYS_MAX];
    unsigned count, next;
    uint32_t state;
};

/* A state that was entered, and the way on which it was first. */
struct state {
    uint64_t hash;
    const char *function, *operation;
    uint32_t from;
    uint8_t fiber;
    bool ends, hopeful; /* hopeful: some way leads to an end */
};

struct edge {
    uint32_t from, to;
};

static _Alignas(64) uint8_t stacks[MODEL_FIBERS_MAX][STACK];
static struct fiber fibers[MODEL_FIBERS_MAX];
static const struct model *model;
static const struct model_mutant *mutant;
static struct model_result *result;
static unsigned running;
static jmp_buf explorer;
static struct frame *frames;
static size_t frames_count, frames_cap;

/* ---- States seen --------------------------------------------------------------------------------------------------- */

static struct state *states;
static struct edge *edges;
static uint32_t *buckets;  /* 1 + index into states, by hash */
static size_t states_count, states_cap, edges_count, edges_cap, buckets_cap;

/* Room for one more in an array that grows. */
static void *grown(void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return array;
    *cap = *cap ? 2 * *cap : 1 << 12;
    array = realloc(array, *cap * size);
    if (!array)
        abort();
    return array;
}

static void insert(uint64_t hash, uint32_t index)
{
    size_t at = (size_t)hash & (buckets_cap - 1);

    while (buckets[at])
        at = (at + 1) & (buckets_cap - 1);
    buckets[at] = index + 1;
}

static void rehash(void)
{
    free(buckets);
    buckets_cap = buckets_cap ? 2 * buckets_cap : 1 << 14;
    buckets = calloc(buckets_cap, sizeof buckets[0]);
    if (!buckets)
        abort();
    for (size_t i = 0; i < states_count; i++)
        insert(states[i].hash, (uint32_t)i);
}

/* The state with @hash; *@fresh: it is new. */
static uint32_t note(uint64_t hash, bool *fresh)
{
    *fresh = false;
    if (buckets_cap == 0)
        rehash();
    for (size_t at = (size_t)hash & (buckets_cap - 1); buckets[at]; at = (at + 1) & (buckets_cap - 1))
        if (states[buckets[at] - 1].hash == hash)
            return buckets[at] - 1;
    *fresh = true;
    states = grown(states, states_count, &states_cap, sizeof states[0]);
    states[states_count] = (struct state){ .hash = hash };
    states_count++;
    if (states_count * 2 >= buckets_cap)
        rehash();
    else
        insert(hash, (uint32_t)states_count - 1);
    return (uint32_t)states_count - 1;
}

static void connect(uint32_t from, uint32_t to)
{
    edges = grown(edges, edges_count, &edges_cap, sizeof edges[0]);
    edges[edges_count++] = (struct edge){ from, to };
}

static void forget_all(void)
{
    free(states);
    free(edges);
    free(buckets);
    states = NULL;
    edges = NULL;
    buckets = NULL;
    states_count = states_cap = edges_count = edges_cap = buckets_cap = 0;
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t word;

    for (; size >= 8; at += 8, size -= 8) {
        memcpy(&word, at, 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, at, size);
    hash = (hash ^ word) * UINT64_C(0xbf58476d1ce4e5b9);
    return hash ^ hash >> 32;
}

/* ---- Saving and restoring ------------------------------------------------------------------------------------------ */

/* Region number @at: the world, then the others. False: there is none. */
static bool region(unsigned at, struct model_region *out)
{
    *out = at == 0 ? (struct model_region){ model->world, model->world_size }
           : model->also ? model->also[at - 1] : (struct model_region){ NULL, 0 };
    return out->size > 0;
}

static size_t stack_size(unsigned fiber)
{
    return fibers[fiber].done ? 0 : (uintptr_t)(stacks[fiber] + STACK) - fibers[fiber].top;
}

static uint64_t hash_state(void)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    struct model_region part;

    for (unsigned i = 0; region(i, &part); i++)
        hash = mix(hash, part.at, part.size);
    for (unsigned i = 0; i < model->fibers; i++) {
        const struct fiber *fiber = &fibers[i];

        if (!fiber->done)
            hash = mix(hash, stacks[i] + STACK - stack_size(i), stack_size(i));
        hash = mix(hash, fiber, sizeof *fiber);
    }
    return hash;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

static void save(struct frame *frame)
{
    struct model_region part;
    uint8_t *at;

    frame->saved_size = sizeof fibers;
    for (unsigned i = 0; region(i, &part); i++)
        frame->saved_size += part.size;
    for (unsigned i = 0; i < model->fibers; i++)
        frame->saved_size += stack_size(i);
    frame->saved = at = malloc(frame->saved_size);
    assert(at);
    for (unsigned i = 0; region(i, &part); i++)
        at = put(at, part.at, part.size);
    at = put(at, fibers, sizeof fibers);
    for (unsigned i = 0; i < model->fibers; i++)
        at = put(at, stacks[i] + STACK - stack_size(i), stack_size(i));
}

static void restore(const struct frame *frame)
{
    const uint8_t *at = frame->saved;
    struct model_region part;

    for (unsigned i = 0; region(i, &part); i++) {
        memcpy(part.at, at, part.size);
        at += part.size;
    }
    memcpy(fibers, at, sizeof fibers);
    at += sizeof fibers;
    for (unsigned i = 0; i < model->fibers; i++) {
        memcpy(stacks[i] + STACK - stack_size(i), at, stack_size(i));
        at += stack_size(i);
    }
}

/* ---- Fibers -------------------------------------------------------------------------------------------------------- */

/* Let the explorer choose. Nothing of this frame but what lies above its address is needed again. */
__attribute__((noinline)) static void pause_fiber(void)
{
    struct fiber *fiber = &fibers[running];

    fiber->top = (uintptr_t)__builtin_frame_address(0) - BELOW;
    assert(fiber->top > (uintptr_t)stacks[running]);
    if (_setjmp(fiber->registers) == 0)
        _longjmp(explorer, 1);
}

/* The fiber stands before @operation, and goes on when its needs are met. */
static void stand(const char *function, const char *operation, struct needs needs)
{
    struct fiber *fiber = &fibers[running];

    fiber->function = function;
    fiber->operation = operation;
    memcpy(&fiber->needs, &needs, sizeof needs);
    pause_fiber();
}

#define NO_NEEDS (struct needs){ .room = false }
#define NEEDS_ROOM (struct needs){ .room = true }

static void finish(void)
{
    fibers[running].done = true;
    _longjmp(explorer, 1);
}

static void enter(void)
{
    stand("begin", "", NO_NEEDS);
    model->body(running);
    stand("end", "", NO_NEEDS);
    finish();
}

static void start(unsigned fiber)
{
    ucontext_t context;

    memset(&fibers[fiber], 0, sizeof fibers[fiber]);
    memset(stacks[fiber], 0, STACK);
    running = fiber;
    if (getcontext(&context) != 0)
        abort();
    context.uc_stack.ss_sp = stacks[fiber];
    context.uc_stack.ss_size = STACK;
    context.uc_link = NULL;
    makecontext(&context, enter, 0);
    if (_setjmp(explorer) == 0)
        (void)setcontext(&context);
}

void model_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(result->why, sizeof result->why, format, args);
    va_end(args);
    result->violated = true;
    finish();
    abort();
}

bool model_sleeps(unsigned fiber)
{
    return fibers[fiber].sleeps_on != NULL;
}

/* ---- Memory -------------------------------------------------------------------------------------------------------- */

static uint64_t read_memory(const volatile void *at, size_t size)
{
    uint64_t value = 0;

    memcpy(&value, (const void *)(uintptr_t)at, size);
    return value;
}

static void write_memory(volatile void *at, size_t size, uint64_t value)
{
    memcpy((void *)(uintptr_t)at, &value, size);
}

/* Store number @at of @fiber becomes visible. */
static void let_out(struct fiber *fiber, unsigned at)
{
    const struct store *store = &fiber->stores[at];

    write_memory(store->at, store->size, store->value);
    fiber->count--;
    memmove(&fiber->stores[at], &fiber->stores[at + 1], (fiber->count - at) * sizeof fiber->stores[0]);
    memset(&fiber->stores[fiber->count], 0, sizeof fiber->stores[0]);
}

/* Whether another fiber's read-modify-write holds @at. */
static bool is_held(unsigned fiber, const volatile void *at)
{
    for (unsigned i = 0; i < model->fibers; i++)
        for (unsigned k = 0; i != fiber && k < fibers[i].count; k++)
            if (fibers[i].stores[k].holds && fibers[i].stores[k].at == at)
                return true;
    return false;
}

static bool may_leave(unsigned number, unsigned at)
{
    const struct fiber *fiber = &fibers[number];
    const struct store *store = &fiber->stores[at];

    if (is_held(number, store->at))
        return false;
    for (unsigned i = 0; i < at; i++)
        if (store->release || fiber->stores[i].at == store->at)
            return false;
    return true;
}

/* Whether the buffer of the fiber has nothing left of a kind: of a place, sequentially consistent, or anything. */
static bool is_out(const struct fiber *fiber, bool consistent_only, const volatile void *at)
{
    for (unsigned i = 0; i < fiber->count; i++)
        if (at ? fiber->stores[i].at == at : !consistent_only || fiber->stores[i].consistent)
            return false;
    return true;
}

static bool is_mutated(const char *function, const char *operation, enum model_mutation mutation)
{
    return mutant && mutant->function && mutant->mutation == mutation && strcmp(mutant->function, function) == 0 &&
           strcmp(mutant->operation, operation) == 0;
}

static int order_of(const char *function, const char *operation, int order)
{
    return is_mutated(function, operation, MODEL_RELAX) ? (int)memory_order_relaxed : order;
}

static bool releases(int order)
{
    return order == (int)memory_order_release || order == (int)memory_order_acq_rel || order == (int)memory_order_seq_cst;
}

static void buffer(volatile void *at, size_t size, uint64_t value, int order, bool holds)
{
    struct fiber *fiber = &fibers[running];

    if (model->memory == MODEL_SC) {
        write_memory(at, size, value);
        return;
    }
    fiber->stores[fiber->count++] = (struct store){ at, value, (uint8_t)size, releases(order),
                                                    order == (int)memory_order_seq_cst, holds };
}

static uint64_t load(const volatile void *at, size_t size)
{
    const struct fiber *fiber = &fibers[running];

    for (unsigned i = fiber->count; i-- > 0;)
        if (fiber->stores[i].at == at)
            return fiber->stores[i].value;
    return read_memory(at, size);
}

uint64_t model_load(const volatile void *at, size_t size, int order, const char *function)
{
    stand(function, "load", (struct needs){ .consistent_out = order_of(function, "load", order) == (int)memory_order_seq_cst });
    return load(at, size);
}

void model_store(volatile void *at, size_t size, uint64_t value, int order, const char *function)
{
    stand(function, "store", NEEDS_ROOM);
    if (!is_mutated(function, "store", MODEL_SKIP))
        buffer(at, size, value, order_of(function, "store", order), false);
}

static uint64_t apply(const char *operation, uint64_t old, uint64_t operand)
{
    switch (operation[0]) {
    case 'e': return operand;
    case 's': return old - operand;
    case 'o': return old | operand;
    default: return operation[1] == 'd' ? old + operand : old & operand;
    }
}

static void stand_before_update(volatile void *at, int order, const char *function, const char *operation)
{
    stand(function, operation, (struct needs){ .room = true, .place = at, .consistent_out = order == (int)memory_order_seq_cst });
}

uint64_t model_update(volatile void *at, size_t size, const char *operation, uint64_t operand, int order, const char *function)
{
    uint64_t old;

    order = order_of(function, operation, order);
    stand_before_update(at, order, function, operation);
    old = load(at, size);
    if (is_mutated(function, operation, MODEL_SPLIT)) {
        stand(function, "the store of its halves", NEEDS_ROOM);
        buffer(at, size, apply(operation, old, operand), order, false);
    } else if (!is_mutated(function, operation, MODEL_SKIP)) {
        buffer(at, size, apply(operation, old, operand), order, true);
    }
    return old;
}

bool model_cas(volatile void *at, size_t size, uint64_t *expected, uint64_t desired, int order, const char *function)
{
    uint64_t old;

    order = order_of(function, "cas", order);
    stand_before_update(at, order, function, "cas");
    old = load(at, size);
    if (old != *expected) {
        *expected = old;
        return false;
    }
    if (is_mutated(function, "cas", MODEL_SPLIT)) {
        stand(function, "the store of its halves", NEEDS_ROOM);
        buffer(at, size, desired, order, false);
    } else {
        buffer(at, size, desired, order, true);
    }
    return true;
}

int model_lock(void *mutex, const char *function)
{
    stand(function, "lock", (struct needs){ .place = mutex, .lock = mutex });
    write_memory(mutex, 4, 1);
    return 0;
}

int model_unlock(void *mutex, const char *function)
{
    stand(function, "unlock", NEEDS_ROOM);
    buffer(mutex, 4, 0, (int)memory_order_release, false);
    return 0;
}

void model_sleep(const volatile void *word, uint32_t expected)
{
    stand("futex", "wait", (struct needs){ .all_out = true });
    if (read_memory(word, 4) != expected)
        return;
    fibers[running].sleeps_on = word;
    pause_fiber();
}

void model_wake(const volatile void *word)
{
    stand("futex", "wake", (struct needs){ .all_out = true });
    for (unsigned i = 0; i < model->fibers; i++)
        if (fibers[i].sleeps_on == word)
            fibers[i].sleeps_on = NULL;
}

void model_barrier(const char *function)
{
    /* One that is left out is a step all the same. */
    stand(function, "barrier", (struct needs){ .everybody_out = !is_mutated(function, "barrier", MODEL_SKIP) });
}

/* ---- The search ---------------------------------------------------------------------------------------------------- */

static bool may_go_on(unsigned number)
{
    const struct fiber *fiber = &fibers[number];
    const struct needs *needs = &fiber->needs;

    if (fiber->done || fiber->sleeps_on)
        return false;
    if ((needs->all_out && !is_out(fiber, false, NULL)) || (needs->consistent_out && !is_out(fiber, true, NULL)))
        return false;
    for (unsigned i = 0; needs->everybody_out && i < model->fibers; i++)
        if (!is_out(&fibers[i], false, NULL))
            return false;
    if (needs->place && (!is_out(fiber, false, needs->place) || is_held(number, needs->place)))
        return false;
    if (needs->room && fiber->count == STORES_MAX)
        return false;
    return !needs->lock || read_memory(needs->lock, 4) == 0;
}

/* The ways on from the present state. */
static void list_ways(struct frame *frame)
{
    frame->count = frame->next = 0;
    for (unsigned i = 0; i < model->fibers; i++) {
        if (may_go_on(i))
            frame->ways[frame->count++] = (struct way){ (uint8_t)i, 0 };
        for (unsigned k = 0; k < fibers[i].count; k++)
            if (may_leave(i, k))
                frame->ways[frame->count++] = (struct way){ (uint8_t)i, (uint8_t)(k + 1) };
    }
}

static struct frame *push_frame(void)
{
    frames = grown(frames, frames_count, &frames_cap, sizeof frames[0]);
    return &frames[frames_count++];
}

/* The present state, number @state, is new: make it the top of the search. */
static void open_state(uint32_t state)
{
    struct frame *frame = push_frame();

    frame->state = state;
    list_ways(frame);
    save(frame);
    if (frames_count > result->depth)
        result->depth = frames_count;
    if (frame->count == 0) {
        const char *wrong = model->end();

        result->ends++;
        states[state].ends = true;
        if (wrong && !result->violated) {
            result->violated = true;
            (void)snprintf(result->why, sizeof result->why, "%s", wrong);
        }
    }
}

static void take(struct way way)
{
    running = way.fiber;
    if (way.store)
        let_out(&fibers[way.fiber], way.store - 1u);
    else if (_setjmp(explorer) == 0)
        _longjmp(fibers[way.fiber].registers, 1);
}

/* Take the next way on from the top frame. Returns whether it led to a new state. */
static bool advance(bool at_top)
{
    struct frame *frame = &frames[frames_count - 1];
    struct way way = frame->ways[frame->next++];
    uint32_t from = frame->state, to;
    const char *function, *operation;
    bool fresh;

    if (!at_top)
        restore(frame);
    function = way.store ? "store" : fibers[way.fiber].function;
    operation = way.store ? "leaves the buffer" : fibers[way.fiber].operation;
    take(way);
    to = note(hash_state(), &fresh);
    connect(from, to);
    if (fresh) {
        states[to].from = from;
        states[to].function = function;
        states[to].operation = operation;
        states[to].fiber = way.fiber;
        open_state(to);
    }
    result->at = to;
    return fresh;
}

static void search(void)
{
    bool fresh;
    bool at_top = true; /* the present state is the top frame's */

    open_state(note(hash_state(), &fresh));
    while (frames_count > 0 && !result->violated && states_count <= model->states_max) {
        struct frame *frame = &frames[frames_count - 1];

        if (frame->next < frame->count) {
            at_top = advance(at_top);
        } else {
            free(frame->saved);
            frames_count--;
            at_top = false;
        }
    }
    result->complete = frames_count == 0;
    result->states = states_count;
}

/* ---- What it showed ------------------------------------------------------------------------------------------------ */

/* Every state must be able to reach an end: else some fibers retry for ever. */
static void look_for_livelock(void)
{
    bool changed = true;

    for (size_t i = 0; i < states_count; i++)
        states[i].hopeful = states[i].ends;
    while (changed) {
        changed = false;
        for (size_t i = edges_count; i-- > 0;) {
            if (states[edges[i].to].hopeful && !states[edges[i].from].hopeful)
                states[edges[i].from].hopeful = changed = true;
        }
    }
    for (size_t i = 0; i < states_count; i++) {
        if (!states[i].hopeful) {
            result->violated = true;
            result->at = (uint32_t)i;
            (void)snprintf(result->why, sizeof result->why, "from here on there is no end: retries for ever");
            return;
        }
    }
}

static void tell_path(void)
{
    uint32_t way[512];
    size_t used = 0;
    unsigned count = 0;

    for (uint32_t at = result->at; at != 0 && count < 512; at = states[at].from)
        way[count++] = at;
    while (count-- > 0 && used + 96 < sizeof result->path)
        used += (size_t)snprintf(result->path + used, sizeof result->path - used, "    %u: %.40s %.40s\n",
                                 states[way[count]].fiber, states[way[count]].function, states[way[count]].operation);
}

void model_explore(const struct model *of, const struct model_mutant *with, struct model_result *out)
{
    struct model_region part;

    model = of;
    mutant = with;
    result = out;
    memset(result, 0, sizeof *result);
    for (unsigned i = 0; region(i, &part); i++)
        memset(part.at, 0, part.size);
    model->init(model->plan);
    for (unsigned i = 0; i < model->fibers; i++)
        start(i);
    search();
    if (result->complete && !result->violated)
        look_for_livelock();
    if (result->violated)
        tell_path();
    while (frames_count > 0)
        free(frames[--frames_count].saved);
    free(frames);
    frames = NULL;
    frames_cap = 0;
    forget_all();
}
