#include "node/alloc.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "thiasos/memory.h"

/* A block of the pool; the bytes that the handler sees follow. */
struct thsi_heap_block {
    alignas(max_align_t) struct thsi_heap_block *next;
    struct thsi_heap_block **at; /* what points to this one */
    uint8_t reserved;
    uint8_t size_class;          /* where a block has it (pool.h) */
    size_t size;
};

_Static_assert(offsetof(struct thsi_heap_block, size_class) == THSI_POOL_CLASS_OFFSET, "as in every block of a pool");

static struct thsi_heap_block *block_of(void *bytes)
{
    return (struct thsi_heap_block *)bytes - 1;
}

/* ---- Blocks ----------------------------------------------------------------------------- */

static void put_in(struct thsi_heap *heap, struct thsi_heap_block *block)
{
    block->next = heap->blocks;
    block->at = &heap->blocks;
    if (block->next)
        block->next->at = &block->next;
    heap->blocks = block;
}

static void take_out(struct thsi_heap_block *block)
{
    *block->at = block->next;
    if (block->next)
        block->next->at = block->at;
}

/* Whether @more bytes are within the limit; else the actor ends. */
static bool charge(struct ths_ctx *ctx, struct thsi_heap *heap, size_t more)
{
    char text[THS_REASON_TEXT_SIZE];

    if (heap->limit == 0 || (more <= heap->limit && heap->used <= heap->limit - more))
        return true;
    (void)snprintf(text, sizeof text, "wants %zu bytes beside %zu, has a limit of %zu", more, heap->used, heap->limit);
    thsi_wish_end(ctx, THS_REASON_QUOTA, text);
    return false;
}

static void free_block(struct ths_ctx *ctx, struct thsi_heap_block *block)
{
    thsi_pool_put(ctx->pool, block, block->size_class);
}

static struct thsi_heap_block *get_block(struct ths_ctx *ctx, size_t size)
{
    return size <= SIZE_MAX - sizeof(struct thsi_heap_block)
               ? thsi_pool_get(ctx->pool, sizeof(struct thsi_heap_block) + size) : NULL;
}

void *ths_alloc(struct ths_ctx *ctx, size_t size)
{
    struct thsi_rare *rare = thsi_actor_rare(ctx, ctx->actor);
    struct thsi_heap_block *block;

    size += size == 0;
    if (!rare || !charge(ctx, &rare->heap, size))
        return NULL;
    block = get_block(ctx, size);
    if (!block)
        return NULL;
    block->size = size;
    put_in(&rare->heap, block);
    rare->heap.used += size;
    return block + 1;
}

/* @block at another size: in place where its class has room, perhaps elsewhere. It is in no list. NULL: as it was. */
static struct thsi_heap_block *resize(struct ths_ctx *ctx, struct thsi_heap_block *block, size_t size)
{
    struct thsi_heap_block *moved;

    if (size <= SIZE_MAX - sizeof *block && block->size_class < THSI_POOL_CLASSES &&
        thsi_pool_class(sizeof *block + size) == block->size_class)
        return block;
    moved = get_block(ctx, size);
    if (!moved)
        return NULL;
    memcpy(moved + 1, block + 1, size < block->size ? size : block->size);
    moved->size = block->size;
    free_block(ctx, block);
    return moved;
}

void *ths_realloc(struct ths_ctx *ctx, void *bytes, size_t size)
{
    struct thsi_heap *heap = bytes ? &ctx->actor->rare->heap : NULL;
    struct thsi_heap_block *block, *moved;

    if (!bytes)
        return ths_alloc(ctx, size);
    block = block_of(bytes);
    size += size == 0;
    if (size > block->size && !charge(ctx, heap, size - block->size))
        return NULL;
    take_out(block);
    moved = resize(ctx, block, size);
    put_in(heap, moved ? moved : block);
    if (!moved)
        return NULL;
    heap->used += size - moved->size;
    moved->size = size;
    return moved + 1;
}

void ths_free(struct ths_ctx *ctx, void *bytes)
{
    struct thsi_heap_block *block = bytes ? block_of(bytes) : NULL;

    if (!block)
        return;
    take_out(block);
    ctx->actor->rare->heap.used -= block->size;
    free_block(ctx, block);
}

/* ---- The whole -------------------------------------------------------------------------- */

enum ths_err ths_memory_limit(struct ths_ctx *ctx, size_t bytes)
{
    struct thsi_rare *rare = thsi_actor_rare(ctx, ctx->actor);

    if (!rare)
        return THS_NOMEM;
    rare->heap.limit = bytes;
    return THS_OK;
}

size_t ths_memory_used(struct ths_ctx *ctx)
{
    return ctx->actor->rare ? ctx->actor->rare->heap.used : 0;
}

void thsi_heap_clear(struct ths_ctx *ctx, struct thsi_actor *actor)
{
    struct thsi_heap *heap = actor->rare ? &actor->rare->heap : NULL;

    while (heap && heap->blocks) {
        struct thsi_heap_block *block = heap->blocks;

        take_out(block);
        free_block(ctx, block);
    }
    if (heap)
        heap->used = 0;
}
