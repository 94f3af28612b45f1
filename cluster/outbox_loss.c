/* What became of the frames: acknowledged, or lost with their link. */

#include "cluster/outbox_internal.h"

#include <assert.h>
#include <string.h>

/* ---- Acknowledgements ------------------------------------------------------------------- */

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
        (struct thsi_unacked){ counter, frame->control_last, frame->len, frame->messages, frame->senders,
                               frame->bulk };
    outbox->unacked_bytes += frame->len;
    outbox->unacked_bulk += frame->bulk ? frame->len : 0;
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
        outbox->unacked_bulk -= frame->bulk ? frame->len : 0;
        if (frame->control_last > 0)
            forget_control(outbox, frame->control_last);
        outbox->taken_messages -= frame->messages;
        thsi_senders_forget(frame->bulk ? &outbox->senders_bulk : &outbox->senders, frame->senders);
        outbox->unacked_start = (outbox->unacked_start + 1) % outbox->unacked_cap;
        outbox->unacked_count--;
        any = true;
    }
    return any;
}

/* ---- Loss ------------------------------------------------------------------------------- */

uint32_t thsi_outbox_tell_bulk(struct thsi_outbox *outbox, const struct thsi_pair *pair)
{
    uint32_t entries = thsi_senders_add(&outbox->senders_bulk, outbox->env, pair->from, pair->to, 0);

    thsi_senders_take(&outbox->senders_bulk, entries);
    return entries;
}

/* Whose the lost ones of @senders were. */
static void tell(struct thsi_senders *senders, struct thsi_outbox_loss *loss)
{
    if (loss->told && senders->taken > 0) {
        memcpy(loss->told + loss->told_count, senders->entries + senders->start, senders->taken * sizeof *loss->told);
        loss->told_count += senders->taken;
    }
    thsi_senders_forget(senders, senders->taken);
}

/* What was taken, or is given up, is lost. Without memory nobody is told, and the messages are only counted. */
static void lose_taken(struct thsi_outbox *outbox, struct thsi_outbox_loss *loss)
{
    size_t count = outbox->senders.taken + outbox->senders_bulk.taken;

    if (count > 0)
        loss->told = outbox->env->memory(outbox->env, NULL, count * sizeof *loss->told);
    tell(&outbox->senders, loss);
    tell(&outbox->senders_bulk, loss);
    loss->frames = outbox->unacked_count;
    loss->messages += outbox->taken_messages;
    outbox->taken_messages = outbox->taken_control = 0;
    outbox->unacked_count = outbox->unacked_start = 0;
    outbox->unacked_bytes = outbox->unacked_bulk = 0;
    outbox->epoch++;
}

/* Items that are in no list any more are lost. */
static void lose_items(struct thsi_outbox *outbox, struct thsi_bulk_item *items, struct thsi_outbox_loss *loss)
{
    for (const struct thsi_bulk_item *item = items; item; item = item->next)
        if (item->pair.told)
            (void)thsi_outbox_tell_bulk(outbox, &item->pair);
    loss->messages += thsi_outbox_drop_items(outbox, items);
}

/* Put @count frames before all others, as if they had not been taken yet: no bulk message that is left overtakes them. */
static void put_in_front(struct thsi_outbox *outbox, struct thsi_outframe *first, struct thsi_outframe *last, uint64_t count)
{
    uint64_t place = outbox->taken - count;

    thsi_bulk_leave_after(&outbox->bulk, outbox->taken);
    outbox->taken = place;
    last->next = NULL;
    for (struct thsi_outframe *frame = first; frame; frame = frame->next)
        frame->place = ++place;
    last->next = outbox->head[THSI_LANE_SIGNALS];
    if (!last->next)
        outbox->tail[THSI_LANE_SIGNALS] = last;
    outbox->head[THSI_LANE_SIGNALS] = first;
}

