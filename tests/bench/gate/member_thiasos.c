/* The gate of thiasos: a node in the second process, a member in this one. */

#include "gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../remote.h"
#include "../spawn_server.h"
#include "codec/keyring_file.h"

enum { ASKS_MAX = 100000 };

THS_MESSAGE(tick, "gate.tick", 1)

static struct server server;
static struct ths_node *node;
static char key[64], seeds[64];
static const struct bench_options options = { .workers = 1 };

/* Of the load that runs, or ran last. */
static struct {
    double rate;
    unsigned ms;
    ths_ref to, asked;
    uint64_t times_ns[ASKS_MAX];
    size_t asks;
    struct gate_load result;
} run;

struct loader {
    uint64_t started_ns, sent, asked_ns;
    bool announced;
};

THS_ON_REPLY(loader, answered, cargo)
{
    (void)reply;
    if (err == THS_OK && run.asks < ASKS_MAX)
        run.times_ns[run.asks++] = bench_now_ns() - self->asked_ns;
    self->asked_ns = 0;
}

/* False when the link holds no more for now. */
static bool send_due(struct ths_ctx *ctx, struct loader *self, uint64_t due)
{
    while (self->sent < due) {
        if (ths_try_tell(ctx, run.to, cargo, .seq = self->sent, .data = { remote_payload, GATE_PAYLOAD }) != THS_OK)
            return false;
        self->sent++;
    }
    return true;
}

/* Everything sent before has been taken when the answer to this one comes. */
static bool send_last(struct ths_ctx *ctx, struct loader *self)
{
    if (!self->announced && ths_try_tell(ctx, run.to, expect, .count = 1) != THS_OK)
        return false;
    self->announced = true;
    return ths_try_tell(ctx, run.to, cargo, .seq = 0, .data = { remote_payload, GATE_PAYLOAD }) == THS_OK;
}

THS_ON(loader, tick)
{
    uint64_t now_ns = bench_now_ns(), passed_ns = now_ns - self->started_ns;
    bool over = passed_ns >= run.ms * UINT64_C(1000000), sent_all;

    if (over) {
        if (!send_last(ctx, self))
            (void)ths_after(ctx, 1, tick);
        return;
    }
    sent_all = send_due(ctx, self, run.rate > 0 ? (uint64_t)(run.rate * (double)passed_ns / 1e9) : self->sent + 1000);
    if (self->asked_ns == 0) {
        self->asked_ns = now_ns;
        ths_ask(ctx, run.asked, cargo, answered, REMOTE_WAIT_MS, .seq = 1, .data = { remote_payload, GATE_PAYLOAD });
    }
    if (run.rate > 0 || !sent_all)
        (void)ths_after(ctx, 1, tick);
    else
        ths_tell(ctx, ths_self(ctx), tick);
}

THS_ON(loader, begin)
{
    (void)msg;
    self->started_ns = bench_now_ns();
    ths_tell(ctx, ths_self(ctx), tick);
}

THS_ON(loader, all_here)
{
    run.result.delivered = (double)self->sent * 1e9 / (double)(bench_now_ns() - self->started_ns);
    bench_done();
    ths_stop(ctx);
}

THS_BEHAVIOUR(loader, begin, tick, all_here)

/* ---- The gate's functions ----------------------------------------------------------------- */

static struct ths_node *join_node(const char *name)
{
    struct ths_node *joined = bench_node(&options, name);
    char why[256];

    if (ths_cluster_join(joined, &(struct ths_cluster_options){ .bind = "tcp://127.0.0.1:0", .key_file = key,
                                                                .seeds = seeds },
                         why, sizeof why) != THS_OK)
        bench_die("the member does not join: %s", why);
    return joined;
}

static ths_ref find(struct ths_node *from, const char *name)
{
    ths_ref ref = ths_whereis(from, name, REMOTE_WAIT_MS);

    if (ths_ref_is_nobody(ref))
        bench_die("%s was not found", name);
    return ref;
}

static void make_key(void)
{
    uint8_t secret[THSI_KEY_SIZE];
    char why[256];

    (void)snprintf(key, sizeof key, "/tmp/thiasos-gate-%d.key", (int)getpid());
    ths_env_os()->random(ths_env_os(), secret, sizeof secret);
    (void)unlink(key);
    if (thsi_keyring_create(key, secret, why, sizeof why) != THS_OK)
        bench_die("%s", why);
}

static pid_t start(unsigned *port)
{
    const char *const args[] = { "remote-server", "tcp://127.0.0.1:0", key, "1", NULL };
    char endpoint[64];

    make_key();
    server_start(&server, "/proc/self/exe", args, endpoint, sizeof endpoint);
    (void)snprintf(seeds, sizeof seeds, "%s", endpoint + strlen("tcp://"));
    *port = (unsigned)strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
    node = join_node("member");
    run.to = find(node, "receiver@bench-server");
    run.asked = find(node, "answerer@bench-server");
    return server.pid;
}

static void stop(void)
{
    ths_node_stop(node, 1000);
    server_stop(&server);
    (void)unlink(key);
}

static int by_value(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

static struct gate_load load(double rate, unsigned ms)
{
    run.rate = rate;
    run.ms = ms;
    run.asks = 0;
    ths_tell(node, ths_spawn(node, loader), begin, .count = 0);
    bench_wait();
    qsort(run.times_ns, run.asks, sizeof *run.times_ns, by_value);
    run.result.ask_p99_us = run.asks > 0 ? (double)run.times_ns[run.asks * 99 / 100] / 1000 : 0;
    return run.result;
}

static double join(void)
{
    uint64_t started_ns = bench_now_ns();
    struct ths_node *joined = join_node("newcomer");
    double took_ms;

    (void)find(joined, "answerer@bench-server");
    took_ms = (double)(bench_now_ns() - started_ns) / 1e6;
    ths_node_stop(joined, 1000);
    return took_ms;
}

const struct gate gate_thiasos = { "thiasos", start, stop, load, join };
