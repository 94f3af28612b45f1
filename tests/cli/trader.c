/* A program whose message demo.order changed with the years; compiled for each EDITION of it. Joins as node "traderN" with the
 * seeds of its argument. Its actor sends an order to whom it is told to, and remembers the last that came. */

#include <inttypes.h>
#include <stdio.h>

#include "thiasos/thiasos.h"

#if EDITION == 1
THS_MESSAGE(order, "demo.order", 1, string(item), u32(count), opt(string, gift), u8(rush))
#elif EDITION == 2 /* the gift is gone, a price came */
THS_MESSAGE(order, "demo.order", 2, string(item), u32(count), u8(rush), opt(u64, price))
#else /* what should not be done */
THS_MESSAGE(order, "demo.order", 3, string(item), string(count), u8(rush))
#endif

THS_MESSAGE(buy, "demo.buy", 1, ref(of), string(item))
THS_MESSAGE(bought, "demo.bought", 1, string(err))
THS_MESSAGE(last, "demo.last", 1)
THS_MESSAGE(last_order, "demo.last_order", 1, string(text))

struct trader {
    char text[128];
};

THS_ON(trader, buy)
{
#if EDITION == 1
    enum ths_err err = ths_try_tell(ctx, msg->of, order, .item = msg->item, .count = 3, .gift = THS_SOME("card"), .rush = 7);
#elif EDITION == 2
    enum ths_err err = ths_try_tell(ctx, msg->of, order, .item = msg->item, .count = 3, .rush = 7, .price = THS_SOME(12));
#else
    enum ths_err err = ths_try_tell(ctx, msg->of, order, .item = msg->item, .count = "three", .rush = 7);
#endif

    ths_reply(ctx, bought, .err = ths_err_name(err));
}

THS_ON(trader, order)
{
#if EDITION == 1
    (void)snprintf(self->text, sizeof self->text, "%.60s x%u rush %u gift %s", msg->item, (unsigned)msg->count, (unsigned)msg->rush,
                   msg->gift.present ? "yes" : "no");
#elif EDITION == 2
    (void)snprintf(self->text, sizeof self->text, "%.60s x%u rush %u price %s", msg->item, (unsigned)msg->count,
                   (unsigned)msg->rush, msg->price.present ? "yes" : "no");
#else
    (void)snprintf(self->text, sizeof self->text, "%.60s x%.20s rush %u", msg->item, msg->count, (unsigned)msg->rush);
#endif
}

THS_ON(trader, last)
{
    ths_reply(ctx, last_order, .text = self->text);
}

THS_BEHAVIOUR(trader, buy, order, last)

int main(int argc, char **argv)
{
    char name[16];
    struct ths_cluster_options options = { .bind = "tcp://127.0.0.1:0", .seeds = argc > 1 ? argv[1] : "",
                                           .socket = argc > 2 ? argv[2] : NULL };
    struct ths_node *node;
    ths_ref trader;

    (void)snprintf(name, sizeof name, "trader%d", EDITION);
    node = ths_node_start(&(struct ths_node_options){ .name = name });
    trader = ths_spawn(node, trader, .name = "trader");
    if (ths_cluster_join(node, &options, NULL, 0) != THS_OK)
        return 1;
    (void)printf("ready %s %s %s\n", name, ths_cluster_endpoint(node), options.socket ? options.socket : "-");
    (void)fflush(stdout);
    return ths_wait(node, trader);
}
