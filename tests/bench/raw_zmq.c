/* The measure to hold the remote benches against: two processes over raw ZeroMQ, DEALER to ROUTER, a frame a message of the
 * same size, counted and checked for order; in the clear, and behind CURVE. */

#include "raw_zmq.h"

#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "bench.h"
#include "spawn_server.h"

struct client {
    struct server server;
    void *context, *socket;
    uint32_t size;
    uint8_t body[RAW_PAYLOAD_MAX];
};

static void open_client(struct client *client, const struct bench_options *options, uint32_t size, bool curve)
{
    char size_text[16], public[RAW_CURVE_KEY_SIZE], secret[RAW_CURVE_KEY_SIZE], endpoint[64];
    const char *const args[] = { "raw-zmq-server", size_text, curve ? secret : NULL, NULL };

    client->size = size;
    client->context = zmq_ctx_new();
    client->socket = raw_socket(client->context, ZMQ_DEALER, size);
    if (curve && zmq_curve_keypair(public, secret) != 0)
        bench_die("this ZeroMQ has no CURVE");
    if (curve)
        raw_use_curve(client->socket, public);
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
    struct raw_head head = { .last = count - 1 };

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
    if (size >= RAW_PAYLOAD_MAX)
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
    measure_tells(options, curve, RAW_PAYLOAD_MAX, bench_scale(options, curve ? 10000 : 20000), names->tell_64k, NULL);
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
