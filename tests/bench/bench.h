/* Benches: each measures one thing and reports figures; main.c chooses, repeats nothing and prints. */

#ifndef THSI_TESTS_BENCH_H
#define THSI_TESTS_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "thiasos/thiasos.h"

struct bench_options {
    unsigned workers;    /* of each node; 0: one for each CPU */
    bool quick;          /* a tenth of the work */
    const char *program; /* path of this program, for the benches that need a second process */
};

/* Report a figure; @name is lent for the program's life. */
void bench_report(const char *name, double value, const char *unit);

/* Say why a bench could not run and end the program. */
void bench_die(const char *format, ...) THS_PRINTF(1, 2) __attribute__((noreturn));

uint64_t bench_now_ns(void);

/* CPU time that this process and the process @other have used. */
uint64_t bench_cpu_ns(pid_t other);

/* Resident bytes of this process. */
double bench_resident(void);

/* @full, or a tenth of it when quick. */
static inline uint64_t bench_scale(const struct bench_options *options, uint64_t full)
{
    return options->quick ? full / 10 : full;
}

/* A node for one bench. */
struct ths_node *bench_node(const struct bench_options *options, const char *name);

/* Wait until the bench's actors say that they are done (bench_done), at most two minutes. */
void bench_wait(void);
void bench_done(void);

void bench_ping_pong(const struct bench_options *options);
void bench_ping_pong_pinned(const struct bench_options *options);
void bench_fan_in_4(const struct bench_options *options);
void bench_ring_503(const struct bench_options *options);
void bench_spawn_exit(const struct bench_options *options);
void bench_fan_in_one(const struct bench_options *options);
void bench_chameneos(const struct bench_options *options);
void bench_skynet(const struct bench_options *options);
void bench_million(const struct bench_options *options);   /* create_1m, idle_actor, message_1m */
void bench_park(const struct bench_options *options);      /* park_rtt, futex_rtt */
void bench_blocked(const struct bench_options *options);
void bench_remote(const struct bench_options *options);    /* remote_..., small_ask_... */
void bench_raw_zmq(const struct bench_options *options);   /* raw_zmq_... */
void bench_curve_zmq(const struct bench_options *options); /* curve_zmq_... */

/* The second process of the remote benches. Return the exit status. */
int bench_remote_server(const struct bench_options *options, int argc, char **argv);
int bench_raw_zmq_server(int argc, char **argv);

#endif /* THSI_TESTS_BENCH_H */
