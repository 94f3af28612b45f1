#include "tools/echo.h"

struct echo {
    uint64_t count;
};

THS_ON(echo, say)
{
    self->count++;
    ths_reply(ctx, said, .text = msg->text, .node = ths_node_name(ths_node_of(ctx)), .count = self->count);
}

THS_BEHAVIOUR(echo, say)

ths_ref thsi_echo_start(struct ths_node *node)
{
    if (ths_register(node, echo) != THS_OK)
        return THS_NOBODY;
    return ths_spawn(node, echo, .name = "echo");
}
