#include "cluster/gossip.h"

#include <assert.h>

#define PAGE_SIZE 16384u

bool thsi_gossip_is_for_groups(const uint8_t *packet, size_t len)
{
    struct thsi_unpacker unpacker;
    uint64_t kind;

    thsi_unpacker_init(&unpacker, packet, len);
    (void)thsi_unpack_array(&unpacker);
    kind = thsi_unpack_u64(&unpacker);
    return unpacker.err == THS_OK && kind >= THSI_GOSSIP_DELTA && kind <= THSI_GOSSIP_REPAIR;
}

/* Packets never move, so sends point into pages. The newest page is filled; a large packet gets a page of its size. */
struct thsi_gossip_page {
    struct thsi_gossip_page *next;
    size_t used, cap;
    uint8_t bytes[];
};

void thsi_gossip_batch_init(struct thsi_gossip_batch *batch, struct ths_env *env)
{
    *batch = (struct thsi_gossip_batch){ .env = env };
}

static void free_pages(struct thsi_gossip_batch *batch, struct thsi_gossip_page *page)
{
    while (page) {
        struct thsi_gossip_page *next = page->next;

        (void)batch->env->memory(batch->env, page, 0);
        page = next;
    }
}

void thsi_gossip_batch_fini(struct thsi_gossip_batch *batch)
{
    free_pages(batch, batch->pages);
    (void)batch->env->memory(batch->env, batch->sends, 0);
    *batch = (struct thsi_gossip_batch){ .env = batch->env };
}

void thsi_gossip_batch_reset(struct thsi_gossip_batch *batch)
{
    struct thsi_gossip_page *page = batch->pages;

    batch->count = 0;
    if (!page)
        return;
    /* One page of the usual size is kept: an idle node does not allocate for its heartbeats. */
    if (page->cap > PAGE_SIZE) {
        free_pages(batch, page);
        batch->pages = NULL;
        return;
    }
    free_pages(batch, page->next);
    page->next = NULL;
    page->used = 0;
}

static bool add_page(struct thsi_gossip_batch *batch, size_t cap)
{
    struct thsi_gossip_page *page = batch->env->memory(batch->env, NULL, sizeof *page + cap);

    if (!page)
        return false;
    page->next = batch->pages;
    page->used = 0;
    page->cap = cap;
    batch->pages = page;
    return true;
}

bool thsi_gossip_begin(struct thsi_gossip_batch *batch, struct thsi_packer *packer, size_t room)
{
    assert(room <= THSI_GOSSIP_MAX);
    if ((!batch->pages || batch->pages->cap - batch->pages->used < room) &&
        !add_page(batch, room > PAGE_SIZE ? room : PAGE_SIZE)) {
        batch->dropped++;
        return false;
    }
    thsi_packer_init(packer, batch->pages->bytes + batch->pages->used, room);
    return true;
}

static bool reserve_send(struct thsi_gossip_batch *batch)
{
    size_t cap = batch->cap ? batch->cap * 2 : 16;
    struct thsi_gossip_send *sends;

    if (batch->count < batch->cap)
        return true;
    sends = batch->env->memory(batch->env, batch->sends, cap * sizeof *sends);
    if (!sends)
        return false;
    batch->sends = sends;
    batch->cap = cap;
    return true;
}

void thsi_gossip_send(struct thsi_gossip_batch *batch, const struct thsi_packer *packer, uint64_t uid, bool ordered)
{
    struct thsi_gossip_page *page = batch->pages;

    assert(page && packer->data >= page->bytes && packer->data + packer->cap <= page->bytes + page->cap);
    if (thsi_packer_finish(packer) != THS_OK || !reserve_send(batch)) {
        batch->dropped++;
        return;
    }
    page->used = (size_t)(packer->data - page->bytes) + packer->len;
    batch->sends[batch->count++] =
        (struct thsi_gossip_send){ .uid = uid, .packet = packer->data, .len = packer->len, .ordered = ordered };
}

size_t thsi_gossip_array_open(struct thsi_packer *packer)
{
    static const uint8_t head[3] = { 0xdc, 0, 0 };
    size_t at = packer->len;

    thsi_packer_append(packer, head, sizeof head);
    return at;
}

void thsi_gossip_array_close(struct thsi_packer *packer, size_t at, size_t count)
{
    assert(count <= UINT16_MAX);
    if (packer->overflow)
        return;
    packer->data[at + 1] = (uint8_t)(count >> 8);
    packer->data[at + 2] = (uint8_t)count;
}

uint32_t thsi_gossip_fields(struct thsi_unpacker *unpacker, uint32_t fields)
{
    uint32_t count = thsi_unpack_array(unpacker);

    if (count >= fields)
        return count - fields;
    thsi_unpack_fail(unpacker, THS_MALFORMED);
    return 0;
}

void thsi_gossip_skip(struct thsi_unpacker *unpacker, uint32_t count)
{
    while (count-- > 0 && unpacker->err == THS_OK)
        thsi_unpack_skip(unpacker);
}
