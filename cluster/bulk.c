#include "cluster/bulk.h"

#include <assert.h>
#include <string.h>

static_assert(THSI_FRAGMENT_HEAD + THSI_FRAGMENT_MAX <= THSI_FRAME_PAYLOAD, "a fragment fits an ordinary frame");
static_assert(THSI_STREAMS_MAX <= 32, "a bit for each stream");

/* ---- Packing ---------------------------------------------------------------------------- */

/* A packer whose room is one frame after another, each with a fragment's head left free. */
struct chain {
    struct thsi_packer packer; /* first: the packer is the chain */
    struct thsi_frames *frames;
    struct thsi_bulk_item *item;
    size_t left;               /* bytes that may still be packed, those in the packer's frame not counted */
};

/* The frame at hand has what it is to have. */
static void end_frame(struct thsi_bulk_item *item, size_t len)
{
    item->tail->len = len;
    item->bytes += len;
}

static bool add_frame(struct thsi_frames *frames, struct thsi_bulk_item *item, size_t cap)
{
    struct thsi_outframe *frame = thsi_frames_get(frames, cap);

    if (!frame)
        return false;
    if (item->tail)
        item->tail->next = frame;
    else
        item->head = frame;
    item->tail = frame;
    return true;
}

/* The next frame of the chain, with room for a fragment. */
static bool next_frame(struct chain *chain)
{
    size_t len = chain->left < THSI_FRAGMENT_MAX ? chain->left : THSI_FRAGMENT_MAX;

    if (chain->item->tail)
        end_frame(chain->item, chain->packer.len);
    if (len == 0 || !add_frame(chain->frames, chain->item,
                               len == THSI_FRAGMENT_MAX ? THSI_FRAME_PAYLOAD : len + THSI_FRAGMENT_HEAD))
        return false;
    chain->left -= len;
    chain->packer.data = thsi_outframe_payload(chain->item->tail);
    chain->packer.len = THSI_FRAGMENT_HEAD;
    chain->packer.cap = len + THSI_FRAGMENT_HEAD;
    return true;
}

static bool more(struct thsi_packer *packer, const void *bytes, size_t len)
{
    struct chain *chain = (struct chain *)packer;
    const uint8_t *at = bytes;

    for (;;) {
        size_t count = packer->cap - packer->len;

        if (count > len)
            count = len;
        if (count > 0)
            memcpy(packer->data + packer->len, at, count);
        packer->len += count;
        at += count;
        len -= count;
        if (len == 0)
            return true;
        if (!next_frame(chain))
            return false;
    }
}

static enum ths_err pack_chain(struct thsi_frames *frames, struct thsi_bulk_item *item,
                               const struct thsi_envelope *record, size_t bound)
{
    struct chain chain = { .packer = { .more = more }, .frames = frames, .item = item, .left = bound };
    enum ths_err err;

    if (!next_frame(&chain))
        return THS_NOMEM;
    err = thsi_envelope_pack(record, &chain.packer);
    if (err == THS_OK && chain.packer.overflow)
        err = chain.left == 0 ? THS_TOO_BIG : THS_NOMEM;
    if (err == THS_OK)
        end_frame(item, chain.packer.len);
    return err;
}

static enum ths_err pack_single(struct thsi_frames *frames, struct thsi_bulk_item *item, const struct thsi_envelope *record)
{
    struct thsi_packer packer;
    enum ths_err err;

    if (!add_frame(frames, item, THSI_FRAME_PAYLOAD))
        return THS_NOMEM;
    thsi_packer_init(&packer, thsi_outframe_payload(item->tail), THSI_FRAME_PAYLOAD);
    err = thsi_envelope_pack(record, &packer);
    if (err == THS_OK)
        err = thsi_packer_finish(&packer);
    if (err == THS_OK)
        end_frame(item, packer.len);
    return err;
}

static bool is_counted(enum thsi_record_class class)
{
    return class == THSI_CLASS_DATA || class == THSI_CLASS_ANSWER;
}

