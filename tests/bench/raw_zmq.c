/* The measure to hold the remote benches against: two processes over raw ZeroMQ, DEALER to ROUTER, a frame a message of the
 * same size, counted and checked for order; in the clear, and behind CURVE. */

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "spawn_server.h"

enum { PAYLOAD_MAX = 65536, HIGH_WATER = 100000, CURVE_KEY_SIZE = 41 };

/* What each message begins with. The one numbered last is answered; a message without bytes ends the server. */
struct head {
    uint64_t seq;
    uint64_t last;
};

static void *make_socket(void *context, int type, uint32_t size)
{
    void *socket = zmq_socket(context, type);
    /* Not more than 64 MiB wait on either side. */
    int high_water = size > 640 ? (int)((64u << 20) / size) : HIGH_WATER, linger = 0;

    if (!socket)
        bench_die("no ZeroMQ socket");
    (void)zmq_setsockopt(socket, ZMQ_SNDHWM, &high_water, sizeof high_water);
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water, sizeof high_water);
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    return socket;
}

/* ---- The server --------------------------------------------------------------------------- */

/* Who sent it and what it says; false when the other side is done. */
static bool receive(void *socket, zmq_msg_t *from, zmq_msg_t *body)
{
    return zmq_msg_recv(from, socket, 0) >= 0 && zmq_msg_recv(body, socket, 0) >= 0 &&
           zmq_msg_size(body) >= sizeof(struct head);
}

/* Answer: to the sender, the same body. */
static void answer(void *socket, zmq_msg_t *from, zmq_msg_t *body)
{
    if (zmq_msg_send(from, socket, ZMQ_SNDMORE) < 0 || zmq_msg_send(body, socket, 0) < 0)
        bench_die("raw ZeroMQ does not answer");
}

static void serve(void *socket)
{
    zmq_msg_t from, body;
    uint64_t wanted = 0;

    (void)zmq_msg_init(&from);
    (void)zmq_msg_init(&body);
    while (receive(socket, &from, &body)) {
        struct head head;

        memcpy(&head, zmq_msg_data(&body), sizeof head);
        if (head.seq != wanted)
            bench_die("raw ZeroMQ: message %llu in place of %llu", (unsigned long long)head.seq, (unsigned long long)wanted);
        wanted = head.seq == head.last ? 0 : wanted + 1;
        if (wanted == 0)
            answer(socket, &from, &body);
    }
    (void)zmq_msg_close(&from);
    (void)zmq_msg_close(&body);
}

/* argv: raw-zmq-server SIZE [CURVE_SECRET]. */
int bench_raw_zmq_server(int argc, char **argv)
{
    void *context = zmq_ctx_new(), *socket;
    char endpoint[64];
    size_t size = sizeof endpoint;
    int on = 1;

    if (argc < 2)
        return 2;
    socket = make_socket(context, ZMQ_ROUTER, (uint32_t)strtoul(argv[1], NULL, 10));
    if (argc > 2 && (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof on) != 0 ||
                     zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, argv[2], CURVE_KEY_SIZE) != 0))
        bench_die("raw ZeroMQ takes no CURVE key");
    if (zmq_bind(socket, "tcp://127.0.0.1:*") != 0 || zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size) != 0)
        return 1;
    (void)printf("%s\n", endpoint);
    (void)fflush(stdout);
    serve(socket);
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
    return 0;
}

/* ---- The client --------------------------------------------------------------------------- */

struct client {
    struct server server;
    void *context, *socket;
    uint32_t size;
    uint8_t body[PAYLOAD_MAX];
};

static void use_curve(struct client *client, char *server_secret)
{
    char server_public[CURVE_KEY_SIZE], own_public[CURVE_KEY_SIZE], own_secret[CURVE_KEY_SIZE];

    if (zmq_curve_keypair(server_public, server_secret) != 0 || zmq_curve_keypair(own_public, own_secret) != 0 ||
        zmq_setsockopt(client->socket, ZMQ_CURVE_SERVERKEY, server_public, CURVE_KEY_SIZE) != 0 ||
        zmq_setsockopt(client->socket, ZMQ_CURVE_PUBLICKEY, own_public, CURVE_KEY_SIZE) != 0 ||
        zmq_setsockopt(client->socket, ZMQ_CURVE_SECRETKEY, own_secret, CURVE_KEY_SIZE) != 0)
        bench_die("this ZeroMQ has no CURVE");
}

