/* thiasos-gate: what strangers cost a node behind each of the gates that could be used, and what its members notice.
 *
 * The gates: thiasos (ZeroMQ's STREAM socket with our frames and handshake), and ROUTER behind CURVE alone. Each attack runs
 * on loopback while a member sends at half of what the gate can take; what is said is the loss against the same load without
 * strangers. Nothing else should run meanwhile; it ends by itself. */

#include "gate.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "../bench.h"

enum { FILES = 12000 }; /* of the strangers, and of the server */

static const struct attack attacks[] = {
    { "idle", "10,000 connections that say nothing", 0, 10000, SAYS_NOTHING },
    { "connects", "5,000 connections a second, 1,000 kept", 5000, 1000, SAYS_NOTHING },
    { "garbage", "2,000 connections a second, 4 KiB of noise on each", 2000, 500, SAYS_GARBAGE },
    { "hellos", "2,000 hellos a second with keys of noise", 2000, 500, SAYS_HELLO },
    { "endless", "64 connections, each an endless frame", 0, 64, SAYS_ENDLESSLY },
    { "slow", "500 connections, a byte a second on each", 0, 500, SAYS_A_BYTE_A_SECOND },
};

static double resident_mib(pid_t pid)
{
    char path[64];
    FILE *file;
    long total = 0, pages = -1;

    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    file = fopen(path, "re");
    if (file && fscanf(file, "%ld %ld", &total, &pages) != 2)
        pages = -1;
    if (file)
        (void)fclose(file);
    return pages < 0 ? -1 : (double)pages * 4096 / 1048576;
}

static void measure_attack(const struct gate *gate, const struct attack *attack, unsigned ms)
{
    unsigned port;
    pid_t server = gate->start(&port), stranger;
    double full = gate->load(0, ms).delivered, before, after, joined_ms;
    struct gate_load calm = gate->load(full / 2, ms), attacked;

    before = resident_mib(server);
    stranger = attack_start(attack, port, strcmp(gate->name, "thiasos") != 0);
    (void)gate->load(full / 2, ms); /* until the strangers are there */
    attacked = gate->load(full / 2, ms);
    joined_ms = gate->join();
    after = resident_mib(server);
    attack_stop(stranger);
    (void)printf("%-8s %-9s %12.0f %8.1f %% %10.0f %10.0f %10.1f %10.1f\n", gate->name, attack->name, full / 2,
                 (1 - attacked.delivered / calm.delivered) * 100, calm.ask_p99_us, attacked.ask_p99_us, after - before,
                 joined_ms);
    (void)fflush(stdout);
    gate->stop();
}

static void usage(FILE *out)
{
    (void)fprintf(out, "usage: thiasos-gate [--quick] [--only ATTACK]\n\n"
                       "Attacks a node on loopback behind each gate while a member sends, for 2 s a measure (--quick: 0.3 s).\n"
                       "Columns: messages a second offered (half of what the gate takes), share of them lost to the attack,\n"
                       "p99 of an ask without and with it in us, MiB that the server grew, ms until a new member had an answer.\n"
                       "ATTACK is one of:\n");
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++)
        (void)fprintf(out, "  %-9s %s\n", attacks[i].name, attacks[i].about);
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = { { "quick", no_argument, NULL, 'q' },
                                                  { "only", required_argument, NULL, 'o' },
                                                  { "help", no_argument, NULL, 'h' },
                                                  { NULL, 0, NULL, 0 } };
    static const struct gate *const gates[] = { &gate_thiasos, &gate_curve };
    const struct bench_options server_options = { .program = "/proc/self/exe", .workers = 1 };
    struct rlimit files;
    const char *only = NULL;
    unsigned ms = 2000;
    int option;

    if (argc > 1 && strcmp(argv[1], "remote-server") == 0)
        return bench_remote_server(&server_options, argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "raw-zmq-server") == 0)
        return bench_raw_zmq_server(argc - 1, argv + 1);
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case 'q': ms = 300; break;
        case 'o': only = optarg; break;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < FILES)
        bench_die("%d open files are needed: raise the limit (ulimit -n)", FILES);
    ths_env_os_log(THS_LOG_ERROR, false);
    (void)printf("%-8s %-9s %12s %10s %10s %10s %10s %10s\n", "gate", "attack", "offered/s", "lost", "p99 calm", "p99", "MiB",
                 "join ms");
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++)
        for (size_t at = 0; at < sizeof gates / sizeof gates[0]; at++)
            if (!only || strcmp(only, attacks[i].name) == 0)
                measure_attack(gates[at], &attacks[i], ms);
    return 0;
}
