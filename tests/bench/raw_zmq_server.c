/* The second process of the raw ZeroMQ benches. */

#include "raw_zmq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "bench.h"

enum { HIGH_WATER = 100000 };

void *raw_socket(void *context, int type, uint32_t size)
{
    void *socket = zmq_socket(context, type);
    int high_water = size > 640 ? (int)((64u << 20) / size) : HIGH_WATER, linger = 0;

    if (!socket)
        bench_die("no ZeroMQ socket");
    (void)zmq_setsockopt(socket, ZMQ_SNDHWM, &high_water, sizeof high_water);
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water, sizeof high_water);
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    return socket;
}

void raw_use_curve(void *socket, const char *server_public)
{
    char public[RAW_CURVE_KEY_SIZE], secret[RAW_CURVE_KEY_SIZE];

    if (zmq_curve_keypair(public, secret) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_public, RAW_CURVE_KEY_SIZE) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, RAW_CURVE_KEY_SIZE) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, RAW_CURVE_KEY_SIZE) != 0)
        bench_die("this ZeroMQ has no CURVE");
}

/* Who sent it and what it says; false when the other side is done. */
static bool receive(void *socket, zmq_msg_t *from, zmq_msg_t *body)
{
    return zmq_msg_recv(from, socket, 0) >= 0 && zmq_msg_recv(body, socket, 0) >= 0 &&
           zmq_msg_size(body) >= sizeof(struct raw_head);
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
        struct raw_head head;

        memcpy(&head, zmq_msg_data(&body), sizeof head);
        if (head.last == RAW_ASK) {
            answer(socket, &from, &body);
            continue;
        }
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
    socket = raw_socket(context, ZMQ_ROUTER, (uint32_t)strtoul(argv[1], NULL, 10));
    if (argc > 2 && (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof on) != 0 ||
                     zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, argv[2], RAW_CURVE_KEY_SIZE) != 0))
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
