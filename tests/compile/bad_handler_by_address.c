/* expect: lvalue|address of */
#include <thiasos/thiasos.h>

struct client { ths_ref bank; };

THS_ON_REPLY(client, client_found, ths_found)
{
    if (err == THS_OK)
        self->bank = reply->who;
}

THS_ON(client, ths_started)
{
    ths_lookup(ctx, "bank", &client_found, 500);
}

THS_BEHAVIOUR(client, ths_started)
