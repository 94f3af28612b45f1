/* A program of a user's, with messages that the thiasos command was never compiled with: joins as node "greeter" with the
 * seeds of its argument, prints "ready NAME ENDPOINT SOCKET" as thiasos node does, and ends when it is told to. */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "thiasos/thiasos.h"

THS_MESSAGE(greet, "demo.greet", 1, string(name), u32(times))
THS_MESSAGE(greeted, "demo.greeted", 1, string(text), u64(in_all))
THS_MESSAGE(parcel, "demo.parcel", 1, list(u64, ids), bytes(seal), ref(to), opt(string, note), boolean(fragile), f64(weight),
            list(string, words, .max = 3))
THS_MESSAGE(hush, "demo.hush", 1)
THS_MESSAGE(farewell, "demo.farewell", 1)
THS_MESSAGE(nap, "demo.nap", 1, string(until)) /* a pipe: until somebody opens it */
THS_MESSAGE(trip, "demo.trip", 1)

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

THS_ON(greeter, ths_state_wanted)
{
    ths_state_say(ctx, "in_all=%llu", (unsigned long long)self->in_all);
}

THS_BEHAVIOUR(greeter, greet, parcel, hush, farewell, ths_state_wanted)

/* A child that may be out of reach. */
struct sleeper {
    uint64_t naps;
};

THS_ON(sleeper, nap)
{
    int fd = open(msg->until, O_RDONLY);

    self->naps++;
    if (fd >= 0)
        (void)close(fd);
}

THS_ON(sleeper, trip)
{
    ths_fail(ctx, "over its own feet");
}

THS_BEHAVIOUR(sleeper, nap, trip)

int main(int argc, char **argv)
{
    struct ths_node *node = ths_node_start(&(struct ths_node_options){ .name = "greeter" });
    struct ths_cluster_options options = { .bind = "tcp://127.0.0.1:0", .seeds = argc > 1 ? argv[1] : "",
                                           .socket = argc > 2 ? argv[2] : NULL };
    const struct ths_child beds[] = { { .name = "sleeper", .behaviour = "sleeper", .named = true },
                                      { .name = "second", .behaviour = "sleeper", .restart = THS_TRANSIENT } };
    const struct ths_child family[] = {
        { .name = "house", .children = beds, .children_count = 2,
          .options = &(struct ths_supervisor_options){ .strategy = THS_REST_FOR_ONE } },
    };
    ths_ref greeter = ths_spawn(node, greeter, .name = "greeter");

    if (ths_register(node, sleeper) != THS_OK || ths_ref_is_nobody(ths_supervise(node, family, .name = "family")))
        return 1;
    if (ths_cluster_join(node, &options, NULL, 0) != THS_OK)
        return 1;
    (void)printf("ready greeter %s %s\n", ths_cluster_endpoint(node), options.socket ? options.socket : "-");
    (void)fflush(stdout);
    return ths_wait(node, greeter);
}
