/* The other gate: ROUTER behind CURVE alone. */

#include "gate.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "../bench.h"
#include "../raw_zmq.h"
#include "../spawn_server.h"

enum { ASKS_MAX = 100000, WAIT_MS = 30000 };

static struct server server;
static void *context, *teller, *asker;
static char server_public[RAW_CURVE_KEY_SIZE], endpoint[64];
static uint64_t times_ns[ASKS_MAX];

static void *join_socket(void)
{
    void *socket = raw_socket(context, ZMQ_DEALER, GATE_PAYLOAD);
    int wait_ms = WAIT_MS;

    raw_use_curve(socket, server_public);
    (void)zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    if (zmq_connect(socket, endpoint) != 0)
        bench_die("raw ZeroMQ does not connect");
    return socket;
}

static pid_t start(unsigned *port)
{
    char secret[RAW_CURVE_KEY_SIZE];
    const char *const args[] = { "raw-zmq-server", "64", secret, NULL };

    if (zmq_curve_keypair(server_public, secret) != 0)
        bench_die("this ZeroMQ has no CURVE");
    context = zmq_ctx_new();
    server_start(&server, "/proc/self/exe", args, endpoint, sizeof endpoint);
    *port = (unsigned)strtoul(strrchr(endpoint, ':') + 1, NULL, 10);
    teller = join_socket();
    asker = join_socket();
    return server.pid;
}

static void stop(void)
{
    (void)zmq_send(teller, "", 0, 0);
    server_stop(&server);
    (void)zmq_close(teller);
    (void)zmq_close(asker);
    (void)zmq_ctx_term(context);
}

static void send_one(void *socket, uint64_t seq, uint64_t last)
{
    uint8_t body[GATE_PAYLOAD] = { 0 };
    const struct raw_head head = { seq, last };

    memcpy(body, &head, sizeof head);
    if (zmq_send(socket, body, sizeof body, 0) < 0)
        bench_die("raw ZeroMQ does not send");
}

static void take_answer(void *socket, int flags, bool *came)
{
    uint8_t body[GATE_PAYLOAD];

    *came = zmq_recv(socket, body, sizeof body, flags) >= 0;
    if (!*came && (flags == 0 || errno != EAGAIN))
        bench_die("raw ZeroMQ does not answer");
}

static int by_value(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

    return (first > second) - (first < second);
}

/* A millisecond's messages at a time, and an ask when the last one was answered. */
static struct gate_load load(double rate, unsigned ms)
{
    uint64_t started_ns = bench_now_ns(), sent = 0, asked_ns = 0;
    size_t asks = 0;
    bool came;

    for (uint64_t now_ns = started_ns; now_ns - started_ns < ms * UINT64_C(1000000); now_ns = bench_now_ns()) {
        uint64_t due = rate > 0 ? (uint64_t)(rate * (double)(now_ns - started_ns) / 1e9) : sent + 1000;

        while (sent < due)
            send_one(teller, sent++, UINT64_MAX - 1);
        if (asked_ns != 0) {
            take_answer(asker, ZMQ_DONTWAIT, &came);
            if (came && asks < ASKS_MAX)
                times_ns[asks++] = bench_now_ns() - asked_ns;
            asked_ns = came ? 0 : asked_ns;
        }
        if (asked_ns == 0) {
            asked_ns = bench_now_ns();
            send_one(asker, 0, RAW_ASK);
        }
        if (rate > 0)
            (void)poll(NULL, 0, 1);
    }
    send_one(teller, sent, sent);
    take_answer(teller, 0, &came);
    if (asked_ns != 0)
        take_answer(asker, 0, &came);
    qsort(times_ns, asks, sizeof *times_ns, by_value);
    return (struct gate_load){ (double)sent * 1e9 / (double)(bench_now_ns() - started_ns),
                               asks > 0 ? (double)times_ns[asks * 99 / 100] / 1000 : 0 };
}

static double join(void)
{
    uint64_t started_ns = bench_now_ns();
    void *socket = join_socket();
    bool came;

    send_one(socket, 0, RAW_ASK);
    take_answer(socket, 0, &came);
    (void)zmq_close(socket);
    return (double)(bench_now_ns() - started_ns) / 1e6;
}

const struct gate gate_curve = { "curve", start, stop, load, join };
