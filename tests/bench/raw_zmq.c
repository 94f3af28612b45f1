/* The measure to hold the remote benches against: two processes over raw ZeroMQ, DEALER to ROUTER, in the clear, a frame
 * a message of the same size, counted and checked for order. */

#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "spawn_server.h"

#include <stdio.h>

enum { PAYLOAD = 64, HIGH_WATER = 100000 };

static void *make_socket(void *context, int type)
{
    void *socket = zmq_socket(context, type);
    int high_water = HIGH_WATER, linger = 0;

    if (!socket)
        bench_die("no ZeroMQ socket");
    (void)zmq_setsockopt(socket, ZMQ_SNDHWM, &high_water, sizeof high_water);
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water, sizeof high_water);
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    return socket;
}

/* Who sent it and what it says; false when the other side is done. */
static bool receive(void *socket, zmq_msg_t *from, zmq_msg_t *body)
{
    return zmq_msg_recv(from, socket, 0) >= 0 && zmq_msg_recv(body, socket, 0) >= 0 && zmq_msg_size(body) > 0;
}

/* Answer: to the sender, the same body. */
static void answer(void *socket, zmq_msg_t *from, zmq_msg_t *body)
{
    if (zmq_msg_send(from, socket, ZMQ_SNDMORE) < 0 || zmq_msg_send(body, socket, 0) < 0)
        bench_die("raw ZeroMQ does not answer");
}

/* argv: raw-zmq-server COUNT ASKS. Receives COUNT messages in order and answers the last, then answers ASKS. */
int bench_raw_zmq_server(int argc, char **argv)
{
    void *context = zmq_ctx_new(), *socket;
    uint64_t count, asks, seq;
    char endpoint[64];
    size_t size = sizeof endpoint;
    zmq_msg_t from, body;

    if (argc != 3)
        return 2;
    count = strtoull(argv[1], NULL, 10);
    asks = strtoull(argv[2], NULL, 10);
    socket = make_socket(context, ZMQ_ROUTER);
    if (zmq_bind(socket, "tcp://127.0.0.1:*") != 0 || zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        return 1;
    (void)printf("%s\n", endpoint);
    (void)fflush(stdout);
    (void)zmq_msg_init(&from);
    (void)zmq_msg_init(&body);
    for (uint64_t i = 0; i < count; i++) {
        if (!receive(socket, &from, &body))
            return 1;
        memcpy(&seq, zmq_msg_data(&body), sizeof seq);
        if (seq != i)
            return 1;
    }
    answer(socket, &from, &body);
    for (uint64_t i = 0; i < asks && receive(socket, &from, &body); i++)
        answer(socket, &from, &body);
    while (getchar() != EOF) {
    }
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
    return 0;
}

static void send_one(void *socket, uint64_t seq)
{
    uint8_t body[PAYLOAD] = { 0 };

    memcpy(body, &seq, sizeof seq);
    if (zmq_send(socket, body, sizeof body, 0) < 0)
        bench_die("raw ZeroMQ does not send");
}

static void receive_one(void *socket)
{
    uint8_t body[PAYLOAD];

    if (zmq_recv(socket, body, sizeof body, 0) < 0)
        bench_die("raw ZeroMQ does not receive");
}

void bench_raw_zmq(const struct bench_options *options)
{
    uint64_t count = bench_scale(options, 5000000), asks = bench_scale(options, 50000), started_ns;
    char count_text[24], asks_text[24], endpoint[64];
    const char *const args[] = { "raw-zmq-server", count_text, asks_text, NULL };
    void *context = zmq_ctx_new(), *socket = make_socket(context, ZMQ_DEALER);
    struct server server;

    (void)snprintf(count_text, sizeof count_text, "%llu", (unsigned long long)count);
    (void)snprintf(asks_text, sizeof asks_text, "%llu", (unsigned long long)(asks + asks / 10));
    server_start(&server, options->program, args, endpoint, sizeof endpoint);
    if (zmq_connect(socket, endpoint) != 0)
        bench_die("raw ZeroMQ does not connect");
    started_ns = bench_now_ns();
    for (uint64_t i = 0; i < count; i++)
        send_one(socket, i);
    receive_one(socket);
    bench_report("raw_zmq_tell_64", (double)count * 1e9 / (double)(bench_now_ns() - started_ns), "msg/s");
    for (uint64_t i = 0; i < asks + asks / 10; i++) {
        if (i == asks / 10)
            started_ns = bench_now_ns();
        send_one(socket, i);
        receive_one(socket);
    }
    bench_report("raw_zmq_rtt_64", (double)(bench_now_ns() - started_ns) / 1000.0 / (double)asks, "us");
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
    server_stop(&server);
}