static struct thsi_bulk_item *create(struct ths_env *env, enum thsi_record_class class, const struct thsi_envelope *record)
{
    struct thsi_bulk_item *item = env->memory(env, NULL, sizeof *item);

    if (!item)
        return NULL;
    memset(item, 0, sizeof *item);
    item->class = (uint8_t)class;
    item->stream = THSI_STREAMS_MAX;
    item->pair = thsi_pair_of(record);
    return item;
}

/* What was packed is whole: the loss of its last frame loses one message. */
static enum ths_err finish(struct ths_env *env, struct thsi_frames *frames, struct thsi_bulk_item *item, enum ths_err err,
                           struct thsi_bulk_item **out)
{
    *out = NULL;
    if (err != THS_OK) {
        thsi_bulk_drop(env, frames, item);
        return err;
    }
    item->tail->messages = is_counted((enum thsi_record_class)item->class);
    *out = item;
    return THS_OK;
}

enum ths_err thsi_bulk_pack(struct ths_env *env, struct thsi_frames *frames, enum thsi_record_class class,
                            const struct thsi_envelope *record, size_t bound, struct thsi_bulk_item **out)
{
    struct thsi_bulk_item *item = create(env, class, record);
    enum ths_err err;

    *out = NULL;
    if (!item)
        return THS_NOMEM;
    item->bulk = true;
    item->fragments = bound > THSI_FRAME_PAYLOAD;
    err = item->fragments ? pack_chain(frames, item, record, bound) : pack_single(frames, item, record);
    for (struct thsi_outframe *frame = item->head; frame; frame = frame->next)
        frame->bulk = true;
    return finish(env, frames, item, err, out);
}

enum ths_err thsi_bulk_pack_small(struct ths_env *env, struct thsi_frames *frames, enum thsi_record_class class,
                                  const struct thsi_envelope *record, struct thsi_bulk_item **out)
{
    struct thsi_bulk_item *item = create(env, class, record);
    struct thsi_envelope numbered = *record;
    struct thsi_outframe *wide, *narrow;
    enum ths_err err;

    *out = NULL;
    if (!item)
        return THS_NOMEM;
    numbered.number = UINT64_MAX;
    err = pack_single(frames, item, class == THSI_CLASS_CONTROL ? &numbered : record);
    if (err == THS_OK) {
        wide = item->head;
        narrow = thsi_frames_get(frames, wide->len);
        err = narrow ? THS_OK : THS_NOMEM;
        if (narrow) {
            memcpy(thsi_outframe_payload(narrow), thsi_outframe_payload(wide), wide->len);
            narrow->len = wide->len;
            item->head = item->tail = narrow;
            thsi_frames_put(frames, wide);
        }
    }
    return finish(env, frames, item, err, out);
}

void thsi_bulk_drop(struct ths_env *env, struct thsi_frames *frames, struct thsi_bulk_item *item)
{
    assert(!item->held_head);
    while (item->head) {
        struct thsi_outframe *frame = item->head;
        item->head = frame->next;
        thsi_frames_put(frames, frame);
    }
    (void)env->memory(env, item, 0);
}

/* ---- Putting ---------------------------------------------------------------------------- */

bool thsi_bulk_has_room(const struct thsi_bulk *bulk, size_t len)
{
    if (len < THSI_BULK_HUGE)
        return bulk->bytes + len <= THSI_BULK_BYTES_MAX;
    return bulk->huge < THSI_BULK_HUGE_COUNT_MAX && bulk->huge_bytes + len <= THSI_STREAMED_MAX;
}

static bool same_actor(struct thsi_actor_id a, struct thsi_actor_id b)
{
    return a.slot == b.slot && a.generation == b.generation;
}

static bool is_in_the_way(const struct thsi_bulk_item *item, enum thsi_record_class class, const struct thsi_pair *pair)
{
    if (class == THSI_CLASS_LAST || item->class == THSI_CLASS_LAST)
        return class == THSI_CLASS_LAST;
    return same_actor(item->pair.from, pair->from) &&
           (item->pair.many || pair->many || same_actor(item->pair.to, pair->to));
}

