#include "cluster/outbox_internal.h"

#include <assert.h>
#include <string.h>

void thsi_outbox_init(struct thsi_outbox *outbox, struct ths_env *env, struct thsi_frames *frames)
{
    memset(outbox, 0, sizeof *outbox);
    outbox->env = env;
    outbox->frames = frames;
    outbox->epoch = 1;
    outbox->placed = outbox->taken = UINT32_MAX; /* room below for frames that are repeated */
}

static void uncount_held(struct thsi_outbox *outbox, const struct thsi_bulk_item *item)
{
    outbox->queued -= held_bytes(item);
    outbox->control_held -= item->class == THSI_CLASS_CONTROL;
}

void thsi_outbox_drop_lane(struct thsi_outbox *outbox, enum thsi_lane lane)
{
    struct thsi_outframe *frame = outbox->head[lane];

    while (frame) {
        struct thsi_outframe *next = frame->next;
        outbox->queued -= frame->len;
        outbox->queued_messages -= frame->messages;
        thsi_frames_put(outbox->frames, frame);
        frame = next;
    }
    outbox->head[lane] = outbox->tail[lane] = NULL;
}

uint64_t thsi_outbox_drop_items(struct thsi_outbox *outbox, struct thsi_bulk_item *item)
{
    uint64_t messages = 0;

    while (item) {
        struct thsi_bulk_item *next = item->next;
        messages += item->tail->messages;
        outbox->queued_messages -= item->tail->messages;
        if (!item->bulk)
            uncount_held(outbox, item);
        thsi_bulk_drop(outbox->env, outbox->frames, item);
        item = next;
    }
    return messages;
}

void thsi_outbox_fini(struct thsi_outbox *outbox)
{
    thsi_outbox_drop_lane(outbox, THSI_LANE_NODE);
    thsi_outbox_drop_lane(outbox, THSI_LANE_SIGNALS);
    (void)thsi_outbox_drop_items(outbox, thsi_bulk_take_all(&outbox->bulk));
    (void)outbox->env->memory(outbox->env, outbox->unacked, 0);
    (void)outbox->env->memory(outbox->env, outbox->control, 0);
    thsi_senders_fini(&outbox->senders, outbox->env);
    thsi_senders_fini(&outbox->senders_bulk, outbox->env);
    memset(outbox, 0, sizeof *outbox);
}

/* ---- Packing ---------------------------------------------------------------------------- */

static void append(struct thsi_outbox *outbox, enum thsi_lane lane, struct thsi_outframe *frame)
{
    frame->next = NULL;
    frame->lane = (uint8_t)lane;
    frame->owner = outbox;
    frame->place = lane == THSI_LANE_SIGNALS ? ++outbox->placed : 0;
    if (outbox->tail[lane])
        outbox->tail[lane]->next = frame;
    else
        outbox->head[lane] = frame;
    outbox->tail[lane] = frame;
}

static bool is_pair(const struct thsi_frame_pair *pair, const struct thsi_envelope *record)
{
    return pair->from.slot == record->from.slot && pair->from.generation == record->from.generation &&
           pair->to.slot == record->to.slot && pair->to.generation == record->to.generation;
}

/* The TELL of @frame that had the pair of @record; the number of those known when there is none. */
static unsigned find_pair(const struct thsi_outframe *frame, const struct thsi_envelope *record)
{
    unsigned at = 0;

    while (at < frame->pairs_count && !is_pair(&frame->pairs[at], record))
        at++;
    return at;
}

/* A TELL was packed in full: later ones of its pair need not be. */
static void note_pair(struct thsi_outbox *outbox, struct thsi_outframe *frame, const struct thsi_envelope *record)
{
    frame->pairs_closed |= outbox->plain;
    if (frame->pairs_closed || frame->pairs_count == THSI_FRAME_PAIRS_MAX)
        return;
    frame->pairs[frame->pairs_count++] = (struct thsi_frame_pair){ record->from, record->to };
}

