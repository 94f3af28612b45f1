#include "cluster/outbox.h"

#include <assert.h>
#include <string.h>

/* A control record in the log: this, then its bytes. */
struct control_entry {
    uint64_t number;
    size_t len;
};

void thsi_outbox_init(struct thsi_outbox *outbox, struct ths_env *env, struct thsi_frames *frames)
{
    memset(outbox, 0, sizeof *outbox);
    outbox->env = env;
    outbox->frames = frames;
    outbox->epoch = 1;
}

static void drop_lane(struct thsi_outbox *outbox, enum thsi_lane lane)
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

void thsi_outbox_fini(struct thsi_outbox *outbox)
{
    drop_lane(outbox, THSI_LANE_NODE);
    drop_lane(outbox, THSI_LANE_SIGNALS);
    (void)outbox->env->memory(outbox->env, outbox->unacked, 0);
    (void)outbox->env->memory(outbox->env, outbox->control, 0);
    memset(outbox, 0, sizeof *outbox);
}

/* ---- Packing ---------------------------------------------------------------------------- */

static void append(struct thsi_outbox *outbox, enum thsi_lane lane, struct thsi_outframe *frame)
{
    frame->next = NULL;
    frame->lane = (uint8_t)lane;
    frame->owner = outbox;
    if (outbox->tail[lane])
        outbox->tail[lane]->next = frame;
    else
        outbox->head[lane] = frame;
    outbox->tail[lane] = frame;
}

/* Try to pack behind what @frame holds. Returns OK with *@len 0 when it does not fit. */
static enum ths_err pack_into(struct thsi_outframe *frame, thsi_pack_record *pack, const void *record, uint64_t number,
                              size_t *len)
{
    struct thsi_packer packer = { .data = thsi_outframe_payload(frame), .len = frame->len, .cap = frame->cap };
    enum ths_err err = pack(record, number, &packer);

    *len = err == THS_OK && !packer.overflow ? packer.len - frame->len : 0;
    return packer.overflow ? THS_OK : err;
}

/* A record that no ordinary frame holds gets one of its own, cut to its size afterwards. */
static enum ths_err pack_large(struct thsi_outbox *outbox, thsi_pack_record *pack, const void *record, uint64_t number,
                               struct thsi_outframe **out, size_t *len)
{
    struct thsi_outframe *frame = thsi_frames_get(outbox->frames, THSI_SEALED_PAYLOAD_MAX);
    enum ths_err err;

    if (!frame)
        return THS_NOMEM;
    err = pack_into(frame, pack, record, number, len);
    if (err == THS_OK && *len == 0)
        err = THS_TOO_BIG;
    if (err != THS_OK) {
        thsi_frames_put(outbox->frames, frame);
        return err;
    }
    frame->len = *len;
    *out = thsi_frames_shrink(outbox->frames, frame);
    (*out)->len = 0; /* the caller counts it in like any other */
    return THS_OK;
}

/* Find the frame that takes the record and pack it there: the one being filled, a fresh one, one of its own size. */
static enum ths_err place(struct thsi_outbox *outbox, enum thsi_lane lane, thsi_pack_record *pack, const void *record,
                          uint64_t number, struct thsi_outframe **out, size_t *len)
{
    struct thsi_outframe *frame = outbox->tail[lane];
    enum ths_err err;

    *len = 0;
    if (frame && frame->len < frame->cap) {
        err = pack_into(frame, pack, record, number, len);
        if (err != THS_OK || *len > 0) {
            *out = frame;
            return err;
        }
    }
    frame = thsi_frames_get(outbox->frames, THSI_FRAME_PAYLOAD);
    if (!frame)
        return THS_NOMEM;
    err = pack_into(frame, pack, record, number, len);
    if (err == THS_OK && *len == 0) {
        thsi_frames_put(outbox->frames, frame);
        err = pack_large(outbox, pack, record, number, &frame, len);
        if (err != THS_OK)
            return err;
    } else if (err != THS_OK) {
        thsi_frames_put(outbox->frames, frame);
        return err;
    }
    append(outbox, lane, frame);
    *out = frame;
    return THS_OK;
}

/* Room for one more control record of up to @len bytes behind the log. */
static enum ths_err reserve_control(struct thsi_outbox *outbox, size_t len)
{
    size_t used = outbox->control_end - outbox->control_start;
    size_t need = used + sizeof(struct control_entry) + len;
    uint8_t *bytes;
    size_t cap;