struct thsi_bulk_item *thsi_bulk_in_the_way(const struct thsi_bulk *bulk, enum thsi_record_class class,
                                            const struct thsi_pair *pair)
{
    struct thsi_bulk_item *item = bulk->head;

    while (item && !is_in_the_way(item, class, pair))
        item = item->next;
    return item;
}

void thsi_bulk_put(struct thsi_bulk *bulk, struct thsi_bulk_item *item)
{
    item->order = ++bulk->put;
    if (!item->bulk)
        return;
    bulk->huge += item->bytes >= THSI_BULK_HUGE;
    *(item->bytes < THSI_BULK_HUGE ? &bulk->bytes : &bulk->huge_bytes) += item->bytes;
}

void thsi_bulk_forget(struct thsi_bulk *bulk, const struct thsi_bulk_item *item)
{
    if (!item->bulk)
        return;
    bulk->huge -= item->bytes >= THSI_BULK_HUGE;
    *(item->bytes < THSI_BULK_HUGE ? &bulk->bytes : &bulk->huge_bytes) -= item->bytes;
}

/* At the end of the turns. */
static void append(struct thsi_bulk *bulk, struct thsi_bulk_item *item)
{
    item->next = NULL;
    if (bulk->tail)
        bulk->tail->next = item;
    else
        bulk->head = item;
    bulk->tail = item;
    bulk->open++;
}

void thsi_bulk_open(struct thsi_bulk *bulk, struct thsi_bulk_item *item, uint64_t after)
{
    assert(item->bulk);
    item->after = after;
    append(bulk, item);
}

void thsi_bulk_leave_after(struct thsi_bulk *bulk, uint64_t after)
{
    for (struct thsi_bulk_item *item = bulk->head; item; item = item->next)
        item->after = item->after > after ? item->after : after;
}

/* It may have waited behind another one before, so it takes its place by the order in which it was put. */
void thsi_bulk_hold(struct thsi_bulk_item *before, struct thsi_bulk_item *item)
{
    struct thsi_bulk_item **at = &before->held_head;

    before->pair.many |= item->pair.many;
    if (before->held_tail && before->held_tail->order < item->order)
        at = &before->held_tail->next;
    while (*at && (*at)->order < item->order)
        at = &(*at)->next;
    item->next = *at;
    *at = item;
    if (!item->next)
        before->held_tail = item;
}

/* ---- Leaving ---------------------------------------------------------------------------- */

static void unlink_after(struct thsi_bulk *bulk, struct thsi_bulk_item *before, struct thsi_bulk_item *item)
{
    if (before)
        before->next = item->next;
    else
        bulk->head = item->next;
    if (bulk->tail == item)
        bulk->tail = before;
    item->next = NULL;
    bulk->open--;
}

/* Whether its next frame may leave now. */
static bool may_leave(const struct thsi_bulk *bulk, const struct thsi_bulk_item *item, uint64_t taken)
{
    bool last = !item->head->next;

    if (last && item->after > taken)
        return false;
    return !item->fragments || item->stream < THSI_STREAMS_MAX || bulk->streams != (1u << THSI_STREAMS_MAX) - 1;
}

/* Say in front of the frame which piece of what it is. */
static void head_fragment(struct thsi_bulk *bulk, struct thsi_bulk_item *item, struct thsi_outframe *frame)
{
    unsigned piece = item->head ? 0 : THSI_FRAGMENT_LAST;

    if (item->stream == THSI_STREAMS_MAX) {
        piece |= THSI_FRAGMENT_FIRST;
        for (item->stream = 0; bulk->streams >> item->stream & 1u; item->stream++) {
        }
        bulk->streams |= 1u << item->stream;
    }
    thsi_fragment_head(thsi_outframe_payload(frame), item->stream, piece, frame->len - THSI_FRAGMENT_HEAD);
}

static void free_stream(struct thsi_bulk *bulk, struct thsi_bulk_item *item)
{
    if (item->stream < THSI_STREAMS_MAX)
        bulk->streams &= ~(1u << item->stream);
    item->stream = THSI_STREAMS_MAX;
}

