/* Two processes of thiasos over loopback, encrypted: tells of three sizes, delivered in order to an actor. */

#include "remote.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "codec/keyring_file.h"
#include "spawn_server.h"

enum { BATCH = 64 };

THS_MESSAGE(more, "bench.more", 1)



/* ---- Sends so many messages, and waits until the other side has them ----------------------- */

struct round {
    const char *name;     /* of the figure; NULL: a warm-up, not reported */
    const char *cpu_name; /* of the CPU time a message takes in both processes, or NULL */
    uint32_t size;
    uint64_t count;
};

static const struct round *rounds; /* up to one without messages */
static pid_t server_pid;

struct shipper {
    ths_ref to;
    const struct round *round;
    uint64_t sent, started_ns, started_cpu_ns;
};

/* The link refuses what it cannot hold: the rest is sent a little later. */
static void ship(struct ths_ctx *ctx, struct shipper *self)
{
    for (int i = 0; i < BATCH && self->sent < self->round->count; i++) {
        if (ths_try_tell(ctx, self->to, cargo, .seq = self->sent,
                         .data = { remote_payload, self->round->size }) != THS_OK) {
            (void)ths_after(ctx, 1, more);
            return;
        }
        self->sent++;
    }
    if (self->sent < self->round->count)
        ths_tell(ctx, ths_self(ctx), more);
}

static void begin_round(struct ths_ctx *ctx, struct shipper *self)
{
    self->sent = 0;
    self->started_ns = bench_now_ns();
    self->started_cpu_ns = bench_cpu_ns(server_pid);
    ths_tell(ctx, self->to, expect, .count = self->round->count);
    ship(ctx, self);
}

THS_ON(shipper, begin)
{
    self->to = msg->to;
    self->round = rounds;
    begin_round(ctx, self);
}

THS_ON(shipper, more)
{
    ship(ctx, self);
}

static void report(const struct shipper *self)
{
    const struct round *round = self->round;
    double seconds = (double)(bench_now_ns() - self->started_ns) / 1e9;

    if (round->name && round->size >= REMOTE_PAYLOAD_MAX)
        bench_report(round->name, (double)round->count * round->size / seconds / 1e6, "MB/s");
    else if (round->name)
        bench_report(round->name, (double)round->count / seconds, "msg/s");
    if (round->cpu_name)
        bench_report(round->cpu_name, (double)(bench_cpu_ns(server_pid) - self->started_cpu_ns) / (double)round->count,
                     "ns");
}

THS_ON(shipper, all_here)
{
    if (msg->out_of_order > 0)
        bench_die("%llu messages came out of order", (unsigned long long)msg->out_of_order);
    report(self);
    self->round++;
    if (self->round->count > 0) {
        begin_round(ctx, self);
        return;
    }
    bench_done();
    ths_stop(ctx);
}

THS_BEHAVIOUR(shipper, begin, more, all_here)

/* ---- Together ----------------------------------------------------------------------------- */

ths_ref remote_find(struct ths_node *node, const char *name)
{
    ths_ref ref = ths_whereis(node, name, REMOTE_WAIT_MS);

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
    if (thsi_keyring_create(path, secret, why, sizeof why) != THS_OK)
        bench_die("%s", why);
}

void bench_remote(const struct bench_options *options)
{
    const struct round all[] = {
        { NULL, NULL, 64, bench_scale(options, 500000) },
        { "remote_tell_64", "remote_tell_64_cpu", 64, bench_scale(options, 5000000) },
        { "remote_tell_1k", NULL, 1024, bench_scale(options, 1000000) },
        { "remote_tell_64k", NULL, REMOTE_PAYLOAD_MAX, bench_scale(options, 20000) },
        { .count = 0 },
    };
    char key[64], endpoint[64], workers[16], why[256];
    const char *const args[] = { "remote-server", "tcp://127.0.0.1:0", key, workers, NULL };
    struct server server;
    struct ths_node *node;

    make_key(key, sizeof key);
    (void)snprintf(workers, sizeof workers, "%u", options->workers);
    server_start(&server, options->program, args, endpoint, sizeof endpoint);
    rounds = all;
    server_pid = server.pid;
    node = bench_node(options, "bench-client");
    if (ths_cluster_join(node, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0", .key_file = key,
                                                              .seeds = endpoint + strlen("tcp://") },
                         why, sizeof why) != THS_OK)
        bench_die("the client does not join: %s", why);
    ths_tell(node, ths_spawn(node, shipper), begin, .to = remote_find(node, "receiver@bench-server"));
    bench_wait();
    remote_ask_benches(node, options);
    ths_node_stop(node, 1000);
    server_stop(&server);
    (void)unlink(key);
}
