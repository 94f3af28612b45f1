/* thiasos-bench: measures the node, alone and beside raw ZeroMQ. compare.sh runs it interleaved with Erlang. */

#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    const char *names; /* of the figures it reports */
    void (*run)(const struct bench_options *options);
    bool remote;       /* has a second process */
};

static const struct bench benches[] = {
    { "ping_pong", bench_ping_pong, false },
    { "ping_pong_pinned", bench_ping_pong_pinned, false },
    { "fan_in_4", bench_fan_in_4, false },
    { "ring_503", bench_ring_503, false },
    { "spawn_exit", bench_spawn_exit, false },
    { "fan_in_4_one_worker", bench_fan_in_one, false },
    { "chameneos", bench_chameneos, false },
    { "skynet_1m", bench_skynet, false },
    { "create_1m idle_actor message_1m", bench_million, false },
    { "park_rtt futex_rtt", bench_park, false },
    { "blocked_p99", bench_blocked, false },
    { "remote_tell_64 remote_tell_64_cpu remote_tell_1k remote_tell_64k remote_ask_64 small_ask_p99_unloaded remote_spawn "
      "remote_down small_ask_p99_loaded", bench_remote, true },
    { "raw_zmq_tell_64 raw_zmq_tell_64_cpu raw_zmq_tell_1k raw_zmq_tell_64k raw_zmq_rtt_64", bench_raw_zmq, true },
    { "curve_zmq_tell_64 curve_zmq_tell_64_cpu curve_zmq_tell_1k curve_zmq_tell_64k curve_zmq_rtt_64", bench_curve_zmq, true },
};
enum { BENCHES = sizeof benches / sizeof benches[0], FIGURES_MAX = 64 };

static struct figure {
    const char *name;
    double value;
    const char *unit;
} figures[FIGURES_MAX];
static unsigned figures_count;
static bool json;

void bench_report(const char *name, double value, const char *unit)
{
    if (figures_count < FIGURES_MAX)
        figures[figures_count++] = (struct figure){ name, value, unit };
    if (!json) {
        (void)printf("%-22s %15.2f %s\n", name, value, unit);
        (void)fflush(stdout);
    }
}

static void print_json(void)
{
    (void)printf("[");
    for (unsigned i = 0; i < figures_count; i++)
        (void)printf("%s{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\"}", i ? "," : "", figures[i].name,
                     figures[i].value, figures[i].unit);
    (void)printf("]\n");
}

static void usage(FILE *out)
{
    (void)fprintf(out, "usage: thiasos-bench [--json] [--only NAME | --part local|remote] [--workers N] [--quick]\n\n"
                       "Measures this machine; nothing else should run meanwhile. NAME is one of:\n");
    for (unsigned i = 0; i < BENCHES; i++)
        (void)fprintf(out, "  %s\n", benches[i].names);
    (void)fprintf(out, "\n  --part WHICH only those with a second process (remote), or only the others (local)\n"
                       "  --json       one array of {\"name\",\"value\",\"unit\"}\n"
                       "  --workers N  threads that run actors, of each node (default: one for each CPU)\n"
                       "  --quick      a tenth of the work\n");
}

/* Whether @names, separated by spaces, holds @name. */
static bool holds(const char *names, const char *name)
{
    const char *at = strstr(names, name);
    size_t len = strlen(name);

    return at && (at == names || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0');
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        { "json", no_argument, NULL, 'j' },   { "only", required_argument, NULL, 'o' },
        { "quick", no_argument, NULL, 'q' },  { "workers", required_argument, NULL, 'w' },
        { "help", no_argument, NULL, 'h' },   { "part", required_argument, NULL, 'p' },
        { NULL, 0, NULL, 0 },
    };
    struct bench_options options = { .program = "/proc/self/exe" };
    const char *only = NULL, *part = NULL;
    bool found = false;
    int option;

    if (argc > 1 && strcmp(argv[1], "remote-server") == 0)
        return bench_remote_server(&options, argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "raw-zmq-server") == 0)
        return bench_raw_zmq_server(argc - 1, argv + 1);
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case 'j': json = true; break;
        case 'o': only = optarg; break;
        case 'p': part = optarg; break;
        case 'q': options.quick = true; break;
        case 'w': options.workers = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (part && strcmp(part, "local") != 0 && strcmp(part, "remote") != 0) {
        usage(stderr);
        return 2;
    }
    ths_env_os_log(THS_LOG_WARN, false);
    for (unsigned i = 0; i < BENCHES; i++) {
        if ((only && !holds(benches[i].names, only)) || (part && benches[i].remote != (strcmp(part, "remote") == 0)))
            continue;
        found = true;
        benches[i].run(&options);
    }
    if (!found)
        bench_die("there is no bench named %s; --help lists them", only);
    if (json)
        print_json();
    return 0;
}