/* Put the kept control records up to @last into frames of their own, in order, before all others. */
static enum ths_err repeat_control(struct thsi_outbox *outbox, uint64_t last, uint64_t *repeated)
{
    struct thsi_outframe *first = NULL, *frame = NULL;
    size_t at = outbox->control_start;
    struct control_entry entry;
    uint64_t count = 0;

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
            count++;
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
    if (frame)
        put_in_front(outbox, first, frame, count);
    return at < outbox->control_end && entry.number <= last ? THS_NOMEM : THS_OK;
}

enum ths_err thsi_outbox_link_lost(struct thsi_outbox *outbox, struct thsi_outbox_loss *loss)
{
    uint64_t control_last = outbox->taken_control;
    struct thsi_bulk_item *broken, *held;
    enum ths_err err = THS_OK;

    memset(loss, 0, sizeof *loss);
    thsi_bulk_break(&outbox->bulk, &broken, &held); /* of which a part is lost: nobody needs the rest */
    lose_items(outbox, broken, loss);
    lose_taken(outbox, loss);
    thsi_outbox_drop_lane(outbox, THSI_LANE_NODE);
    if (control_last > 0)
        err = repeat_control(outbox, control_last, &loss->repeated);
    thsi_outbox_put_again(outbox, held);
    return err;
}

void thsi_outbox_clear(struct thsi_outbox *outbox, struct thsi_outbox_loss *loss)
{
    memset(loss, 0, sizeof *loss);
    lose_items(outbox, thsi_bulk_take_all(&outbox->bulk), loss);
    loss->messages += outbox->queued_messages;
    thsi_senders_take(&outbox->senders, outbox->senders.end - outbox->senders.start - outbox->senders.taken);
    lose_taken(outbox, loss);
    thsi_outbox_drop_lane(outbox, THSI_LANE_NODE);
    thsi_outbox_drop_lane(outbox, THSI_LANE_SIGNALS);
    outbox->control_start = outbox->control_end = 0;
}

/* What bulk messages and those behind them count for. */
static void check_bulk(const struct thsi_outbox *outbox, size_t *queued, uint64_t *messages)
{
    size_t control_held = 0;

    thsi_bulk_check(&outbox->bulk);
    for (const struct thsi_bulk_item *open = outbox->bulk.head; open; open = open->next) {
        *messages += open->tail->messages;
        for (const struct thsi_bulk_item *item = open->held_head; item; item = item->next) {
            *messages += item->tail->messages;
            *queued += item->bulk ? 0 : held_bytes(item);
            control_held += item->class == THSI_CLASS_CONTROL;
        }
    }
    assert(control_held == outbox->control_held);
}

void thsi_outbox_check(const struct thsi_outbox *outbox)
{
    size_t queued = 0, unacked_bytes = 0, unacked_bulk = 0, senders = 0, unacked_senders = 0;
    uint64_t messages = 0, last = 0;

    check_bulk(outbox, &queued, &messages);

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
            senders += frame->senders;
        }
        assert((outbox->head[lane] == NULL) == (outbox->tail[lane] == NULL));
    }
    for (size_t i = 0; i < outbox->unacked_count; i++) {
        unacked_bytes += unacked_at(outbox, i)->len;
        unacked_bulk += unacked_at(outbox, i)->bulk ? unacked_at(outbox, i)->len : 0;
        unacked_senders += unacked_at(outbox, i)->senders;
    }
    assert(outbox->senders.end - outbox->senders.start == outbox->senders.taken + senders);
    assert(unacked_senders <= outbox->senders.taken + outbox->senders_bulk.taken);
    assert(unacked_bulk == outbox->unacked_bulk);
    assert(queued == outbox->queued);
    assert(messages == outbox->queued_messages);
    assert(unacked_bytes == outbox->unacked_bytes);
    assert(outbox->control_start <= outbox->control_end);
    assert(outbox->control_end <= outbox->control_cap);
}