/* Try to pack behind what @frame holds. Returns OK with *@len 0 when it does not fit. */
static enum ths_err pack_into(struct thsi_outbox *outbox, struct thsi_outframe *frame, const struct thsi_envelope *record,
                              size_t *len)
{
    struct thsi_packer packer = { .data = thsi_outframe_payload(frame), .len = frame->len, .cap = frame->cap };
    unsigned pair = record->kind == THSI_RECORD_TELL ? find_pair(frame, record) : frame->pairs_count;
    enum ths_err err;

    if (pair < frame->pairs_count)
        err = thsi_envelope_pack_again(record, pair, &packer);
    else
        err = thsi_envelope_pack(record, &packer);
    *len = err == THS_OK && !packer.overflow ? packer.len - frame->len : 0;
    if (*len > 0 && record->kind == THSI_RECORD_TELL && pair == frame->pairs_count)
        note_pair(outbox, frame, record);
    return packer.overflow ? THS_OK : err;
}

/* Find the frame that takes the record and pack it there: the one being filled, or a fresh one. */
static enum ths_err place(struct thsi_outbox *outbox, enum thsi_lane lane, const struct thsi_envelope *record,
                          struct thsi_outframe **out, size_t *len)
{
    struct thsi_outframe *frame = outbox->tail[lane];
    enum ths_err err;

    *len = 0;
    if (frame && frame->len < frame->cap) {
        err = pack_into(outbox, frame, record, len);
        if (err != THS_OK || *len > 0) {
            *out = frame;
            return err;
        }
    }
    frame = thsi_frames_get(outbox->frames, THSI_FRAME_PAYLOAD);
    if (!frame)
        return THS_NOMEM;
    err = pack_into(outbox, frame, record, len);
    if (err == THS_OK && *len == 0)
        err = THS_TOO_BIG;
    if (err != THS_OK) {
        thsi_frames_put(outbox->frames, frame);
        return err;
    }
    append(outbox, lane, frame);
    *out = frame;
    return THS_OK;
}

#define CONTROL_RECORD_MAX 512u /* longer than any control record: its one text is bounded */

/* Room for one more control record behind the log, and for those that wait behind bulk messages. */
static enum ths_err reserve_control(struct thsi_outbox *outbox)
{
    size_t used = outbox->control_end - outbox->control_start;
    size_t room = (outbox->control_held + 1) * (sizeof(struct control_entry) + CONTROL_RECORD_MAX);
    uint8_t *bytes;
    size_t cap;

    if (used + room > THSI_OUTBOX_CONTROL_MAX)
        return THS_FULL;
    if (outbox->control_start > 0 && outbox->control_start >= used) {
        memmove(outbox->control, outbox->control + outbox->control_start, used);
        outbox->control_start = 0;
        outbox->control_end = used;
    }
    if (outbox->control_end + room <= outbox->control_cap)
        return THS_OK;
    cap = outbox->control_cap > 0 ? outbox->control_cap * 2 : 4096;
    while (cap < outbox->control_end + room)
        cap *= 2;
    bytes = outbox->env->memory(outbox->env, outbox->control, cap);
    if (!bytes)
        return THS_NOMEM;
    outbox->control = bytes;
    outbox->control_cap = cap;
    return THS_OK;
}

/* Keep a copy of the record that was packed at @bytes, until its frame is acknowledged. */
static void keep_control(struct thsi_outbox *outbox, const uint8_t *bytes, size_t len)
{
    struct control_entry entry = { outbox->control_number, len };

    memcpy(outbox->control + outbox->control_end, &entry, sizeof entry);
    memcpy(outbox->control + outbox->control_end + sizeof entry, bytes, len);
    outbox->control_end += sizeof entry + len;
}

/* The record of @len bytes behind the payload of @frame, the last of its lane, belongs to it from now on. */
static void count_in(struct thsi_outbox *outbox, struct thsi_outframe *frame, enum thsi_record_class class,
                     const struct thsi_pair *pair, size_t len)
{
    if (class == THSI_CLASS_CONTROL) {
        assert(len <= CONTROL_RECORD_MAX);
        frame->control_last = ++outbox->control_number;
        keep_control(outbox, thsi_outframe_payload(frame) + frame->len, len);
    } else if (class == THSI_CLASS_DATA || class == THSI_CLASS_ANSWER) {
        frame->messages++;
        outbox->queued_messages++;
        if (pair->told)
            frame->senders += thsi_senders_add(&outbox->senders, outbox->env, pair->from, pair->to, frame->senders);
    }
    frame->len += len;
    outbox->queued += len;
}

