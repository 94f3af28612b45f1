/* expect: bank_accepts_rob */
#include <thiasos/thiasos.h>

THS_MESSAGE(get_balance, "demo.get_balance", 1, u32(account))
THS_MESSAGE(rob, "demo.rob", 1)

THS_ACCEPTS(bank, get_balance)

struct client { struct bank_ref bank; };

THS_ON_REPLY(client, got, get_balance)
{
}

THS_ON(client, rob)
{
    ths_ask_to(ctx, bank, self->bank, rob, got, 500);
}

THS_BEHAVIOUR(client, rob)