    if (need > THSI_OUTBOX_CONTROL_MAX)
        return THS_FULL;
    if (outbox->control_start > 0 && outbox->control_start >= used) {
        memmove(outbox->control, outbox->control + outbox->control_start, used);
        outbox->control_start = 0;
        outbox->control_end = used;
    }
    if (outbox->control_end + sizeof(struct control_entry) + len <= outbox->control_cap)
        return THS_OK;
    cap = outbox->control_cap > 0 ? outbox->control_cap * 2 : 4096;
    while (cap < outbox->control_end + sizeof(struct control_entry) + len)
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

#define CONTROL_RECORD_MAX 512u /* longer than any control record: its one text is bounded */

enum ths_err thsi_outbox_put(struct thsi_outbox *outbox, enum thsi_record_class class, thsi_pack_record *pack,
                             const void *record)
{
    enum thsi_lane lane = class == THSI_CLASS_NODE ? THSI_LANE_NODE : THSI_LANE_SIGNALS;
    bool control = class == THSI_CLASS_CONTROL;
    size_t budget = class == THSI_CLASS_DATA ? THSI_OUTBOX_DATA_MAX : THSI_OUTBOX_DATA_MAX + THSI_OUTBOX_CONTROL_MAX;
    struct thsi_outframe *frame;
    enum ths_err err;
    size_t len;

    if (outbox->queued >= budget)
        return THS_FULL;
    if (control) {
        err = reserve_control(outbox, CONTROL_RECORD_MAX);
        if (err != THS_OK)
            return err;
    }
    err = place(outbox, lane, pack, record, control ? outbox->control_number + 1 : 0, &frame, &len);
    if (err != THS_OK)
        return err;
    if (control) {
        assert(len <= CONTROL_RECORD_MAX);
        frame->control_last = ++outbox->control_number;
        keep_control(outbox, thsi_outframe_payload(frame) + frame->len, len);
    } else if (class == THSI_CLASS_DATA || class == THSI_CLASS_ANSWER) {
        frame->messages++;
        outbox->queued_messages++;
    }
    frame->len += len;
    outbox->queued += len;
    return THS_OK;
}

/* ---- Leaving ---------------------------------------------------------------------------- */

static struct thsi_outframe *take_from(struct thsi_outbox *outbox, enum thsi_lane lane)
{
    struct thsi_outframe *frame = outbox->head[lane];

    outbox->head[lane] = frame->next;
    if (!frame->next)
        outbox->tail[lane] = NULL;
    frame->next = NULL;
    outbox->queued -= frame->len;
    outbox->queued_messages -= frame->messages;
    return frame;
}

struct thsi_outframe *thsi_outbox_take(struct thsi_outbox *outbox, bool partial)
{
    struct thsi_outframe *frame = outbox->head[THSI_LANE_SIGNALS];

    if (outbox->head[THSI_LANE_NODE])
        return take_from(outbox, THSI_LANE_NODE);
    if (!frame || outbox->unacked_bytes >= THSI_OUTBOX_WINDOW)
        return NULL;
    return frame->next || partial ? take_from(outbox, THSI_LANE_SIGNALS) : NULL;
}

bool thsi_outbox_is_empty(const struct thsi_outbox *outbox)
{
    return !outbox->head[THSI_LANE_NODE] && !outbox->head[THSI_LANE_SIGNALS];
}

static struct thsi_unacked *unacked_at(const struct thsi_outbox *outbox, size_t index)
{
    return &outbox->unacked[(outbox->unacked_start + index) % outbox->unacked_cap];
}

static enum ths_err grow_unacked(struct thsi_outbox *outbox)
{
    size_t cap = outbox->unacked_cap > 0 ? outbox->unacked_cap * 2 : 64;
    struct thsi_unacked *ring = outbox->env->memory(outbox->env, NULL, cap * sizeof *ring);

    if (!ring)
        return THS_NOMEM;
    for (size_t i = 0; i < outbox->unacked_count; i++)
        ring[i] = *unacked_at(outbox, i);
    (void)outbox->env->memory(outbox->env, outbox->unacked, 0);
    outbox->unacked = ring;
    outbox->unacked_cap = cap;
    outbox->unacked_start = 0;
    return THS_OK;
}

enum ths_err thsi_outbox_sent(struct thsi_outbox *outbox, struct thsi_outframe *frame, uint64_t counter)
{
    if (outbox->unacked_count == THSI_OUTBOX_UNACKED_MAX)
        return THS_TOO_MANY;
    if (outbox->unacked_count == outbox->unacked_cap) {
        enum ths_err err = grow_unacked(outbox);
        if (err != THS_OK)
            return err;
    }
    frame->epoch = outbox->epoch;
    outbox->unacked_count++;
    *unacked_at(outbox, outbox->unacked_count - 1) =
        (struct thsi_unacked){ counter, frame->control_last, frame->len, frame->messages };
    outbox->unacked_bytes += frame->len;
    return THS_OK;
}

/* Forget the control records up to @number. */
static void forget_control(struct thsi_outbox *outbox, uint64_t number)
{
    struct control_entry entry;

    while (outbox->control_start < outbox->control_end) {
        memcpy(&entry, outbox->control + outbox->control_start, sizeof entry);
        if (entry.number > number)
            return;
        outbox->control_start += sizeof entry + entry.len;
    }
    outbox->control_start = outbox->control_end = 0;
}

bool thsi_outbox_acked(struct thsi_outbox *outbox, uint64_t ack)
{
    bool any = false;

    while (outbox->unacked_count > 0 && unacked_at(outbox, 0)->counter < ack) {
        const struct thsi_unacked *frame = unacked_at(outbox, 0);
        outbox->unacked_bytes -= frame->len;
        if (frame->control_last > 0)
            forget_control(outbox, frame->control_last);
        outbox->unacked_start = (outbox->unacked_start + 1) % outbox->unacked_cap;
        outbox->unacked_count--;
        any = true;
    }
    return any;
}

/* ---- Loss ------------------------------------------------------------------------------- */

/* Put the kept control records up to @last into frames of their own, in order, before all others. */
static enum ths_err repeat_control(struct thsi_outbox *outbox, uint64_t last, uint64_t *repeated)
{
    struct thsi_outframe *first = NULL, *frame = NULL;
    size_t at = outbox->control_start;
    struct control_entry entry;

