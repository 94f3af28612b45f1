/* A behaviour with asks, timers and typed refs, no cast and no warning. */
#include <thiasos/thiasos.h>

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))
THS_MESSAGE(get_balance, "demo.get_balance", 1, u32(account))
THS_MESSAGE(balance, "demo.balance", 1, i64(amount))
THS_MESSAGE(tick, "demo.tick", 1)

THS_ACCEPTS(client, greet, tick)

THS_ACCEPTS(bank, get_balance, tick)

struct client { ths_ref bank; unsigned greeted; ths_ref banks[2]; struct ths_asked waiting; };

THS_ON_REPLY(client, client_got, balance)
{
    if (err != THS_OK)
        ths_log(ctx, WARN, "no balance: %s", ths_err_text(err));
    else if (reply->amount < 0)
        ths_fail(ctx, "overdrawn by %lld", (long long)reply->amount);
}

THS_ON_REPLY(client, client_found, ths_found)
{
    if (err == THS_OK)
        self->bank = reply->who;
}

THS_ON_RESULTS(client, client_got_all, balance)
{
    for (unsigned i = 0; i < count; i++) {
        const struct balance *one = results[i].reply;
        if (one)
            self->greeted += (unsigned)one->amount;
    }
    ths_reply_to(ctx, &self->waiting, balance, .amount = self->greeted);
}

THS_ON(client, get_balance)
{
    if (msg->account == 1)
        (void)ths_forward(ctx, self->bank);
    self->waiting = ths_defer(ctx);
    ths_ask_all(ctx, self->banks, 2, get_balance, client_got_all, THS_INHERIT, .account = msg->account);
    ths_ask_all(ctx, self->banks, 2, tick, client_got_all, 100);
    ths_ask_to(ctx, bank, bank_ref_of(self->bank), get_balance, client_got, 500, .account = 7);
    ths_ask_to(ctx, bank, bank_ref_of(self->bank), tick, client_got, 500);
    ths_delegate(ctx, &self->waiting, self->bank, tick);
}

THS_ON(client, greet)
{
    self->greeted += msg->times;
    ths_ask(ctx, self->bank, get_balance, client_got, 500, .account = 7);
    ths_ask(ctx, self->bank, tick, client_got, 500);
    ths_lookup(ctx, "bank", client_found, 500);
    ths_after(ctx, 250, tick);
}

THS_ON(client, tick)
{
    ths_reply(ctx, balance, .amount = -1);
    ths_stop(ctx);
}

THS_ON(client, ths_started)
{
    ths_tell(ctx, ths_self(ctx), greet, .times = msg->incarnation);
}

THS_BEHAVIOUR(client, get_balance, greet, tick, ths_started)

ths_ref start(struct ths_node *node);
ths_ref start(struct ths_node *node)
{
    ths_ref ref = ths_spawn(node, client, .name = "client", .start = THS_MSG(greet, .name = "first"));

    ths_tell_to(node, client, client_ref_of(ref), greet, .name = "x");
    ths_tell_to(node, client, client_ref_of(ref), tick);
    return ref;
}
