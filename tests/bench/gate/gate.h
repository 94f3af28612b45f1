/* The gates compared: what stands between strangers and a node, each in a server process of its own, with a member that uses
 * it while strangers attack. */

#ifndef THSI_TESTS_BENCH_GATE_H
#define THSI_TESTS_BENCH_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { GATE_PAYLOAD = 64 };

/* How a member fared that sent @rate messages a second for some time, and an ask every millisecond. */
struct gate_load {
    double delivered; /* messages a second, counted by the server */
    double ask_p99_us;
};

struct gate {
    const char *name;
    /* Start the server and the member. @port gets the port that strangers find. Returns the server's pid. */
    pid_t (*start)(unsigned *port);
    void (*stop)(void);
    /* @rate 0: as fast as it goes. */
    struct gate_load (*load)(double rate, unsigned ms);
    /* How long another member takes until its first ask was answered, in ms. */
    double (*join)(void);
};

extern const struct gate gate_thiasos, gate_curve;

/* attack.c: strangers, in a process of their own, on loopback alone. */
struct attack {
    const char *name;
    const char *about;
    unsigned rate; /* connections a second; 0: @connections, once, and kept */
    unsigned connections;
    enum { SAYS_NOTHING, SAYS_GARBAGE, SAYS_HELLO, SAYS_ENDLESSLY, SAYS_A_BYTE_A_SECOND } says;
};

/* Attack @port until killed. @zmtp: what is said begins as ZeroMQ's protocol does, else as thiasos's. */
pid_t attack_start(const struct attack *attack, unsigned port, bool zmtp);
void attack_stop(pid_t pid);

#endif /* THSI_TESTS_BENCH_GATE_H */