static void open_client(struct client *client, const struct bench_options *options, uint32_t size, bool curve)
{
    char size_text[16], secret[CURVE_KEY_SIZE], endpoint[64];
    const char *const args[] = { "raw-zmq-server", size_text, curve ? secret : NULL, NULL };

    client->size = size;
    client->context = zmq_ctx_new();
    client->socket = make_socket(client->context, ZMQ_DEALER, size);
    if (curve)
        use_curve(client, secret);
    (void)snprintf(size_text, sizeof size_text, "%u", size);
    server_start(&client->server, options->program, args, endpoint, sizeof endpoint);
    if (zmq_connect(client->socket, endpoint) != 0)
        bench_die("raw ZeroMQ does not connect");
}

static void close_client(struct client *client)
{
    if (zmq_send(client->socket, "", 0, 0) < 0)
        bench_die("raw ZeroMQ does not send");
    server_stop(&client->server);
    (void)zmq_close(client->socket);
    (void)zmq_ctx_term(client->context);
}

/* @count messages, of which the last is answered. */
static void exchange(struct client *client, uint64_t count)
{
    struct head head = { .last = count - 1 };

    for (; head.seq < count; head.seq++) {
        memcpy(client->body, &head, sizeof head);
        if (zmq_send(client->socket, client->body, client->size, 0) < 0)
            bench_die("raw ZeroMQ does not send");
    }
    if (zmq_recv(client->socket, client->body, client->size, 0) < 0)
        bench_die("raw ZeroMQ does not receive");
}

struct figure_names {
    const char *tell_64, *tell_64_cpu, *tell_1k, *tell_64k, *rtt_64;
};

static void measure_tells(const struct bench_options *options, bool curve, uint32_t size, uint64_t count, const char *name,
                          const char *cpu_name)
{
    static struct client client;
    uint64_t started_ns, started_cpu_ns;
    double seconds;

    open_client(&client, options, size, curve);
    exchange(&client, count / 10);
    started_ns = bench_now_ns();
    started_cpu_ns = bench_cpu_ns(client.server.pid);
    exchange(&client, count);
    seconds = (double)(bench_now_ns() - started_ns) / 1e9;
    if (size >= PAYLOAD_MAX)
        bench_report(name, (double)count * size / seconds / 1e6, "MB/s");
    else
        bench_report(name, (double)count / seconds, "msg/s");
    if (cpu_name)
        bench_report(cpu_name, (double)(bench_cpu_ns(client.server.pid) - started_cpu_ns) / (double)count, "ns");
    close_client(&client);
}

static void measure_round_trips(const struct bench_options *options, bool curve, const char *name)
{
    static struct client client;
    uint64_t asks = bench_scale(options, 50000), started_ns = 0;

    open_client(&client, options, 64, curve);
    for (uint64_t i = 0; i < asks + asks / 10; i++) {
        if (i == asks / 10)
            started_ns = bench_now_ns();
        exchange(&client, 1);
    }
    bench_report(name, (double)(bench_now_ns() - started_ns) / 1000.0 / (double)asks, "us");
    close_client(&client);
}

static void measure(const struct bench_options *options, bool curve, const struct figure_names *names)
{
    measure_tells(options, curve, 64, bench_scale(options, curve ? 1000000 : 5000000), names->tell_64, names->tell_64_cpu);
    measure_tells(options, curve, 1024, bench_scale(options, curve ? 500000 : 1000000), names->tell_1k, NULL);
    measure_tells(options, curve, PAYLOAD_MAX, bench_scale(options, curve ? 10000 : 20000), names->tell_64k, NULL);
    measure_round_trips(options, curve, names->rtt_64);
}

void bench_raw_zmq(const struct bench_options *options)
{
    measure(options, false, &(struct figure_names){ "raw_zmq_tell_64", "raw_zmq_tell_64_cpu", "raw_zmq_tell_1k",
                                                    "raw_zmq_tell_64k", "raw_zmq_rtt_64" });
}

void bench_curve_zmq(const struct bench_options *options)
{
    measure(options, true, &(struct figure_names){ "curve_zmq_tell_64", "curve_zmq_tell_64_cpu", "curve_zmq_tell_1k",
                                                   "curve_zmq_tell_64k", "curve_zmq_rtt_64" });
}