/* The record has to wait behind @before. */
static enum ths_err hold(struct thsi_outbox *outbox, struct thsi_bulk_item *before, enum thsi_record_class class,
                         const struct thsi_envelope *record)
{
    struct thsi_bulk_item *item;
    enum ths_err err = thsi_bulk_pack_small(outbox->env, outbox->frames, class, record, &item);

    if (err != THS_OK)
        return err;
    thsi_bulk_put(&outbox->bulk, item);
    thsi_bulk_hold(before, item);
    outbox->control_held += class == THSI_CLASS_CONTROL;
    outbox->queued += held_bytes(item);
    outbox->queued_messages += item->tail->messages;
    return THS_OK;
}

/* What it has to wait behind, if anything. A kill overtakes everything, also what its pair sent before; so do the node's own
 * records, but for its last. */
static struct thsi_bulk_item *find_before(const struct thsi_outbox *outbox, enum thsi_record_class class,
                                          const struct thsi_envelope *record)
{
    const struct thsi_pair pair = thsi_pair_of(record);

    if (class == THSI_CLASS_NODE || class == THSI_CLASS_ORDERED || record->kind == THSI_RECORD_KILL)
        return NULL;
    return thsi_bulk_in_the_way(&outbox->bulk, class, &pair);
}

static enum ths_err put(struct thsi_outbox *outbox, enum thsi_record_class class, const struct thsi_envelope *record)
{
    struct thsi_bulk_item *before = outbox->bulk.head ? find_before(outbox, class, record) : NULL;
    struct thsi_outframe *frame;
    enum ths_err err;
    size_t len;

    if (before)
        return hold(outbox, before, class, record);
    err = place(outbox, class == THSI_CLASS_NODE ? THSI_LANE_NODE : THSI_LANE_SIGNALS, record, &frame, &len);
    if (err == THS_OK) {
        const struct thsi_pair pair = thsi_pair_of(record);
        count_in(outbox, frame, class, &pair, len);
    }
    return err;
}

enum ths_err thsi_outbox_put(struct thsi_outbox *outbox, enum thsi_record_class class, const struct thsi_envelope *record)
{
    size_t budget = class == THSI_CLASS_DATA ? THSI_OUTBOX_DATA_MAX : THSI_OUTBOX_DATA_MAX + THSI_OUTBOX_CONTROL_MAX;
    struct thsi_envelope numbered;
    enum ths_err err;

    if (outbox->queued >= budget)
        return THS_FULL;
    if (class != THSI_CLASS_CONTROL)
        return put(outbox, class, record);
    err = reserve_control(outbox);
    if (err != THS_OK)
        return err;
    numbered = *record;
    numbered.number = outbox->control_number + 1;
    return put(outbox, class, &numbered);
}

/* ---- Bulk ------------------------------------------------------------------------------- */

enum ths_err thsi_outbox_put_bulk(struct thsi_outbox *outbox, struct thsi_bulk_item *item)
{
    struct thsi_bulk *bulk = &outbox->bulk;
    struct thsi_bulk_item *before = thsi_bulk_in_the_way(bulk, (enum thsi_record_class)item->class, &item->pair);

    if (!thsi_bulk_has_room(bulk, item->bytes) || (!before && bulk->open >= THSI_BULK_OPEN_MAX))
        return THS_FULL;
    for (struct thsi_outframe *frame = item->head; frame; frame = frame->next) {
        frame->owner = outbox;
        frame->lane = THSI_LANE_SIGNALS;
    }
    outbox->queued_messages += item->tail->messages;
    thsi_bulk_put(bulk, item);
    if (before)
        thsi_bulk_hold(before, item);
    else
        thsi_bulk_open(bulk, item, outbox->placed);
    return THS_OK;
}

/* A small record need not wait any more: it goes behind what waits in the lane. When there is no memory for a shared
 * frame it leaves in its own. */