    for (; at < outbox->control_end; at += sizeof entry + entry.len) {
        memcpy(&entry, outbox->control + at, sizeof entry);
        if (entry.number > last)
            break;
        if (!frame || frame->len + entry.len > frame->cap) {
            struct thsi_outframe *fresh = thsi_frames_get(outbox->frames, THSI_FRAME_PAYLOAD);
            if (!fresh)
                break;
            fresh->lane = THSI_LANE_SIGNALS;
            fresh->owner = outbox;
            if (frame)
                frame->next = fresh;
            else
                first = fresh;
            frame = fresh;
        }
        memcpy(thsi_outframe_payload(frame) + frame->len, outbox->control + at + sizeof entry, entry.len);
        frame->len += entry.len;
        frame->control_last = entry.number;
        outbox->queued += entry.len;
        (*repeated)++;
    }
    if (frame) {
        frame->next = outbox->head[THSI_LANE_SIGNALS];
        if (!frame->next)
            outbox->tail[THSI_LANE_SIGNALS] = frame;
        outbox->head[THSI_LANE_SIGNALS] = first;
    }
    return at < outbox->control_end && entry.number <= last ? THS_NOMEM : THS_OK;
}

enum ths_err thsi_outbox_link_lost(struct thsi_outbox *outbox, struct thsi_outbox_loss *loss)
{
    uint64_t control_last = 0;

    memset(loss, 0, sizeof *loss);
    for (size_t i = 0; i < outbox->unacked_count; i++) {
        const struct thsi_unacked *frame = unacked_at(outbox, i);
        loss->frames++;
        loss->messages += frame->messages;
        if (frame->control_last > control_last)
            control_last = frame->control_last;
    }
    outbox->unacked_count = outbox->unacked_start = 0;
    outbox->unacked_bytes = 0;
    outbox->epoch++;
    drop_lane(outbox, THSI_LANE_NODE);
    return control_last > 0 ? repeat_control(outbox, control_last, &loss->repeated) : THS_OK;
}

void thsi_outbox_clear(struct thsi_outbox *outbox, struct thsi_outbox_loss *loss)
{
    memset(loss, 0, sizeof *loss);
    loss->messages = outbox->queued_messages;
    for (size_t i = 0; i < outbox->unacked_count; i++) {
        loss->frames++;
        loss->messages += unacked_at(outbox, i)->messages;
    }
    drop_lane(outbox, THSI_LANE_NODE);
    drop_lane(outbox, THSI_LANE_SIGNALS);
    outbox->unacked_count = outbox->unacked_start = 0;
    outbox->unacked_bytes = 0;
    outbox->control_start = outbox->control_end = 0;
    outbox->epoch++;
}

void thsi_outbox_check(const struct thsi_outbox *outbox)
{
    size_t queued = 0, unacked_bytes = 0;
    uint64_t messages = 0, last = 0;

    for (int lane = 0; lane < THSI_LANE_COUNT; lane++) {
        for (const struct thsi_outframe *frame = outbox->head[lane]; frame; frame = frame->next) {
            assert(frame->len > 0);
            assert(frame->len <= frame->cap);
            assert(frame->lane == lane);
            assert(frame->control_last == 0 || frame->control_last > last);
            assert(frame->next || outbox->tail[lane] == frame);
            last = frame->control_last > 0 ? frame->control_last : last;
            queued += frame->len;
            messages += frame->messages;
        }
        assert((outbox->head[lane] == NULL) == (outbox->tail[lane] == NULL));
    }
    for (size_t i = 0; i < outbox->unacked_count; i++)
        unacked_bytes += unacked_at(outbox, i)->len;
    assert(queued == outbox->queued);
    assert(messages == outbox->queued_messages);
    assert(unacked_bytes == outbox->unacked_bytes);
    assert(outbox->control_start <= outbox->control_end);
    assert(outbox->control_end <= outbox->control_cap);
}
