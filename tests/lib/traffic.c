#include "tests/lib/traffic.h"

#include <stdlib.h>
#include <string.h>

enum { PERIOD_MS = 2, TELLS = 10, ASK_MS = 60000, MAILBOX = 1 << 20 };

THS_MESSAGE(courier_start, "test.courier_start", 1, u32(number))
THS_MESSAGE(courier_peer, "test.courier_peer", 1, u32(number), ref(who))
THS_MESSAGE(courier_tick, "test.courier_tick", 1, u8(unused))
THS_MESSAGE(parcel, "test.parcel", 1, u32(from), u64(number))
THS_MESSAGE(enquiry, "test.enquiry", 1, u64(number))
THS_MESSAGE(reply_to_enquiry, "test.reply_to_enquiry", 1, u64(number))

struct traffic traffic;

struct courier {
    uint32_t number;
    ths_ref peers[TRAFFIC_NODES_MAX];
    uint64_t asked, answered;
};

static void add(_Atomic uint64_t *counter)
{
    (void)atomic_fetch_add(counter, 1);
}

/* Several others answer, so in no order; that each ask is answered once, the counts tell. */
THS_ON_REPLY(courier, courier_got, reply_to_enquiry)
{
    if (err != THS_OK || reply->number == 0 || reply->number > self->asked)
        add(&traffic.wrong);
    add(&traffic.answered);
}

THS_ON(courier, courier_start)
{
    self->number = msg->number;
    (void)ths_every(ctx, PERIOD_MS, courier_tick, .unused = 0);
}

THS_ON(courier, courier_peer)
{
    self->peers[msg->number] = msg->who;
}

static void send_to(struct ths_ctx *ctx, struct courier *self, unsigned peer)
{
    _Atomic uint64_t *told = &traffic.told[self->number][peer];

    for (unsigned i = 0; i < TELLS; i++) {
        if (ths_try_tell(ctx, self->peers[peer], parcel, .from = self->number, .number = atomic_load(told) + 1) != THS_OK)
            return; /* full for now */
        add(told);
    }
    add(&traffic.asked);
    ths_ask(ctx, self->peers[peer], enquiry, courier_got, ASK_MS, .number = ++self->asked);
}

THS_ON(courier, courier_tick)
{
    for (unsigned i = 0; i < TRAFFIC_NODES_MAX && !atomic_load(&traffic.paused); i++)
        if (!ths_ref_is_nobody(self->peers[i]))
            send_to(ctx, self, i);
}

THS_ON(courier, parcel)
{
    _Atomic uint64_t *heard = &traffic.heard[msg->from][self->number];

    if (msg->number != atomic_load(heard) + 1)
        add(&traffic.wrong);
    add(heard);
}

THS_ON(courier, enquiry)
{
    (void)ths_reply(ctx, reply_to_enquiry, .number = msg->number);
}

THS_BEHAVIOUR(courier, courier_start, courier_peer, courier_tick, parcel, enquiry)

void traffic_reset(void)
{
    memset(&traffic, 0, sizeof traffic);
}

void traffic_begin(struct ths_node *const *nodes, unsigned count)
{
    ths_ref couriers[TRAFFIC_NODES_MAX];

    for (unsigned i = 0; i < count; i++) {
        couriers[i] = ths_spawn(nodes[i], courier, .mailbox = MAILBOX, .start = THS_MSG(courier_start, .number = i));
        if (ths_ref_is_nobody(couriers[i]))
            abort();
    }
    for (unsigned i = 0; i < count; i++)
        for (unsigned other = 0; other < count; other++)
            if (other != i && ths_tell(nodes[i], couriers[i], courier_peer, .number = other, .who = couriers[other]) != THS_OK)
                abort();
}

bool traffic_has_arrived(void)
{
    for (unsigned i = 0; i < TRAFFIC_NODES_MAX; i++)
        for (unsigned other = 0; other < TRAFFIC_NODES_MAX; other++)
            if (atomic_load(&traffic.heard[i][other]) != atomic_load(&traffic.told[i][other]))
                return false;
    return atomic_load(&traffic.answered) == atomic_load(&traffic.asked);
}

uint64_t traffic_heard(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < TRAFFIC_NODES_MAX; i++)
        for (unsigned other = 0; other < TRAFFIC_NODES_MAX; other++)
            sum += atomic_load(&traffic.heard[i][other]);
    return sum;
}