static void let_go(struct thsi_outbox *outbox, struct thsi_bulk_item *item)
{
    struct thsi_outframe *frame = outbox->tail[THSI_LANE_SIGNALS], *own = item->head;
    size_t len = own->len;

    outbox->queued_messages -= own->messages;
    uncount_held(outbox, item);
    if (item->class == THSI_CLASS_CONTROL)
        thsi_envelope_renumber(thsi_outframe_payload(own), outbox->control_number + 1);
    if (!frame || frame->cap - frame->len < len) {
        frame = thsi_frames_get(outbox->frames, THSI_FRAME_PAYLOAD);
        if (frame)
            append(outbox, THSI_LANE_SIGNALS, frame);
    }
    if (frame) {
        memcpy(thsi_outframe_payload(frame) + frame->len, thsi_outframe_payload(own), len);
        frame->pairs_closed = true; /* it may be a tell, which its reader counts */
    } else {
        item->head = item->tail = NULL;
        own->messages = 0;
        own->len = 0;
        own->pairs_closed = true;
        append(outbox, THSI_LANE_SIGNALS, own);
        frame = own;
    }
    count_in(outbox, frame, (enum thsi_record_class)item->class, &item->pair, len);
    thsi_bulk_drop(outbox->env, outbox->frames, item);
}

void thsi_outbox_put_again(struct thsi_outbox *outbox, struct thsi_bulk_item *item)
{
    while (item) {
        struct thsi_bulk_item *next = item->next;
        struct thsi_bulk_item *before =
            thsi_bulk_in_the_way(&outbox->bulk, (enum thsi_record_class)item->class, &item->pair);
        if (before)
            thsi_bulk_hold(before, item);
        else if (item->bulk)
            thsi_bulk_open(&outbox->bulk, item, outbox->placed);
        else
            let_go(outbox, item);
        item = next;
    }
}

static struct thsi_outframe *take_bulk(struct thsi_outbox *outbox)
{
    struct thsi_bulk_item *done;
    struct thsi_outframe *frame = thsi_bulk_take(&outbox->bulk, outbox->taken, &done);

    if (frame)
        outbox->queued_messages -= frame->messages;
    if (done) {
        if (done->pair.told)
            frame->senders = thsi_outbox_tell_bulk(outbox, &done->pair);
        thsi_outbox_put_again(outbox, thsi_bulk_release(done));
        thsi_bulk_drop(outbox->env, outbox->frames, done);
    }
    return frame;
}

/* ---- Leaving ---------------------------------------------------------------------------- */

/* From now on it is on its way. */
static struct thsi_outframe *take_out(struct thsi_outbox *outbox, struct thsi_outframe *frame)
{
    outbox->taken_messages += frame->messages;
    if (frame->control_last > 0)
        outbox->taken_control = frame->control_last;
    if (!frame->bulk)
        thsi_senders_take(&outbox->senders, frame->senders);
    return frame;
}

static struct thsi_outframe *take_from(struct thsi_outbox *outbox, enum thsi_lane lane)
{
    struct thsi_outframe *frame = outbox->head[lane];

    outbox->head[lane] = frame->next;
    if (!frame->next)
        outbox->tail[lane] = NULL;
    frame->next = NULL;
    outbox->queued -= frame->len;
    outbox->queued_messages -= frame->messages;
    return take_out(outbox, frame);
}

struct thsi_outframe *thsi_outbox_take(struct thsi_outbox *outbox, unsigned what)
{
    struct thsi_outframe *ordinary = outbox->head[THSI_LANE_SIGNALS], *frame = NULL;

    if (outbox->head[THSI_LANE_NODE] && what & THSI_TAKE_NODE)
        return take_from(outbox, THSI_LANE_NODE);
    if (outbox->unacked_bytes >= THSI_OUTBOX_WINDOW)
        return NULL;
    if (ordinary && !(ordinary->next && what & THSI_TAKE_FULL) && !(what & THSI_TAKE_PARTIAL))
        ordinary = NULL;
    if (outbox->bulk.head && what & THSI_TAKE_BULK && outbox->unacked_bulk < THSI_OUTBOX_BULK_WINDOW &&
        (outbox->bulk_next || !ordinary))
        frame = take_bulk(outbox);
    outbox->bulk_next = !frame;
    if (frame)
        return take_out(outbox, frame);
    if (!ordinary)
        return NULL;
    outbox->taken = ordinary->place > outbox->taken ? ordinary->place : outbox->taken;
    return take_from(outbox, THSI_LANE_SIGNALS);
}

bool thsi_outbox_is_empty(const struct thsi_outbox *outbox)
{
    return !outbox->head[THSI_LANE_NODE] && !outbox->head[THSI_LANE_SIGNALS] && !outbox->bulk.head;
}

size_t thsi_outbox_bytes(const struct thsi_outbox *outbox)
{
    return outbox->queued + outbox->bulk.bytes + outbox->bulk.huge_bytes;
}
