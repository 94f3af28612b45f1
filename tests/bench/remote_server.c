/* The second process of the remote benches: actors that count, answer and end. */

#include "remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const uint8_t remote_payload[REMOTE_PAYLOAD_MAX];

/* ---- Takes what is sent, and tells when all of it is there -------------------------------- */

struct receiver {
    ths_ref reply_to;
    uint64_t wanted, got, out_of_order;
};

THS_ON(receiver, expect)
{
    self->reply_to = ths_sender(ctx);
    self->wanted = msg->count;
    self->got = self->out_of_order = 0;
}

THS_ON(receiver, cargo)
{
    if (msg->seq != self->got)
        self->out_of_order++;
    if (++self->got == self->wanted)
        ths_tell(ctx, self->reply_to, all_here, .out_of_order = self->out_of_order);
}

THS_BEHAVIOUR(receiver, expect, cargo)

/* ---- Answers ------------------------------------------------------------------------------ */

struct answerer { char none; };

THS_ON(answerer, cargo)
{
    ths_reply(ctx, cargo, .seq = msg->seq, .data = msg->data);
}

THS_BEHAVIOUR(answerer, cargo)

/* ---- Ends when told ----------------------------------------------------------------------- */

struct mayfly { char none; };

THS_ON(mayfly, leave)
{
    ths_stop(ctx);
}

THS_BEHAVIOUR(mayfly, leave)

/* argv: remote-server ENDPOINT KEY_FILE WORKERS. Ready when a line with the endpoint is printed; ends with its input. */
int bench_remote_server(const struct bench_options *options, int argc, char **argv)
{
    struct bench_options own = *options;
    struct ths_node *node;
    char why[256], byte;

    if (argc != 4)
        return 2;
    own.workers = (unsigned)strtoul(argv[3], NULL, 10);
    ths_env_os_log(THS_LOG_WARN, false);
    node = bench_node(&own, "bench-server");
    if (ths_register(node, mayfly) != THS_OK)
        bench_die("a behaviour is not registered");
    /* As many places as the link may carry: refusals are not what is measured. */
    (void)ths_spawn(node, receiver, .name = "receiver", .mailbox = 1u << 20);
    (void)ths_spawn(node, answerer, .name = "answerer");
    if (ths_cluster_join(node, &(struct ths_cluster_options){ .bind = argv[1], .key_file = argv[2], .seeds = "" },
                         why, sizeof why) != THS_OK)
        bench_die("the server does not join: %s", why);
    (void)printf("%s\n", ths_cluster_endpoint(node));
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    ths_node_stop(node, 1000);
    return 0;
}