struct thsi_outframe *thsi_bulk_take(struct thsi_bulk *bulk, uint64_t taken, struct thsi_bulk_item **done)
{
    struct thsi_bulk_item *before = NULL, *item = bulk->head;
    struct thsi_outframe *frame;

    *done = NULL;
    while (item && !may_leave(bulk, item, taken)) {
        before = item;
        item = item->next;
    }
    if (!item)
        return NULL;
    unlink_after(bulk, before, item);
    frame = item->head;
    item->head = frame->next;
    frame->next = NULL;
    if (item->fragments)
        head_fragment(bulk, item, frame);
    if (item->head) {
        append(bulk, item);
    } else {
        item->tail = NULL;
        free_stream(bulk, item);
        thsi_bulk_forget(bulk, item);
        *done = item;
    }
    return frame;
}

struct thsi_bulk_item *thsi_bulk_release(struct thsi_bulk_item *item)
{
    struct thsi_bulk_item *held = item->held_head;

    item->held_head = item->held_tail = NULL;
    return held;
}

/* ---- Ends ------------------------------------------------------------------------------- */

/* Two lists in order become one. */
static struct thsi_bulk_item *merge(struct thsi_bulk_item *a, struct thsi_bulk_item *b)
{
    struct thsi_bulk_item *first = NULL, **last = &first;

    while (a && b) {
        struct thsi_bulk_item **least = a->order < b->order ? &a : &b;
        *last = *least;
        last = &(*last)->next;
        *least = (*least)->next;
    }
    *last = a ? a : b;
    return first;
}

void thsi_bulk_break(struct thsi_bulk *bulk, struct thsi_bulk_item **broken, struct thsi_bulk_item **held)
{
    struct thsi_bulk_item *before = NULL, *item = bulk->head;

    *broken = *held = NULL;
    while (item) {
        struct thsi_bulk_item *next = item->next;
        if (item->stream < THSI_STREAMS_MAX) {
            unlink_after(bulk, before, item);
            free_stream(bulk, item);
            thsi_bulk_forget(bulk, item);
            *held = merge(*held, thsi_bulk_release(item));
            item->next = *broken;
            *broken = item;
        } else {
            before = item;
        }
        item = next;
    }
}

struct thsi_bulk_item *thsi_bulk_take_all(struct thsi_bulk *bulk)
{
    struct thsi_bulk_item *all = NULL, **last = &all;

    while (bulk->head) {
        struct thsi_bulk_item *item = bulk->head;
        unlink_after(bulk, NULL, item);
        free_stream(bulk, item);
        *last = item;
        item->next = thsi_bulk_release(item);
        while (*last) {
            thsi_bulk_forget(bulk, *last);
            last = &(*last)->next;
        }
    }
    return all;
}

void thsi_bulk_check(const struct thsi_bulk *bulk)
{
    size_t bytes = 0, huge_bytes = 0;
    unsigned open = 0, huge = 0;
    uint32_t streams = 0;

    for (const struct thsi_bulk_item *item = bulk->head; item; item = item->next) {
        const struct thsi_bulk_item *one = item;
        open++;
        assert(item->bulk && item->head);
        assert(item->next || bulk->tail == item);
        if (item->stream < THSI_STREAMS_MAX) {
            assert(!(streams >> item->stream & 1u));
            streams |= 1u << item->stream;
        }
        for (uint64_t order = 0; one; one = one == item ? item->held_head : one->next) {
            assert(one == item || one->order > order);
            order = one == item ? 0 : one->order;
            huge += one->bulk && one->bytes >= THSI_BULK_HUGE;
            *(one->bytes < THSI_BULK_HUGE ? &bytes : &huge_bytes) += one->bulk ? one->bytes : 0;
        }
    }
    assert(open == bulk->open && huge == bulk->huge && streams == bulk->streams);
    assert(bytes == bulk->bytes && huge_bytes == bulk->huge_bytes);
}
