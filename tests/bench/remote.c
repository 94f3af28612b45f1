/* Two processes of thiasos over loopback, encrypted: 64-byte tells delivered in order to an actor, and asks. */

#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codec/keys.h"
#include "spawn_server.h"

enum { PAYLOAD = 64, BATCH = 64, WAIT_MS = 30000 };

THS_MESSAGE(cargo, "bench.cargo", 1, u64(seq), bytes(data, .max = 64))
THS_MESSAGE(expect, "bench.expect", 1, u64(count))
THS_MESSAGE(all_here, "bench.all_here", 1, u64(out_of_order))
THS_MESSAGE(more, "bench.more", 1)
THS_MESSAGE(begin, "bench.begin", 1, ref(to), u64(count))

static const uint8_t payload[PAYLOAD];

/* ---- The server's actors ---------------------------------------------------------------- */

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

struct answerer { char none; };

THS_ON(answerer, cargo)
{
    ths_reply(ctx, cargo, .seq = msg->seq, .data = msg->data);
}

THS_BEHAVIOUR(answerer, cargo)

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

/* ---- The client's actors ---------------------------------------------------------------- */

struct shipper {
    ths_ref to;
    uint64_t sent, count, warm_up, started_ns;
    bool measured;
};

/* The link refuses what it cannot hold: the rest is sent a little later. */
static void ship(struct ths_ctx *ctx, struct shipper *self)
{
    for (int i = 0; i < BATCH && self->sent < self->count; i++) {
        if (ths_try_tell(ctx, self->to, cargo, .seq = self->sent, .data = { payload, sizeof payload }) != THS_OK) {
            (void)ths_after(ctx, 1, more);
            return;
        }
        self->sent++;
    }
    if (self->sent < self->count)
        ths_tell(ctx, ths_self(ctx), more);
}

static void round_of(struct ths_ctx *ctx, struct shipper *self, uint64_t count)
{
    self->count = count;
    self->sent = 0;
    self->started_ns = bench_now_ns();
    ths_tell(ctx, self->to, expect, .count = count);
    ship(ctx, self);
}

THS_ON(shipper, begin)
{
    self->to = msg->to;
    self->warm_up = msg->count;
    round_of(ctx, self, msg->count / 10); /* warm up */
}

THS_ON(shipper, more)
{
    ship(ctx, self);
}

THS_ON(shipper, all_here)
{
    if (msg->out_of_order > 0)
        bench_die("%llu messages came out of order", (unsigned long long)msg->out_of_order);
    if (!self->measured) {
        self->measured = true;
        round_of(ctx, self, self->warm_up);
        return;
    }
    bench_report("remote_tell_64", (double)self->count * 1e9 / (double)(bench_now_ns() - self->started_ns), "msg/s");
    bench_done();
    ths_stop(ctx);
}

THS_BEHAVIOUR(shipper, begin, more, all_here)

struct asker {
    ths_ref to;
    uint64_t left, count, started_ns;
};

static void ask_next(struct ths_ctx *ctx, struct asker *self);

THS_ON_REPLY(asker, answered, cargo)
{
    if (err != THS_OK)
        bench_die("an ask ended with %s", ths_err_name(err));
    self->left--;
    if (self->left == self->count)
        self->started_ns = bench_now_ns();
    if (self->left > 0) {
        ask_next(ctx, self);
        return;
    }
    bench_report("remote_ask_64", (double)(bench_now_ns() - self->started_ns) / 1000.0 / (double)self->count, "us");
    bench_done();
    ths_stop(ctx);
}

static void ask_next(struct ths_ctx *ctx, struct asker *self)
{
    ths_ask(ctx, self->to, cargo, answered, WAIT_MS, .seq = self->left, .data = { payload, sizeof payload });
}

THS_ON(asker, begin)
{
    self->to = msg->to;
    self->count = msg->count;
    self->left = msg->count + msg->count / 10;
    ask_next(ctx, self);
}

THS_BEHAVIOUR(asker, begin)

/* ---- Together --------------------------------------------------------------------------- */

static ths_ref find(struct ths_node *node, const char *name)
{
    ths_ref ref = ths_whereis(node, name, WAIT_MS);

    if (ths_ref_is_nobody(ref))
        bench_die("%s was not found", name);
    return ref;
}

static void make_key(char *path, size_t size)
{
    uint8_t secret[THSI_KEY_SIZE];
    char why[256];

    (void)snprintf(path, size, "/tmp/thiasos-bench-%d.key", (int)getpid());
    ths_env_os()->random(ths_env_os(), secret, sizeof secret);
    (void)unlink(path);
    if (thsi_cluster_key_create(path, secret, why, sizeof why) != THS_OK)
        bench_die("%s", why);
}

void bench_remote(const struct bench_options *options)
{
    char key[64], endpoint[64], workers[16], why[256];
    const char *const args[] = { "remote-server", "tcp://127.0.0.1:0", key, workers, NULL };
    struct server server;
    struct ths_node *node;
    ths_ref ref;

    make_key(key, sizeof key);
    (void)snprintf(workers, sizeof workers, "%u", options->workers);
    server_start(&server, options->program, args, endpoint, sizeof endpoint);
    node = bench_node(options, "bench-client");
    if (ths_cluster_join(node, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0", .key_file = key,
                                                              .seeds = endpoint + strlen("tcp://") },
                         why, sizeof why) != THS_OK)
        bench_die("the client does not join: %s", why);
    ref = ths_spawn(node, shipper);
    ths_tell(node, ref, begin, .to = find(node, "receiver@bench-server"), .count = bench_scale(options, 5000000));
    bench_wait();
    ref = ths_spawn(node, asker);
    ths_tell(node, ref, begin, .to = find(node, "answerer@bench-server"), .count = bench_scale(options, 50000));
    bench_wait();
    ths_node_stop(node, 1000);
    server_stop(&server);
    (void)unlink(key);
}
