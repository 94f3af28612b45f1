/* A program of a user's, with messages that the thiasos command was never compiled with: joins as node "greeter" with the
 * seeds of its argument, prints "ready NAME ENDPOINT SOCKET" as thiasos node does, and ends when it is told to. */

#include <stdio.h>

#include "thiasos/thiasos.h"

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))
THS_MESSAGE(greeted, "demo.greeted", 1, string(text), u64(in_all))
THS_MESSAGE(parcel, "demo.parcel", 1, list(u64, ids), bytes(seal), ref(to), opt(string, note), boolean(fragile), f64(weight),
            list(string, words, .max = 3))
THS_MESSAGE(hush, "demo.hush", 1)
THS_MESSAGE(farewell, "demo.farewell", 1)

struct greeter {
    uint64_t in_all;
};

THS_ON(greeter, greet)
{
    char text[128];

    self->in_all += msg->times;
    (void)snprintf(text, sizeof text, "hello, %.80s", msg->name);
    ths_reply(ctx, greeted, .text = text, .in_all = self->in_all);
}

/* Sends it back as it came. */
THS_ON(greeter, parcel)
{
    (void)thsp_reply(ctx, &parcel_type, msg);
}

/* Never answers. */
THS_ON(greeter, hush)
{
}

THS_ON(greeter, farewell)
{
    ths_stop(ctx);
}

THS_BEHAVIOUR(greeter, greet, parcel, hush, farewell)

int main(int argc, char **argv)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "greeter" });
    struct ths_cluster_options options = { .bind = "tcp://127.0.0.1:0", .seeds = argc > 1 ? argv[1] : "",
                                           .socket = argc > 2 ? argv[2] : NULL };
    ths_ref greeter = ths_spawn(node, greeter, .name = "greeter");

    if (ths_cluster_join(node, &options, NULL, 0) != THS_OK)
        return 1;
    (void)printf("ready greeter %s %s\n", ths_cluster_endpoint(node), options.socket ? options.socket : "-");
    (void)fflush(stdout);
    return ths_wait(node, greeter);
}
